/** Internal errors of this thread, caught while this is there; without it they fail the test, as they should. */
import { InternalError } from "../../src/flow/mod.ts";

export class CaughtInternalErrors implements Disposable {
  readonly caught: InternalError[] = [];
  readonly #onError = (event: ErrorEvent) => {
    if (!(event.error instanceof InternalError)) return;
    event.preventDefault();
    this.caught.push(event.error);
  };

  constructor() {
    globalThis.addEventListener("error", this.#onError);
  }

  get kinds(): string[] {
    return this.caught.map(({ kind }) => kind);
  }

  [Symbol.dispose](): void {
    globalThis.removeEventListener("error", this.#onError);
  }
}

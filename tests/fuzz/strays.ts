/** Errors that nobody caught, from wherever they come: rejections without a handler, and what a callback threw. */

/** While there is one, such an error does not end the process. They nest: the newest has them. */
export class Strays implements Disposable {
  static readonly #open: Strays[] = [];
  #found: unknown[] = [];

  constructor() {
    if (Strays.#open.push(this) === 1) {
      addEventListener("unhandledrejection", Strays.#onRejection);
      addEventListener("error", Strays.#onError);
    }
  }

  /** Throws the first. */
  check(): void {
    if (this.#found.length === 0) return;
    const [first] = this.#found;
    this.#found = [];
    throw new Error("Nobody caught an error", { cause: first });
  }

  /** Rejections are found to have no handler when the event loop comes round. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 2; turn++) await new Promise((come) => setTimeout(come, 0));
  }

  [Symbol.dispose](): void {
    Strays.#open.splice(Strays.#open.indexOf(this), 1);
    if (Strays.#open.length > 0) return;
    removeEventListener("unhandledrejection", Strays.#onRejection);
    removeEventListener("error", Strays.#onError);
  }

  static #note(error: unknown): void {
    const newest = Strays.#open.at(-1);
    if (newest) newest.#found.push(error);
  }

  static readonly #onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    Strays.#note(event.reason);
  };

  static readonly #onError = (event: ErrorEvent) => {
    event.preventDefault();
    Strays.#note(event.error);
  };
}

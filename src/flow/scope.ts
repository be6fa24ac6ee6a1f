/**
 * Structured lifetimes. Everything that runs, waits or holds a resource belongs to a Scope and ends with it:
 *
 *     service -> session -> speaker -> STT session
 *
 * Disposing a scope aborts its signal, disposes its children, joins its tasks, then runs its cleanups, newest first.
 * A task that fails (not by abort) aborts its own scope only, and resolves `failed` for its owner. Where nobody has read
 * `failed`, it is an internal error.
 */
import { reportInternalError } from "./internal_errors.ts";

export class Scope implements AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #children = new Set<Scope>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #cleanups: (() => void | PromiseLike<void>)[] = [];
  readonly #failure = Promise.withResolvers<unknown>();
  #disposed?: Promise<void>;
  #ended = false;
  #isWatched = false;

  constructor(readonly name: string, readonly parent?: Scope) {
    parent?.signal.throwIfAborted();
    if (parent) parent.#children.add(this);
  }

  /** Aborted when the scope is disposed, its parent is, or one of its tasks failed. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves with the error when a task of this scope fails. Read it before that. */
  get failed(): Promise<unknown> {
    this.#isWatched = true;
    return this.#failure.promise;
  }

  /** Live children and tasks, for tests of leaks. */
  get size(): number {
    return this.#children.size + this.#tasks.size;
  }

  child(name: string): Scope {
    return new Scope(name, this);
  }

  /** Runs a task that this scope waits for. A task may abort its own scope, never await its disposal. */
  run(task: (signal: AbortSignal) => PromiseLike<void>): void {
    this.signal.throwIfAborted();
    const started = async () => await task(this.signal); // a synchronous exception is a rejection too
    const running = started()
      .catch((error: unknown) => {
        if (this.signal.aborted) return; // stopped, however
        this.#failure.resolve(error);
        if (!this.#isWatched) reportInternalError("task", error);
        this.abort(error);
      })
      .finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }

  /**
   * Runs when the scope is disposed, after its tasks have ended; the last one deferred runs first. Accepted until then,
   * so that an aborted task can still defer closing what it opened; throws afterwards.
   */
  defer(cleanup: () => void | PromiseLike<void>): void {
    if (this.#ended) throw new Error(`Cannot defer to scope "${this.name}": it has ended`);
    this.#cleanups.push(cleanup);
  }

  /** Disposes the resource with this scope. */
  use<T extends Disposable | AsyncDisposable>(resource: T): T {
    this.defer(() =>
      Symbol.asyncDispose in resource ? resource[Symbol.asyncDispose]() : resource[Symbol.dispose]()
    );
    return resource;
  }

  /** Cancels without waiting; the owner still disposes. */
  abort(reason: unknown = new DOMException(`Scope "${this.name}" ended`, "AbortError")): void {
    this.#controller.abort(reason);
    for (const child of this.#children) child.abort(reason);
  }

  /** Aborts and waits until everything of the scope has ended. Throws what cleanups threw. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= this.#dispose();
  }

  async #dispose(): Promise<void> {
    this.abort();
    const errors: unknown[] = [];
    const attempt = (work: void | Promise<void>) =>
      Promise.resolve(work).catch((error: unknown) => void errors.push(error));
    await Promise.all([...this.#children].map((child) => attempt(child[Symbol.asyncDispose]())));
    await Promise.all(this.#tasks);
    for (let cleanup = this.#cleanups.pop(); cleanup; cleanup = this.#cleanups.pop()) {
      await attempt(Promise.resolve().then(cleanup));
    }
    this.#ended = true;
    if (this.parent) this.parent.#children.delete(this);
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, `Cannot close scope "${this.name}" cleanly`);
  }
}

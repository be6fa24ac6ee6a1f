/**
 * Ends a process that hangs in one input: a loop that never ends cannot be stopped from within. Says which input it was,
 * so that it can be repeated, on a thread of its own.
 */
const HANG_MS = 60_000;
const LOOK_MS = 5_000;

/** What this thread is doing: counts in shared memory, and a name. */
export class Watchdog implements Disposable {
  /** Inputs, and tries to make one smaller. */
  readonly #count = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker: Worker;

  constructor() {
    const code = `(${watch})(self, ${HANG_MS}, ${LOOK_MS})`;
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    this.#worker = new Worker(url, { type: "module" });
    URL.revokeObjectURL(url);
    this.#worker.postMessage({ count: this.#count });
  }

  /** From now on, inputs are those of this target and seed. */
  begin(target: string, seed: number): void {
    this.#worker.postMessage({ target, seed, first: Atomics.load(this.#count, 0) });
  }

  /** The next input is about to be taken. */
  readonly input = (): void => void Atomics.add(this.#count, 0, 1);

  readonly shrinking = (): void => void Atomics.add(this.#count, 1, 1);

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

/** Runs in the worker: nothing from outside of it is there. */
function watch(
  scope: { onmessage: ((event: MessageEvent) => void) | null },
  hangMs: number,
  lookMs: number,
): void {
  let count: Int32Array | undefined;
  let batch = { target: "", seed: 0, first: 0 };
  scope.onmessage = ({ data }) => {
    if (data.count) count = data.count;
    else batch = data;
  };
  let seen = -1;
  let unchangedMs = 0;
  setInterval(() => {
    if (!count) return;
    const now = Atomics.load(count, 0);
    const signs = now + Atomics.load(count, 1);
    unchangedMs = signs === seen ? unchangedMs + lookMs : 0;
    seen = signs;
    if (unchangedMs < hangMs) return;
    const { target, seed, first } = batch;
    const text = `\nFAILED: ${target} hangs in an input. To repeat it: ` +
      `deno task fuzz --target ${target} --seed ${seed} --runs ${now - first}\n`;
    Deno.stderr.writeSync(new TextEncoder().encode(text));
    Deno.kill(Deno.pid, "SIGKILL");
  }, lookMs);
}

/**
 * The descriptors that a thread has from libc, where its owner sees them. What Deno opens dies with the thread; these are
 * the process', and a thread that is ended as it is closes nothing. Opens nothing itself.
 */

/** Sockets of a media worker: a full one has some two for each of its 350 speakers. */
const DESCRIPTORS_MAX = 4_096;
const FREE = 0; // standard input, which nobody opens

export class Descriptors {
  readonly #table: Int32Array;
  /** Where to look for a free place first. */
  #next = 0;

  constructor(readonly buffer = new SharedArrayBuffer(DESCRIPTORS_MAX * Int32Array.BYTES_PER_ELEMENT)) {
    this.#table = new Int32Array(buffer);
  }

  /** Writes one down; false when there are too many. */
  add(fd: number): boolean {
    for (let looked = 0; looked < this.#table.length; looked++) {
      const at = this.#next;
      this.#next = (at + 1) % this.#table.length;
      if (Atomics.compareExchange(this.#table, at, FREE, fd) === FREE) return true;
    }
    return false;
  }

  /** Before it is closed: from then on the number may be another's. */
  delete(fd: number): void {
    const at = this.#table.indexOf(fd);
    if (at >= 0) Atomics.store(this.#table, at, FREE);
  }

  /** What is open. */
  get size(): number {
    return this.#table.reduce((size, fd) => fd === FREE ? size : size + 1, 0);
  }

  /** Closes all that is left, once the thread has ended. */
  closeAll(): void {
    if (this.size === 0) return;
    const libc = Deno.dlopen("libc.so.6", { close: { parameters: ["i32"], result: "i32" } });
    for (let at = 0; at < this.#table.length; at++) {
      const fd = Atomics.exchange(this.#table, at, FREE);
      if (fd !== FREE) libc.symbols.close(fd);
    }
    libc.close();
  }
}

/** This thread's. Nobody looks at the main thread's: it ends with the process. */
export let descriptors = new Descriptors();

/** To be called before anything is opened. */
export function shareDescriptors(buffer: SharedArrayBuffer): void {
  descriptors = new Descriptors(buffer);
}

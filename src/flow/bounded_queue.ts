/** A ring between producers and one reader. When it is full it refuses an item, and its producer decides. */
export interface BoundedQueueOptions<T> {
  /** Items. */
  capacity: number;
  /** A second bound, where items differ in size. A larger item is taken when the queue is empty. */
  bytes?: { max: number; of: (item: T) => number };
}

export class BoundedQueue<T> {
  readonly #items: (T | undefined)[];
  readonly #bytesMax: number;
  readonly #bytesOf: (item: T) => number;
  #head = 0;
  #size = 0;
  #bytes = 0;
  #dropped = 0;
  #closed = false;
  #error: unknown;
  #waiting?: PromiseWithResolvers<T | undefined>;

  constructor(options: BoundedQueueOptions<T>) {
    if (!Number.isInteger(options.capacity) || options.capacity < 1) {
      throw new RangeError(
        `Cannot make a queue of capacity ${options.capacity}: it must be a positive integer`,
      );
    }
    this.#items = new Array<T | undefined>(options.capacity);
    this.#bytesMax = options.bytes?.max ?? Infinity;
    this.#bytesOf = options.bytes?.of ?? (() => 0);
  }

  get capacity(): number {
    return this.#items.length;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of what is queued; 0 where they are not bounded. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Items refused since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** False when the item was refused because the queue is full, or already closed (not counted as dropped). */
  push(item: T): boolean {
    if (this.#closed) return false;
    if (this.#waiting) {
      this.#waiting.resolve(item);
      this.#waiting = undefined;
      return true;
    }
    const bytes = this.#bytesOf(item);
    if (this.#size === this.capacity || (this.#size > 0 && this.#bytes + bytes > this.#bytesMax)) {
      this.#dropped++;
      return false;
    }
    this.#bytes += bytes;
    this.#items[(this.#head + this.#size) % this.capacity] = item;
    this.#size++;
    return true;
  }

  /** The next item; undefined once closed and empty; rejects with the error it was closed with. One reader. */
  next(): Promise<T | undefined> {
    if (this.#size > 0) return Promise.resolve(this.#shift());
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#closed) return Promise.resolve(undefined);
    if (this.#waiting) {
      return Promise.reject(new Error("Cannot read a queue twice at once: it has one reader"));
    }
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** No more items. The reader gets the error after the queued items; `clear` drops those. */
  close(options: { error?: unknown; clear?: boolean } = {}): void {
    if (options.clear) {
      this.#items.fill(undefined);
      this.#size = this.#bytes = 0;
    }
    if (this.#closed) return;
    this.#closed = true;
    this.#error = options.error;
    if (options.error === undefined) this.#waiting?.resolve(undefined);
    else this.#waiting?.reject(options.error);
    this.#waiting = undefined;
  }

  /** The queue as a stream without a buffer of its own. Cancelling it closes the queue. */
  readable(): ReadableStream<T> {
    return new ReadableStream<T>({
      pull: async (controller) => {
        const item = await this.next();
        if (item === undefined) controller.close();
        else controller.enqueue(item);
      },
      cancel: () => this.close({ clear: true }),
    }, { highWaterMark: 0 });
  }

  #shift(): T {
    const item = this.#items[this.#head] as T;
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.capacity;
    this.#size--;
    this.#bytes -= this.#bytesOf(item);
    return item;
  }
}

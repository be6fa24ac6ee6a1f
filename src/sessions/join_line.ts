/**
 * Who waits for a turn, by the call they are in: calls take turns, whatever each has waiting, and within a call the one
 * who waits longest and the one who came last do. So a crowd keeps nobody of another call waiting, and one who joins
 * after it only for those before them by turns. Pure.
 */

interface WaitingRoom<T> {
  readonly items: T[];
  /** Whether the next turn is the newest's. */
  isNewest: boolean;
}

export class JoinLine<T> {
  /** The call whose turn is next comes first. A call is here while somebody of it waits. */
  readonly #rooms = new Map<object, WaitingRoom<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Once an item; it is not here yet. */
  add(room: object, item: T): void {
    const waiting = this.#rooms.get(room);
    if (waiting) waiting.items.push(item);
    else this.#rooms.set(room, { items: [item], isNewest: false });
    this.#size++;
  }

  /** Whose turn is next; out of the line. */
  take(): T | undefined {
    for (const [room, waiting] of this.#rooms) {
      const item = waiting.isNewest ? waiting.items.pop() : waiting.items.shift();
      waiting.isNewest = !waiting.isNewest;
      this.#size--;
      this.#rooms.delete(room);
      if (waiting.items.length > 0) this.#rooms.set(room, waiting);
      return item;
    }
  }

  delete(room: object, item: T): void {
    const items = this.#rooms.get(room)?.items ?? [];
    const index = items.indexOf(item);
    if (index < 0) return;
    items.splice(index, 1);
    this.#size--;
    if (items.length === 0) this.#rooms.delete(room);
  }
}

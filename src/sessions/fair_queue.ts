/**
 * A queue that groups take turns in, however long each is; within a group the item that waits longest and the newest
 * alternate. So a crowd delays no other group, and a newcomer to its own by two turns at most. Pure.
 */

interface Group<T> {
  readonly items: T[];
  isNewestNext: boolean;
}

export class FairQueue<T> {
  /** Groups with items, the next one first. */
  readonly #groups = new Map<object, Group<T>>();

  get isEmpty(): boolean {
    return this.#groups.size === 0;
  }

  /** `item` must not be queued already. */
  add(key: object, item: T): void {
    const group = this.#groups.get(key);
    if (group) group.items.push(item);
    else this.#groups.set(key, { items: [item], isNewestNext: false });
  }

  /** Removes and returns the next item. */
  take(): T | undefined {
    for (const [key, group] of this.#groups) {
      const item = group.isNewestNext ? group.items.pop() : group.items.shift();
      group.isNewestNext = !group.isNewestNext;
      this.#groups.delete(key);
      if (group.items.length > 0) this.#groups.set(key, group);
      return item;
    }
  }

  delete(key: object, item: T): void {
    const items = this.#groups.get(key)?.items ?? [];
    const index = items.indexOf(item);
    if (index < 0) return;
    items.splice(index, 1);
    if (items.length === 0) this.#groups.delete(key);
  }
}

/**
 * Many timers on one: a hashed wheel (Varghese and Lauck, 1987). Most timers of the service are set several times a
 * second for every speaker and cancelled before they fire; here that is a few assignments, where the platform's own
 * allocate objects that survive a garbage collection or two. A timer fires up to 10 ms late, never early.
 */

import { guarded, reportInternalError } from "./internal_errors.ts";

const TICK_MS = 10;
/** Ten seconds around; longer timers are rare, and the platform's. */
const SLOTS = 1_024;

/** One timer, in the list of its slot while it waits. */
class Entry implements Disposable {
  previous: Entry | undefined;
  next: Entry | undefined;

  constructor(
    private readonly wheel: TimerWheel,
    /** Undefined once it has fired or was cancelled. */
    public callback: (() => void) | undefined,
    readonly tick: number,
  ) {}

  [Symbol.dispose](): void {
    if (this.callback) this.wheel.remove(this);
  }
}

export class TimerWheel {
  readonly #slots = new Array<Entry | undefined>(SLOTS).fill(undefined);
  #size = 0;
  /** All up to and including it have fired. */
  #tick = 0;
  /** When the platform's timer fires. */
  #armedTick = Infinity;
  #armed: ReturnType<typeof setTimeout> | undefined;

  /** Calls back once, `delayMs` from now or up to 10 ms after that. Disposing cancels it. */
  timer(delayMs: number, callback: () => void): Disposable {
    const nowMs = performance.now();
    if (this.#size === 0) this.#tick = Math.floor(nowMs / TICK_MS);
    const tick = Math.max(Math.ceil((nowMs + delayMs) / TICK_MS), this.#tick + 1);
    // Immediate and long timers are few, and need not be late.
    if (!(delayMs > TICK_MS) || tick - this.#tick >= SLOTS) return ownTimer(delayMs, callback);
    const entry = new Entry(this, callback, tick);
    this.#insert(entry);
    if (tick < this.#armedTick) this.#arm(tick, nowMs);
    return entry;
  }

  /** For entries: removes a pending one. */
  remove(entry: Entry): void {
    entry.callback = undefined;
    const { previous, next } = entry;
    if (previous) previous.next = next;
    else this.#slots[entry.tick % SLOTS] = next;
    if (next) next.previous = previous;
    entry.previous = entry.next = undefined;
    if (--this.#size > 0) return;
    clearTimeout(this.#armed);
    this.#armedTick = Infinity;
  }

  #insert(entry: Entry): void {
    const at = entry.tick % SLOTS;
    const first = this.#slots[at];
    entry.next = first;
    if (first) first.previous = entry;
    this.#slots[at] = entry;
    this.#size++;
  }

  #arm(tick: number, nowMs: number): void {
    clearTimeout(this.#armed);
    this.#armedTick = tick;
    this.#armed = setTimeout(() => this.#fire(), Math.max(0, tick * TICK_MS - nowMs));
  }

  #fire(): void {
    this.#armedTick = Infinity;
    // The platform's timer may fire a fraction of a millisecond early: then it is set again.
    const until = Math.floor(performance.now() / TICK_MS);
    // After a longer sleep once around is enough.
    this.#tick = Math.max(this.#tick, until - SLOTS);
    while (this.#tick < until && this.#size > 0) this.#fireSlot(++this.#tick);
    if (this.#size === 0) return;
    const next = this.#nextTick(); // a callback may have armed for a later one of its own
    if (next < this.#armedTick) this.#arm(next, performance.now());
  }

  /** Callbacks may set and cancel timers, of this slot too. */
  #fireSlot(tick: number): void {
    for (;;) {
      let entry = this.#slots[tick % SLOTS];
      while (entry && entry.tick > tick) entry = entry.next; // of the next round
      if (!entry) return;
      const { callback } = entry;
      this.remove(entry);
      try {
        callback?.();
      } catch (error) {
        reportInternalError("timer", error);
      }
    }
  }

  #nextTick(): number {
    let tick = this.#tick + 1;
    while (!this.#slots[tick % SLOTS]) tick++;
    return tick;
  }
}

function ownTimer(delayMs: number, callback: () => void): Disposable {
  const id = setTimeout(guarded("timer", callback), delayMs);
  return { [Symbol.dispose]: () => clearTimeout(id) };
}

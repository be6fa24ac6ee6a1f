/**
 * Runs the decodes of all sessions. One at a time is the fastest for everybody (docs/decisions/0030); a second
 * one runs beside it where the first to wait has waited for LATE_MS and there is a core for it. Of one session one at a time:
 * its segments stay in order, and a final is decoded once.
 */
import type { Clock } from "../../domain/mod.ts";
import { DecodeOrder } from "./decode_order.ts";
import type { DecodeKind } from "./decode_order.ts";
import type { Decode } from "./native.ts";
import { type RecogniserSession, withZeros } from "./recogniser_session.ts";

export interface DecodesOptions {
  clock: Clock;
  /** At most so many at once. */
  atOnceMax: number;
  /** A decode failed, or takes longer than any: the process is of no more use. */
  onBroken(error: unknown): void;
}

/** Twice the longest decode on a slow core. */
const LATE_MS = 300;
/** The longest decode takes 0.2 s, on a core that does nothing else. */
const STUCK_MS = 15_000;
/** Time between two partials. Of long segments they take longer, and change less; while decodes wait there are fewer. */
export const PARTIAL_MS = { often: 600, long: 800, busy: 1_000 };
const LONG_MS = 3_000;
/** A decode that waited longer shows that the cores are busy; remembered for so long. */
const BUSY_WAIT_MS = 300;
const BUSY_FOR_MS = 3_000;

export class Decodes {
  readonly #options: DecodesOptions;
  readonly #order = new DecodeOrder<RecogniserSession>();
  /** What decodes each open session's audio. */
  readonly #decode = new Map<RecogniserSession, Decode>();
  readonly #askedAtMs = new Map<RecogniserSession, number>();
  /** Sessions whose decode is running. */
  readonly #running = new Set<RecogniserSession>();
  #late: Disposable | undefined;
  #busyUntilMs = -Infinity;
  #ended = false;
  /** Called after each decode. */
  onDecoded: (session: RecogniserSession) => void = () => {};

  constructor(options: DecodesOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#order.waiting;
  }

  /** Time between two partials of a segment of this length. */
  partialEveryMs(segmentMs: number): number {
    if (this.#options.clock.now() < this.#busyUntilMs) return PARTIAL_MS.busy;
    return segmentMs < LONG_MS ? PARTIAL_MS.often : PARTIAL_MS.long;
  }

  open(session: RecogniserSession, decode: Decode): void {
    this.#decode.set(session, decode);
  }

  ask(session: RecogniserSession, kind: DecodeKind): void {
    this.#order.ask(session, kind);
    if (!this.#askedAtMs.has(session)) this.#askedAtMs.set(session, this.#options.clock.now());
    this.#pump();
  }

  forget(session: RecogniserSession): void {
    this.#decode.delete(session);
    this.#order.forget(session);
    this.#askedAtMs.delete(session);
  }

  end(): void {
    this.#ended = true;
    this.#late?.[Symbol.dispose]();
  }

  #pump(): void {
    if (this.#ended) return;
    const { clock, atOnceMax } = this.#options;
    while (this.#running.size < atOnceMax) {
      const askedAtMs = this.#oldestAskedAtMs();
      if (askedAtMs === undefined) return;
      const leftMs = askedAtMs + LATE_MS - clock.now();
      if (this.#running.size > 0 && leftMs > 0) {
        this.#late ??= clock.timer(leftMs, () => {
          this.#late = undefined;
          this.#pump();
        });
        return;
      }
      if (!this.#start()) return;
    }
  }

  /** Of what may be decoded now. */
  #oldestAskedAtMs(): number | undefined {
    let oldest: number | undefined;
    for (const [session, askedAtMs] of this.#askedAtMs) {
      if (!this.#running.has(session)) oldest = Math.min(oldest ?? Infinity, askedAtMs);
    }
    return oldest;
  }

  /** Starts the next decode if it is still wanted. False where none waits. */
  #start(): boolean {
    const next = this.#order.next((session) => !this.#running.has(session));
    if (!next) return false;
    const { session, kind } = next;
    const nowMs = this.#options.clock.now();
    if (nowMs - (this.#askedAtMs.get(session) ?? nowMs) > BUSY_WAIT_MS) {
      this.#busyUntilMs = nowMs + BUSY_FOR_MS;
    }
    // The rest of it could not run beside this one, so its wait begins now.
    if (this.#order.has(session)) this.#askedAtMs.set(session, nowMs);
    else this.#askedAtMs.delete(session);
    const decode = this.#decode.get(session);
    const span = session.spanFor(kind);
    if (!span || !decode) return true;
    this.#running.add(session);
    const { clock, onBroken } = this.#options;
    const stuck = clock.timer(
      STUCK_MS,
      () => onBroken(new Error("Cannot decode: the runtime does not return")),
    );
    decode(withZeros(span.samples)).then((text) => {
      this.#running.delete(session);
      stuck[Symbol.dispose]();
      if (this.#ended) return;
      session.decoded(kind, span, text);
      this.onDecoded(session);
      this.#pump();
    }).catch((error) => {
      stuck[Symbol.dispose]();
      onBroken(error);
    });
    return true;
  }
}

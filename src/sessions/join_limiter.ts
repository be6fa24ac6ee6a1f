/**
 * Limits how many speakers are being connected to at once, in all sessions: a connection costs as much CPU to set up as
 * some seconds of audio, so a crowd that joins at once would delay the captions of everybody, its own included. Up to
 * LIMITS.joinsAtOnce speakers hold a slot, the others are queued.
 *
 *     idle --request--> queued --onSlot--> connecting --connected, released or timed out--> idle
 *
 * A queue for each reason, the first reason first; a queue passed over PASSED_OVER_MAX times in a row goes next. Within
 * a queue the sessions take turns.
 */
import { type Clock, LIMITS } from "../domain/mod.ts";
import { FairQueue } from "./fair_queue.ts";

/** Why a slot is requested, the most urgent first. */
const JOIN_REASONS = [
  /** Nothing was tried yet. */
  "first",
  /** Audio has arrived since the last slot. */
  "lost",
  /** The last slot brought no audio. */
  "no_audio",
] as const;
export type JoinReason = (typeof JOIN_REASONS)[number];

const PASSED_OVER_MAX = 3;

/** One speaker's slot, or request for one. */
export interface JoinSlot {
  readonly isQueued: boolean;
  /** Frees the slot and queues, unless queued for an equal or better reason. `onSlot` may be called within this call. */
  request(reason: JoinReason): void;
  /** The peer responded: connecting may take LIMITS.joinConnectMs from here. */
  responded(): void;
  /** Connected: waiting for audio costs nothing. */
  connected(): void;
  /** Frees the slot, or leaves the queue. */
  release(): void;
}

interface Request {
  readonly session: object;
  readonly onSlot: () => void;
}

interface Queue {
  readonly reason: JoinReason;
  readonly requests: FairQueue<Request>;
  passedOver: number;
}

export class JoinLimiter {
  /**
   * Speakers without audio who occupy a place of the host until they are retried, the oldest first, as the function that
   * frees the place. They keep it while there are others, because their audio could be received at once. Bounded by the
   * host's places.
   */
  readonly idlePlaces = new Set<() => void>();
  /** Bounded by the speakers of all sessions. */
  readonly #queues: readonly Queue[] = JOIN_REASONS.map((reason) => ({
    reason,
    requests: new FairQueue(),
    passedOver: 0,
  }));
  readonly #queued = new Map<Request, Queue>();
  /** With the timer that ends each. */
  readonly #connecting = new Map<Request, Disposable>();

  constructor(private readonly clock: Clock) {}

  get queued(): number {
    return this.#queued.size;
  }

  get connecting(): number {
    return this.#connecting.size;
  }

  /** Frees the place that has been idle longest, if there is one. */
  freeIdlePlace(): void {
    for (const free of this.idlePlaces) {
      this.idlePlaces.delete(free);
      return free();
    }
  }

  /** `onSlot` must not throw: it is called for others too. */
  slot(session: object, onSlot: () => void): JoinSlot {
    const request: Request = { session, onSlot };
    const isQueued = () => this.#queued.has(request);
    return {
      get isQueued() {
        return isQueued();
      },
      request: (reason) => {
        this.#free(request);
        this.#enqueue(request, reason);
        this.#fill();
      },
      responded: () => {
        if (this.#connecting.has(request)) this.#connect(request, LIMITS.joinConnectMs);
      },
      connected: () => this.#free(request),
      release: () => {
        this.#dequeue(request);
        this.#free(request);
      },
    };
  }

  #enqueue(request: Request, reason: JoinReason): void {
    for (const queue of this.#queues) {
      if (queue === this.#queued.get(request)) return; // for an equal or better reason
      if (queue.reason !== reason) continue;
      this.#dequeue(request);
      queue.requests.add(request.session, request);
      this.#queued.set(request, queue);
      return;
    }
  }

  #dequeue(request: Request): void {
    this.#queued.get(request)?.requests.delete(request.session, request);
    this.#queued.delete(request);
  }

  #fill(): void {
    while (this.#connecting.size < LIMITS.joinsAtOnce) {
      const queue = this.#nextQueue();
      const request = queue?.requests.take();
      if (!queue || !request) return;
      this.#queued.delete(request);
      this.#connect(request, queue.reason === "no_audio" ? LIMITS.joinOfferAgainMs : LIMITS.joinOfferMs);
      request.onSlot();
    }
  }

  #nextQueue(): Queue | undefined {
    const queues = this.#queues.filter(({ requests }) => !requests.isEmpty);
    const next = queues.findLast(({ passedOver }) => passedOver >= PASSED_OVER_MAX) ?? queues[0];
    if (!next) return undefined;
    for (const queue of queues.slice(queues.indexOf(next) + 1)) queue.passedOver++;
    next.passedOver = 0;
    return next;
  }

  #connect(request: Request, timeMs: number): void {
    this.#connecting.get(request)?.[Symbol.dispose]();
    this.#connecting.set(request, this.clock.timer(timeMs, () => this.#free(request)));
  }

  #free(request: Request): void {
    const timer = this.#connecting.get(request);
    if (!timer) return;
    timer[Symbol.dispose]();
    this.#connecting.delete(request);
    // Later: of speakers released together, none should get another's slot.
    queueMicrotask(() => this.#fill());
  }
}

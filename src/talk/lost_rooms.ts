/**
 * Calls that were lost with the HPB: signalling gives up after five attempts in half a minute, but a HPB may be away
 * for longer, and nobody in the call knows that they would have to turn captions on again. So for a while each is
 * opened anew every half minute, for those who listened, until it is joined, left or asked for again. Where it cannot
 * be opened just now (the service is full) that is no try: it waits on.
 */
import type { Clock, IceServer } from "../domain/mod.ts";
import type { Room } from "./room.ts";

const WAIT_MS = 30_000;
/** Ten minutes of waits and as much of attempts: longer than an upgrade takes, shorter than most calls. */
const TRIES_MAX = 20;
/** Whatever it waits for: the HPB shuts an address out for half an hour, and most calls are over by then. */
const KEEP_MS = 40 * 60_000;

export interface LostRoom {
  /** The room as it was: its language and listeners. */
  readonly before: Room;
  readonly turnServers: readonly IceServer[];
  /** How often in a row it was lost without having stayed joined. */
  readonly tries: number;
  /** When it was lost first. */
  readonly sinceMs: number;
  /** Set once it could not be opened just now, which has been reported then. */
  readonly isHeld?: boolean;
}

export interface LostRoomsOptions {
  clock: Clock;
  /** Opens the room, or adds it again. */
  bringBack: (roomToken: string, lost: LostRoom) => void;
  /** So many are kept; of more, those lost first are given up. As many as may be open. */
  roomsMax: number;
  /** It was tried too often, or for too long, or there are too many. */
  onGivenUp: () => void;
}

export class LostRooms implements Disposable {
  readonly #options: LostRoomsOptions;
  /** In the order they were lost. */
  readonly #lost = new Map<string, LostRoom & { timer: Disposable }>();

  constructor(options: LostRoomsOptions) {
    this.#options = options;
  }

  add(roomToken: string, lost: LostRoom, waitMs = WAIT_MS): void {
    const { clock, bringBack, onGivenUp, roomsMax } = this.#options;
    this.take(roomToken);
    if (lost.tries > TRIES_MAX || clock.now() - lost.sinceMs > KEEP_MS) return onGivenUp();
    // Others were opened meanwhile, and lost too.
    for (const oldest of this.#lost.keys()) {
      if (this.#lost.size < roomsMax) break;
      this.take(oldest);
      onGivenUp();
    }
    const timer = clock.timer(waitMs, () => {
      this.#lost.delete(roomToken);
      bringBack(roomToken, lost);
    });
    this.#lost.set(roomToken, { ...lost, timer });
  }

  /** The HPB is there again: nothing to wait for. */
  hurry(): void {
    for (const [roomToken, lost] of [...this.#lost]) this.add(roomToken, lost, 0);
  }

  get(roomToken: string): LostRoom | undefined {
    return this.#lost.get(roomToken);
  }

  /** Hands the call over: it is not brought back any more. */
  take(roomToken: string): LostRoom | undefined {
    const lost = this.#lost.get(roomToken);
    lost?.timer[Symbol.dispose]();
    this.#lost.delete(roomToken);
    return lost;
  }

  /** As they were. */
  rooms(): Room[] {
    return [...this.#lost.values()].map(({ before }) => before);
  }

  get size(): number {
    return this.#lost.size;
  }

  /** Forgets all. */
  clear(): void {
    for (const roomToken of [...this.#lost.keys()]) this.take(roomToken);
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}

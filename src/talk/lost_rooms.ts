/**
 * Calls lost with the HPB: signalling ends after five attempts in half a minute, but a HPB may be down for longer, and
 * participants do not know that they would have to turn captions on again. So for a while each is reopened every half
 * minute for its listeners, until it is joined, left or asked for again. One that cannot be opened now (the service is
 * full) waits on, which does not count as a try.
 */
import type { Clock, IceServer } from "../domain/mod.ts";
import type { Room } from "./room.ts";

const WAIT_MS = 30_000;
/** Ten minutes of waits and as much of attempts: longer than an upgrade takes, shorter than most calls. */
const TRIES_MAX = 20;
/** The HPB blocks an address for half an hour, and most calls have ended by then. */
const KEEP_MS = 40 * 60_000;

export interface LostRoom {
  /** The closed room: its language and listeners. */
  readonly before: Room;
  readonly turnServers: readonly IceServer[];
  /** How often in a row it was lost without having stayed joined. */
  readonly tries: number;
  /** When it was lost first. */
  readonly sinceMs: number;
  /** Set once it could not be opened, which was reported then. */
  readonly isHeld?: boolean;
}

export interface LostRoomsOptions {
  clock: Clock;
  /** Opens the room, or adds it again. */
  bringBack: (roomToken: string, lost: LostRoom) => void;
  /** As many as may be open; beyond it those lost first are given up. */
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

  /** The HPB is reachable again: all are tried now. */
  hurry(): void {
    for (const [roomToken, lost] of [...this.#lost]) this.add(roomToken, lost, 0);
  }

  get(roomToken: string): LostRoom | undefined {
    return this.#lost.get(roomToken);
  }

  /** Removes it: it is not reopened any more. */
  take(roomToken: string): LostRoom | undefined {
    const lost = this.#lost.get(roomToken);
    lost?.timer[Symbol.dispose]();
    this.#lost.delete(roomToken);
    return lost;
  }

  rooms(): Room[] {
    return [...this.#lost.values()].map(({ before }) => before);
  }

  get size(): number {
    return this.#lost.size;
  }

  clear(): void {
    for (const roomToken of [...this.#lost.keys()]) this.take(roomToken);
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}

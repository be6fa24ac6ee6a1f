/**
 * Calls that were lost with the HPB: signalling gives up after five attempts in half a minute, but a HPB may be away
 * for longer, and nobody in the call knows that they would have to turn captions on again. So for a while each is
 * opened anew every half minute, for those who listened, until it is joined, left or asked for again.
 */
import type { Clock, IceServer } from "../domain/mod.ts";
import type { Room } from "./room.ts";

const WAIT_MS = 30_000;
/** Ten minutes of waits and as much of attempts: longer than an upgrade takes, shorter than most calls. */
const TRIES_MAX = 20;

export interface LostRoom {
  /** The room as it was: its language and listeners. */
  readonly before: Room;
  readonly turnServers: readonly IceServer[];
  /** How often in a row it was lost without having been joined. */
  readonly tries: number;
}

export class LostRooms implements Disposable {
  /** Bounded like the rooms that were open: each was one. */
  readonly #lost = new Map<string, LostRoom & { timer: Disposable }>();

  constructor(
    private readonly clock: Clock,
    private readonly bringBack: (roomToken: string, lost: LostRoom) => void,
  ) {}

  add(roomToken: string, lost: LostRoom): void {
    this.take(roomToken);
    if (lost.tries > TRIES_MAX) return;
    const timer = this.clock.timer(WAIT_MS, () => {
      this.#lost.delete(roomToken);
      this.bringBack(roomToken, lost);
    });
    this.#lost.set(roomToken, { ...lost, timer });
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

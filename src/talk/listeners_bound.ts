/**
 * How many participants of all calls may have asked for captions. Talk asks for each who turns captions on, and each
 * who comes back has another session: who is not in the call is most likely gone, and makes room for who asks now.
 */
import { LIMITS, type Meter, UnavailableError } from "../domain/mod.ts";
import type { Room } from "./room.ts";

export interface ListenersBoundOptions {
  /** Default LIMITS.viewers. */
  listenersMax?: number;
  meter: Meter;
}

/**
 * Called before one more is taken. The oldest who is not in the call makes room, of the call with most of these: a
 * flood of one call costs that call. Throws UnavailableError when all of them are in their calls.
 */
export function makeRoomForListener(
  rooms: readonly Room[],
  { listenersMax = LIMITS.viewers, meter }: ListenersBoundOptions,
): void {
  if (rooms.reduce((sum, { wantedCount }) => sum + wantedCount, 0) < listenersMax) return;
  const most = rooms.reduce((most, room) => room.absentCount > most.absentCount ? room : most);
  if (most.absentCount === 0) {
    meter.count("tiro_listeners_dropped_total", "refused");
    throw new UnavailableError(
      `Cannot send captions: ${listenersMax} participants get them already; wait until some have left`,
      "listeners_max",
    );
  }
  most.forgetAbsent();
  meter.count("tiro_listeners_dropped_total", "all_full");
}

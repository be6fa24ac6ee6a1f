/**
 * How many participants of all calls may have asked for captions. Whoever rejoins has another session: one who is not in
 * the call has most likely left.
 */
import { LIMITS, UnavailableError } from "../domain/mod.ts";
import type { Room } from "./room.ts";
import type { TalkOptions } from "./rooms.ts";

/**
 * Called before a listener is added. Removes the oldest who is not in the call, of the call with most of these: a flood
 * in one call costs that call. Throws UnavailableError when all are in their calls.
 */
export function makeRoomForListener(
  rooms: readonly Room[],
  { listenersMax = LIMITS.viewers, meter }: Pick<TalkOptions, "listenersMax" | "meter">,
): void {
  if (rooms.reduce((sum, { listeners }) => sum + listeners.wantedCount, 0) < listenersMax) return;
  const most = rooms.reduce((a, b) => b.listeners.absentCount > a.listeners.absentCount ? b : a);
  const oldest = most.listeners.oldestAbsent;
  if (oldest === undefined) {
    meter.count("tiro_listeners_dropped_total", "refused");
    throw new UnavailableError(
      `Cannot send captions: ${listenersMax} participants get them already; wait until some have left`,
      "listeners_max",
    );
  }
  most.removeListener(oldest);
  meter.count("tiro_listeners_dropped_total", "all_full");
}

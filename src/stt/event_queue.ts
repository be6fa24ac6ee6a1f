/** What a session has recognised and nobody has read: bounded in number and in bytes, and it may not drop words. */
import { LIMITS, type SttEvent } from "../domain/mod.ts";
import { BoundedQueue } from "../flow/mod.ts";

export function sttEventQueue(): BoundedQueue<SttEvent> {
  return new BoundedQueue({
    capacity: LIMITS.sttEvents,
    bytes: { max: LIMITS.sttEventBytes, of: (event) => "text" in event ? 2 * event.text.length : 0 },
  });
}

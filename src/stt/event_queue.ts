/** A session's events until they are read: bounded in number and bytes. Overflow ends the session, as words may not drop. */
import { LIMITS, OverflowError, type SttEvent } from "../domain/mod.ts";
import { BoundedQueue } from "../flow/mod.ts";

export function sttEventQueue(): BoundedQueue<SttEvent> {
  return new BoundedQueue({
    capacity: LIMITS.sttEvents,
    bytes: { max: LIMITS.sttEventBytes, of: (event) => "text" in event ? 2 * event.text.length : 0 },
  });
}

/** The error that ends the session where the queue is full; a cancelled queue ignores events. */
export function pushEvent(queue: BoundedQueue<SttEvent>, event: SttEvent): OverflowError | undefined {
  if (queue.push(event) || queue.dropped === 0) return undefined;
  return new OverflowError("stt_events", LIMITS.sttEvents);
}

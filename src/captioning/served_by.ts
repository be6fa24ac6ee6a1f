/** Which recogniser serves one speaker; a change is counted and logged with its reason. */
import type { LiveSession } from "./live_session.ts";
import type { Recogniser } from "./recogniser.ts";
import type { HandoverReason, SttSessions } from "./stt_sessions.ts";

export class ServedBy {
  readonly #sessions: SttSessions;
  #recogniser: Recogniser | undefined;
  #leftFor: HandoverReason = "unavailable";
  readonly #names = new Set<string>();

  constructor(sessions: SttSessions) {
    this.#sessions = sessions;
  }

  /** Those that served so far, in the order of their first session: of the list of recognisers, which bounds it. */
  get names(): readonly string[] {
    return [...this.#names];
  }

  /** The session came into use. */
  began(session: LiveSession): void {
    const { recogniser } = session;
    const before = this.#recogniser;
    recogniser.serves(session);
    this.#names.add(recogniser.name);
    if (before && before !== recogniser) {
      const reason = recogniser.rank < before.rank ? "recovered" : this.#leftFor;
      this.#sessions.handedOver(before, recogniser, reason);
    }
    this.#recogniser = recogniser;
    this.#leftFor = "unavailable";
  }

  /** It is no longer in use. */
  ended(session: LiveSession | undefined): void {
    if (session) session.recogniser.served(session);
  }

  /** Why the last session ended. */
  left(reason: HandoverReason): void {
    this.#leftFor = reason;
  }
}

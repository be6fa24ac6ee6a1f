/**
 * The audit log: a line for each speaker's part in a session of any door, written when it has ended. Who, when, how long,
 * in which language, by which recogniser, and how it ended; never words or display names.
 *
 * A Talk room's token opens public rooms, and eight letters and digits are few enough to try all of them: what is kept is
 * an HMAC of it, whose key is not in the database. The same room has the same digest as long as the key stays.
 */
import { createHmac } from "node:crypto";
import type { Records, SessionAbout, SessionEvents, SessionObserver, SpeakerPart } from "../domain/mod.ts";

export interface AuditLogOptions {
  records: Pick<Records, "add">;
  /** Of the digests. */
  digestKey: string;
}

/** 96 bits. */
const DIGEST_CHARS = 16;

export class AuditLog implements SessionObserver {
  readonly #options: AuditLogOptions;

  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  opened({ door, name, userId, tenantId }: SessionAbout): SessionEvents {
    const { records } = this.#options;
    // A voice session's name is a random id, and its speaker's no secret.
    const kept = (value: string) => door === "voice" ? value : this.#digest(door, name, value);
    const session = kept(name);
    return {
      caption() {},
      speakerEnded: (part) => {
        records.add({
          kind: "audit",
          record: {
            id: crypto.randomUUID(),
            ...lineOf(part, userId),
            speakerId: kept(part.speakerId),
            door,
            session,
            tenantId,
          },
        });
      },
      closed() {},
    };
  }

  #digest(...values: string[]): string {
    return createHmac("sha256", this.#options.digestKey).update(JSON.stringify(values)).digest("base64url")
      .slice(0, DIGEST_CHARS);
  }
}

/** Whole ms. `userId`: of the session, where the speaker has none. */
function lineOf({ providers, ...part }: SpeakerPart, userId: string | undefined) {
  return {
    ...part,
    userId: part.userId ?? userId,
    durationMs: Math.round(part.durationMs),
    audioMs: Math.round(part.audioMs),
    provider: providers.join(","),
  };
}

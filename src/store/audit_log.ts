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
  /** The wall clock, Unix time, ms; default Date.now. */
  unixNowMs?: () => number;
}

/** Undetermined, in BCP 47. */
const UNKNOWN_LANGUAGE = "und";
/** 96 bits. */
const DIGEST_CHARS = 16;

export class AuditLog implements SessionObserver {
  readonly #options: AuditLogOptions;
  /** Sessions that are open, by door and name. */
  readonly #open = new Set<string>();

  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  opened(about: SessionAbout): SessionEvents {
    const key = keyOf(about);
    this.#open.add(key);
    return {
      caption() {},
      speakerEnded: (part) => this.#add(about, part),
      closed: () => void this.#open.delete(key),
    };
  }

  /**
   * A session was asked for by somebody who may have one, and refused after `durationMs`. Not if it was opened before that:
   * then its speaker's part is reported.
   */
  refused(about: SessionAbout, durationMs: number): void {
    if (this.#open.has(keyOf(about))) return;
    this.#add(about, {
      speakerId: "",
      startedAtMs: (this.#options.unixNowMs ?? Date.now)() - Math.round(durationMs),
      ...{ durationMs, languageId: UNKNOWN_LANGUAGE, audioMs: 0, providers: [], outcome: "refused" },
    });
  }

  #add({ door, name, userId, tenantId }: SessionAbout, part: SpeakerPart): void {
    // A voice session's name is a random id, and its speaker's no secret.
    const kept = (value: string) => door === "voice" ? value : this.#digest(door, name, value);
    this.#options.records.add({
      kind: "audit",
      record: {
        id: crypto.randomUUID(),
        ...lineOf(part, userId),
        ...{ door, session: kept(name), speakerId: kept(part.speakerId), tenantId },
      },
    });
  }

  #digest(...values: string[]): string {
    return createHmac("sha256", this.#options.digestKey).update(JSON.stringify(values)).digest("base64url")
      .slice(0, DIGEST_CHARS);
  }
}

function keyOf({ door, name }: SessionAbout): string {
  return `${door} ${name}`;
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

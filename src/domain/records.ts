/**
 * What is kept of sessions, where the operator turns it on: transcripts, and the audit log. Sessions report to observers;
 * the observers that keep something write it to a record store.
 */
import type { Caption } from "./captions.ts";

/** A session as its door describes it. */
export interface SessionAbout {
  /** `talk`, `voice`. */
  readonly door: string;
  /** Of the door, one open session at a time: the token of a Talk room, a random id of a voice session. */
  readonly name: string;
  /** Whose session it is, where its door knows: of the JWT. */
  readonly userId?: string;
  /** The organisation they belong to: of the JWT. */
  readonly tenantId?: string;
  /** Whether its people asked for a transcript when it began. */
  readonly wantsTranscript?: boolean;
  /** It replaces a session of this name that was lost: its transcript goes on. */
  readonly continues?: boolean;
}

/** What the pipeline of one speaker has used. */
export interface SpeakerUse {
  /** Audio sent to speech-to-text, ms; without that of a media worker that was lost. */
  audioMs: number;
  /** Recognisers that served the speaker, in the order of their first session. */
  providers: readonly string[];
}

/** How a speaker's part in a session ended. */
export const SPEAKER_OUTCOMES = [
  "completed",
  /** Their last pipeline failed and was not replaced, or could not caption what was said at the end. */
  "failed",
  /** There was never a place for them. */
  "refused",
  /** The service was shut down. */
  "drained",
] as const;
export type SpeakerOutcome = (typeof SPEAKER_OUTCOMES)[number];

/** One speaker's part in a session. */
export interface SpeakerPart extends SpeakerUse {
  speakerId: string;
  /** Of Nextcloud or of the JWT; absent for guests. */
  userId?: string;
  /** Unix time, ms: of their first audio, or of the first attempt to receive some. */
  startedAtMs: number;
  /** From then on. */
  durationMs: number;
  /** At its end. */
  languageId: string;
  outcome: SpeakerOutcome;
}

/** Receives the reports of one session, in order. Its methods never throw, and do not wait. */
export interface SessionEvents {
  /** Every caption, partials included, as it is sent to the viewers of the spoken language. */
  caption(caption: Caption, speakerName?: string): void;
  speakerEnded(part: SpeakerPart): void;
  closed(): void;
}

/** Is reported every session of every door. */
export interface SessionObserver {
  /** Undefined: nothing of this session is of interest. Never throws. */
  opened(about: SessionAbout, languageId: string): SessionEvents | undefined;
}

/** The longest transcript: a session that goes on gets another one. */
export const TRANSCRIPT_MS_MAX = 24 * 60 * 60 * 1000;

/** A transcript: the finals of one session. */
export interface TranscriptRecord {
  /** Random: 22 characters of base64url. */
  id: string;
  door: string;
  /** Of the session. */
  name: string;
  userId?: string;
  tenantId?: string;
  /** Spoken at its beginning. */
  languageId: string;
  /** Unix time, ms. */
  startedAtMs: number;
  /** Absent while it grows. */
  endedAtMs?: number;
}

/** One final of a transcript. */
export interface CueRecord {
  transcriptId: string;
  /** Counts the cues of a transcript from 0, in the order they became final. */
  index: number;
  /** The speaker's number within the transcript, by who spoke first: ids of the HPB are not kept. */
  speakerId: string;
  speakerName?: string;
  languageId: string;
  /** On the session's clock: ms since `startedAtMs` of the transcript. */
  startMs: number;
  endMs: number;
  text: string;
}

/** A line of the audit log; never words. */
export interface AuditRecord extends Omit<SpeakerPart, "providers"> {
  /** Random: a UUID. */
  id: string;
  door: string;
  /** Of the session: of Talk a digest of the room's token, which opens public rooms. */
  session: string;
  tenantId?: string;
  /** Of `providers`, separated by commas. */
  provider: string;
}

/** Writing one twice is the same as once: a store that was away may have kept what it did not acknowledge. */
export type RecordWrite =
  /** The first with an `id` opens the transcript, a later one sets `endedAtMs`. */
  | { kind: "transcript"; record: TranscriptRecord }
  | { kind: "cue"; record: CueRecord }
  | { kind: "audit"; record: AuditRecord };

export interface TranscriptFilter {
  door?: string;
  name?: string;
  userId?: string;
  /** Null: of those without a tenant. */
  tenantId?: string | null;
  /** Default 100, the newest first. */
  limit?: number;
}

export interface AuditFilter {
  /** Unix time, ms: from, and before. */
  fromMs?: number;
  beforeMs?: number;
  /** Those that come after this one: reads the next page. */
  after?: { startedAtMs: number; id: string };
  userId?: string;
  tenantId?: string;
  door?: string;
  /** Default 1,000, the oldest first. */
  limit?: number;
}

/**
 * Where records are kept. Every method rejects with StoreError: retryable where the database is away, locked or full, not
 * where it is corrupt or of a newer version.
 */
export interface RecordStore {
  /** All or nothing; resolves once they are durable. Cues of a transcript that is not there (deleted) are left out. */
  write(batch: readonly RecordWrite[]): Promise<void>;
  transcript(id: string): Promise<TranscriptRecord | undefined>;
  transcripts(filter: TranscriptFilter): Promise<TranscriptRecord[]>;
  /** In order from an index on, at most `limit`, as all lists at most 5,000. */
  cues(transcriptId: string, fromIndex: number, limit: number): Promise<CueRecord[]>;
  /**
   * With its cues; false where there is none. Later writes to it are left out. Afterwards no file of SQLite has a byte of its
   * text; PostgreSQL removes it when it reuses the space.
   */
  deleteTranscript(id: string): Promise<boolean>;
  /**
   * Deletes transcripts that ended, and audit records that began, before these (Unix time, ms). A transcript without an end
   * that began TRANSCRIPT_MS_MAX earlier has ended: the service was killed.
   */
  expire(
    before: { transcriptsMs?: number; auditMs?: number },
  ): Promise<{ transcripts: number; audit: number }>;
  audit(filter: AuditFilter): Promise<AuditRecord[]>;
  /** Small state of the service by name, such as a key it made. */
  state(name: string): Promise<string | undefined>;
  /** Keeps the value unless one is kept under this name; resolves to the one kept, the same for all who keep one at once. */
  keepState(name: string, value: string): Promise<string>;
}

/** The store with a bounded buffer in front of it: callers never wait for a disk, and nothing is lost while it is away. */
export interface Records {
  /** Keeps it in the buffer until it is written; false: the buffer is full, so it is dropped and counted. Never throws. */
  add(write: RecordWrite): boolean;
  /** Resolves when what was added so far is durable or dropped. */
  flush(): Promise<void>;
  /** For reading and deleting; what is in the buffer is written first where that can be done at once. */
  readonly store: RecordStore;
  /** A code of why records are late or lost, or undefined; the store module has their meanings (RECORD_REASONS). */
  readonly trouble: string | undefined;
}

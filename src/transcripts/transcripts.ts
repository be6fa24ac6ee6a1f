/**
 * The transcripts of all sessions: opens one for a session where the mode says so, numbers its finals, and hands them to
 * the records. What is not to be kept is not looked at. A call that was lost and is back continues its transcript.
 */
import {
  type Caption,
  type Clock,
  type CueRecord,
  type Meter,
  NotFoundError,
  type Records,
  type SessionAbout,
  type SessionEvents,
  type SessionObserver,
  TRANSCRIPT_MS_MAX,
  type TranscriptFilter,
  type TranscriptRecord,
} from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";
import { OpenTranscript, type TranscriptEnd } from "./open_transcript.ts";
import { SessionClock } from "./session_clock.ts";

/** Of which sessions a transcript is kept: those for which it was requested, or all. */
export type TranscriptMode = "request" | "on";

export interface TranscriptsOptions {
  mode: TranscriptMode;
  records: Records;
  scope: Scope;
  clock: Clock;
  meter: Pick<Meter, "gauge">;
  /** Unix time, ms; default: the system's. */
  unixNow?: () => number;
}

/** How long a call that was lost with the HPB may be away. */
const AWAY_MS = 10 * 60_000;
/** Calls that may be back; beyond it the one away for longest has ended. */
const AWAY_MAX = 200;
/** Of a transcript's id: nobody guesses it. */
const ID_BYTES = 16;

interface Kept {
  transcript: OpenTranscript;
  /** Sessions that write to it: two while the one before is being closed. */
  sessions: Set<Recorder>;
  /** It is in the records: there is a cue. */
  isWritten: boolean;
  /** While its session may be back: since when (Unix time, ms), and until when. */
  away?: { endedAtMs: number; timer: Disposable };
}

/** One session, and its transcript if it has one. */
interface Recorder {
  about: SessionAbout;
  languageId: string;
  clock: SessionClock;
  kept?: Kept;
  /** Its people ended or deleted its transcript: it gets another one only on request. */
  isStopped?: boolean;
}

export class Transcripts implements SessionObserver {
  readonly mode: TranscriptMode;
  readonly #options: TranscriptsOptions;
  readonly #sessions = new Set<Recorder>();
  /** By id: those that grow, and those whose session may be back. */
  readonly #kept = new Map<string, Kept>();
  /** When calls ended whose transcript had been stopped: one that is back has none either. By `keyOf`. */
  readonly #stopped = new Map<string, number>();

  constructor(options: TranscriptsOptions) {
    this.mode = options.mode;
    this.#options = options;
    const { scope, meter } = options;
    scope.use(meter.gauge("tiro_transcripts_open", "Transcripts that grow", () => this.#kept.size));
    scope.defer(() => {
      for (const { away } of this.#kept.values()) away?.timer[Symbol.dispose]();
    });
  }

  opened(about: SessionAbout, languageId: string): SessionEvents {
    const recorder: Recorder = { about, languageId, clock: new SessionClock() };
    this.#sessions.add(recorder);
    const before = this.#lastOf(about);
    recorder.isStopped = about.continues && this.#wasStopped(about);
    if (before && about.continues) this.#attach(recorder, before);
    else if (!recorder.isStopped && (this.mode === "on" || about.wantsTranscript)) this.#begin(recorder);
    // Another call in the same room.
    if (before && recorder.kept !== before && before.away) this.#finish(before, "ended");
    return {
      caption: (caption, speakerName) => this.#caption(recorder, caption, speakerName),
      speakerEnded: ({ speakerId }) => recorder.kept?.transcript.speakerEnded(speakerId),
      closed: () => {
        this.#sessions.delete(recorder);
        if (recorder.isStopped) this.#remember(recorder.about);
        this.#detach(recorder);
      },
    };
  }

  /** The id of the transcript of a Talk call, which begins now unless there is one. Throws NotFoundError. */
  request(roomToken: string): string {
    const recorder = [...this.#sessions].findLast(({ about }) =>
      about.door === "talk" && about.name === roomToken
    );
    if (!recorder) throw new NotFoundError("Cannot keep a transcript: this call is not being captioned");
    return (recorder.kept ?? this.#begin(recorder)).transcript.record.id;
  }

  /** The id of the transcript of an open session, if one is kept of it. */
  idOf(about: Pick<SessionAbout, "door" | "name">): string | undefined {
    const recorder = [...this.#sessions].findLast((each) => keyOf(each.about) === keyOf(about));
    return recorder?.kept?.transcript.record.id;
  }

  /** One that grows or whose session may be back. */
  live(id: string): OpenTranscript | undefined {
    return this.#kept.get(id)?.transcript;
  }

  /** Rejects with StoreError where it is not in memory and the store is away. */
  async find(id: string): Promise<TranscriptRecord | undefined> {
    const kept = this.#kept.get(id);
    return kept ? recordOf(kept) : await this.#options.records.store.transcript(id);
  }

  /** The newest first, those that have no cue yet included. Rejects with StoreError. */
  async list({ limit = 100, ...filter }: TranscriptFilter): Promise<TranscriptRecord[]> {
    const stored = await this.#options.records.store.transcripts({ limit, ...filter });
    const all = new Map(stored.map((record) => [record.id, record]));
    const { door, name, userId, tenantId } = filter;
    for (const kept of this.#kept.values()) {
      const record = recordOf(kept);
      const isWanted = (door ?? record.door) === record.door &&
        (name ?? record.name) === record.name && (userId ?? record.userId) === record.userId &&
        (tenantId === undefined || tenantId === (record.tenantId ?? null));
      if (isWanted) all.set(record.id, record);
    }
    return [...all.values()].toSorted((a, b) => b.startedAtMs - a.startedAtMs).slice(0, limit);
  }

  /** Cues from an index on, those in memory without the store. Rejects with StoreError. */
  async cues(id: string, fromIndex: number, limit: number): Promise<readonly CueRecord[]> {
    const transcript = this.live(id);
    const recent = transcript?.recentFrom(fromIndex);
    if (recent) return recent.slice(0, limit);
    const stored = await this.#options.records.store.cues(id, fromIndex, limit);
    // What the records had to drop is not there: reading continues with what memory has.
    return stored.length > 0 || !transcript ? stored : transcript.recentFrom(transcript.firstIndex) ?? [];
  }

  /** Ends it now, whatever its session does. */
  stop(id: string): void {
    const kept = this.#kept.get(id);
    if (!kept) return;
    this.#release(kept);
    if (!kept.away) this.#writeEnd(kept);
    this.#finish(kept, "ended");
  }

  /** Nothing of it is kept afterwards. False where there is none. Rejects with StoreError: it has ended, and is still stored. */
  async delete(id: string): Promise<boolean> {
    const kept = this.#kept.get(id);
    if (kept) {
      this.#release(kept);
      this.#finish(kept, "deleted");
    }
    const isStored = await this.#options.records.store.deleteTranscript(id);
    return isStored || kept !== undefined;
  }

  #caption(recorder: Recorder, caption: Caption, speakerName: string | undefined): void {
    let kept = recorder.kept;
    if (!kept || caption.isNotice) return;
    const nowMs = this.#options.clock.now();
    if (caption.final && nowMs - kept.transcript.startedAtMs >= TRANSCRIPT_MS_MAX) {
      this.stop(kept.transcript.record.id);
      kept = this.#begin(recorder);
    }
    const { transcript } = kept;
    const interval = recorder.clock.interval(caption, transcript.startedAtMs, nowMs);
    if (!caption.final) return transcript.setPartial(caption, speakerName);
    const { records } = this.#options;
    // Where the records had no room for it, once they have: without it the store takes none of its cues.
    kept.isWritten ||= records.add({ kind: "transcript", record: { ...transcript.record } });
    records.add({ kind: "cue", record: transcript.addCue(caption, speakerName, interval) });
  }

  #begin(recorder: Recorder): Kept {
    const { clock, unixNow = Date.now } = this.#options;
    const { about: { door, name, userId, tenantId }, languageId } = recorder;
    const transcript = new OpenTranscript({
      id: randomId(),
      door,
      name,
      ...(userId !== undefined && { userId }),
      ...(tenantId !== undefined && { tenantId }),
      languageId,
      startedAtMs: unixNow(),
    }, clock.now());
    const kept: Kept = { transcript, sessions: new Set(), isWritten: false };
    this.#kept.set(transcript.record.id, kept);
    this.#attach(recorder, kept);
    return kept;
  }

  #attach(recorder: Recorder, kept: Kept): void {
    kept.away?.timer[Symbol.dispose]();
    kept.away = undefined;
    kept.sessions.add(recorder);
    recorder.kept = kept;
    recorder.isStopped = false;
    this.#stopped.delete(keyOf(recorder.about));
  }

  /** Its sessions go on without a transcript, also if they are lost and back. */
  #release(kept: Kept): void {
    for (const recorder of kept.sessions) {
      recorder.kept = undefined;
      recorder.isStopped = true;
    }
    kept.sessions.clear();
    if (kept.away) this.#remember(kept.transcript.record);
  }

  #remember(about: Pick<SessionAbout, "door" | "name">): void {
    this.#stopped.delete(keyOf(about));
    this.#stopped.set(keyOf(about), this.#options.clock.now());
    for (const oldest of this.#stopped.keys()) {
      if (this.#stopped.size <= AWAY_MAX) break;
      this.#stopped.delete(oldest);
    }
  }

  #wasStopped(about: SessionAbout): boolean {
    const isOpen = [...this.#sessions].some((each) => each.isStopped && keyOf(each.about) === keyOf(about));
    const stoppedAtMs = this.#stopped.get(keyOf(about)) ?? -Infinity;
    return isOpen || this.#options.clock.now() - stoppedAtMs < AWAY_MS;
  }

  #detach(recorder: Recorder): void {
    const { kept } = recorder;
    recorder.kept = undefined;
    if (!kept?.sessions.delete(recorder) || kept.sessions.size > 0) return;
    const { clock, scope } = this.#options;
    const endedAtMs = this.#writeEnd(kept);
    if (recorder.about.door !== "talk" || scope.signal.aborted) return this.#finish(kept, "ended");
    kept.away = { endedAtMs, timer: clock.timer(AWAY_MS, () => this.#finish(kept, "ended")) };
    // Those that are away are in the order in which they went.
    this.#kept.delete(kept.transcript.record.id);
    this.#kept.set(kept.transcript.record.id, kept);
    const away = [...this.#kept.values()].filter(({ away }) => away !== undefined);
    for (const oldest of away.slice(0, Math.max(0, away.length - AWAY_MAX))) this.#finish(oldest, "ended");
  }

  #lastOf(about: SessionAbout): Kept | undefined {
    return [...this.#kept.values()].findLast(({ transcript }) => keyOf(transcript.record) === keyOf(about));
  }

  /** Returns when it ended: now. */
  #writeEnd({ transcript, isWritten }: Kept): number {
    const { records, unixNow = Date.now } = this.#options;
    const endedAtMs = unixNow();
    if (isWritten) records.add({ kind: "transcript", record: { ...transcript.record, endedAtMs } });
    return endedAtMs;
  }

  #finish(kept: Kept, end: TranscriptEnd): void {
    kept.away?.timer[Symbol.dispose]();
    this.#kept.delete(kept.transcript.record.id);
    kept.transcript.finish(end);
  }
}

function recordOf({ transcript: { record }, away }: Kept): TranscriptRecord {
  return { ...record, ...(away && { endedAtMs: away.endedAtMs }) };
}

function keyOf({ door, name }: Pick<SessionAbout, "door" | "name">): string {
  return `${door} ${name}`;
}

/** Base64url, 22 characters. */
function randomId(): string {
  return crypto.getRandomValues(new Uint8Array(ID_BYTES)).toBase64({
    alphabet: "base64url",
    omitPadding: true,
  });
}

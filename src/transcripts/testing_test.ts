/** Transcripts with everything around them in a test's hands: sessions, records, time. */
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FakeRecords } from "../../tests/fakes/records.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import type { Caption, SessionAbout, SessionEvents } from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { type TranscriptMode, Transcripts } from "./transcripts.ts";

export const STARTED_AT_MS = Date.UTC(2026, 10, 28, 12);
export const TALK: SessionAbout = { door: "talk", name: "room1" };
export const VOICE: SessionAbout = { door: "voice", name: "v1", userId: "ada", tenantId: "acme" };

export class World implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly records = new FakeRecords();
  readonly meter = new FakeMeter();
  readonly scope = new Scope("test");
  readonly transcripts: Transcripts;

  constructor(mode: TranscriptMode = "on") {
    const { records, clock, meter } = this;
    this.transcripts = new Transcripts({
      mode,
      records,
      scope: this.scope.child("transcripts"),
      clock,
      meter,
      unixNow: () => STARTED_AT_MS + clock.now(),
    });
  }

  open(about: SessionAbout = TALK): OpenSession {
    return new OpenSession(this.transcripts.opened(about, "en"), this.clock);
  }

  /** The ids of those in memory, the newest first. */
  async ids(filter = {}): Promise<string[]> {
    return (await this.transcripts.list(filter)).map(({ id }) => id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scope[Symbol.asyncDispose]();
  }
}

export class OpenSession {
  readonly #utterances = new Map<string, number>();

  constructor(readonly events: SessionEvents, readonly clock: FakeClock) {}

  /** Speaks for a second, which has just ended; each final is an utterance. */
  say(text: string, { speaker = "hpb-a", name, ...others }: {
    speaker?: string;
    name?: string;
  } & Partial<Caption> = {}): void {
    const utterance = this.#utterances.get(speaker) ?? 0;
    const endMs = this.clock.now();
    const caption: Caption = {
      speakerId: speaker,
      utterance,
      revision: 9,
      languageId: "en",
      text,
      final: true,
      spoken: { startMs: endMs - 1_000, endMs },
      receivedAtMs: endMs,
      ...others,
    };
    if (caption.final) this.#utterances.set(speaker, utterance + 1);
    this.events.caption(caption, name);
  }

  partial(text: string, others: Parameters<OpenSession["say"]>[1] = {}): void {
    this.say(text, { ...others, final: false, revision: 0 });
  }

  ended(speakerId = "hpb-a"): void {
    this.events.speakerEnded({
      speakerId,
      startedAtMs: STARTED_AT_MS,
      durationMs: 1_000,
      languageId: "en",
      outcome: "completed",
      audioMs: 1_000,
      providers: ["local"],
    });
  }

  close(): void {
    this.events.closed();
  }
}

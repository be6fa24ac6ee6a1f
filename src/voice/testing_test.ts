/** A socket, a host and a door for the tests of this module. */
import assert from "@std/assert";
import {
  type Caption,
  CredentialsError,
  type HostedSpeaker,
  type RecogniserStatus,
  type SourceKind,
  type SpeakerEvents,
  type SpeakerHost,
  type SpeakerOptions,
  type SpeakerUse,
  type TokenFault,
  type TokenIdentity,
  type TokenVerifier,
  UnavailableError,
} from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import type { ServerSocket, SocketEvents } from "../http/mod.ts";
import { Sessions, SpokenLanguages } from "../sessions/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import type { VoiceMessage } from "../../tests/fakes/voice_client.ts";
import { voiceDoor, type VoiceOptions } from "./mod.ts";

export class FakeSocket implements ServerSocket {
  readonly sent: VoiceMessage[] = [];
  closedWith: { code: number; reason: string } | undefined;
  bufferedBytes = 0;
  isPaused = false;
  /** How often it was paused. */
  pauses = 0;
  events!: SocketEvents;

  send(text: string): void {
    assert.equal(this.closedWith, undefined, "nothing is sent after the close");
    this.sent.push(JSON.parse(text));
  }
  pause(): void {
    assert.ok(!this.isPaused, "it is paused once");
    this.isPaused = true;
    this.pauses++;
  }
  resume(): void {
    this.isPaused = false;
  }
  close(code: number, reason: string): void {
    assert.equal(this.closedWith, undefined, "it is closed once");
    this.closedWith = { code, reason };
  }
  terminate(): void {}

  get types(): string[] {
    return this.sent.map(({ type }) => type);
  }
  get last(): VoiceMessage | undefined {
    return this.sent.at(-1);
  }
  ofType(type: string): VoiceMessage[] {
    return this.sent.filter((message) => message.type === type);
  }
  control(message: unknown): void {
    this.events.message(JSON.stringify(message));
  }
  audio(bytes: number): void {
    this.events.message(new Uint8Array(bytes));
  }
  /** Asserts that it was closed with a code, after an error with it. */
  assertClosed(close: number, code: string): void {
    assert.deepEqual(this.closedWith, { code: close, reason: code });
    assert.equal(this.last?.type, "error");
    assert.equal(this.last?.code, code);
    assert.ok((this.last?.message ?? "").length > 10, "it has a message");
  }
}

/** One pipeline: takes audio at once, captions what the test says. */
export class FakePipeline {
  readonly pieces: { bytes: number; timestampMs?: number }[] = [];
  readonly languages: string[] = [];
  isDisposed = false;
  /** Rejects audio with it. */
  fault: unknown;
  /** Audio is taken when the test says so. */
  holds: PromiseWithResolvers<void> | undefined;
  neverDrains = false;
  /** The last words, delivered when it drains. */
  lastWords: string[] = [];
  #utterance = 0;

  constructor(readonly options: SpeakerOptions, readonly events: SpeakerEvents) {}

  get bytes(): number {
    return this.pieces.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  partial(text: string): void {
    this.events.caption(this.#caption(text, false));
  }
  final(text: string): void {
    this.events.caption(this.#caption(text, true));
    this.#utterance++;
  }
  /** For viewers who get no `status`. */
  notice(text: string): void {
    this.events.caption({ ...this.#caption(text, true), isNotice: true });
  }
  #caption(text: string, final: boolean): Caption {
    return {
      ...{ speakerId: this.options.speaker.id, text, final, utterance: this.#utterance, revision: 0 },
      ...{ languageId: this.options.languageId, receivedAtMs: 0, spoken: { startMs: 100.4, endMs: 900 } },
    };
  }
}

export class FakeHost implements SpeakerHost {
  recognisers: RecogniserStatus[] = [{ name: "toy", state: "available", speakers: 0 }];
  readonly pipelines: FakePipeline[] = [];
  /** Thrown by `open`. */
  refusal: unknown;
  /** What a pipeline does with audio before it has taken it; may throw. */
  decode: (pipeline: FakePipeline, bytes: Uint8Array<ArrayBuffer>) => void = () => {};

  get pipeline(): FakePipeline {
    return this.pipelines.at(-1) ?? assert.fail("no pipeline was opened");
  }

  open<Kind extends SourceKind>(
    options: SpeakerOptions<Kind>,
    events: SpeakerEvents<Kind>,
  ): HostedSpeaker<Kind> {
    if (this.refusal !== undefined) throw this.refusal;
    const pipeline = new FakePipeline(options, events as SpeakerEvents);
    this.pipelines.push(pipeline);
    const closed = Promise.withResolvers<SpeakerUse | undefined>();
    const { decode } = this;
    const hosted: HostedSpeaker = {
      closed: closed.promise,
      send() {},
      async request(request) {
        if (pipeline.isDisposed) throw new UnavailableError("closed", "busy");
        if (pipeline.fault !== undefined) throw pipeline.fault;
        await pipeline.holds?.promise;
        if (request.type !== "audio") throw new TypeError("not audio");
        const { bytes } = request;
        decode(pipeline, bytes);
        const timestampMs = "timestampMs" in request ? request.timestampMs : undefined;
        pipeline.pieces.push({ bytes: bytes.length, timestampMs });
        return undefined;
      },
      setLanguage: (languageId) => void pipeline.languages.push(languageId),
      setWords() {},
      drain(signal) {
        if (pipeline.neverDrains) {
          const late = new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
          return Promise.race([late, closed.promise]).then(() => {});
        }
        for (const text of pipeline.lastWords.splice(0)) pipeline.final(text);
        return Promise.resolve();
      },
      [Symbol.asyncDispose]() {
        pipeline.isDisposed = true;
        closed.resolve({ audioMs: 0, providers: ["toy"] });
        return Promise.resolve();
      },
    };
    return hosted as HostedSpeaker<Kind>;
  }
}

/** Takes tokens that are names of users, with a tenant behind a slash; others are faults by their code. */
export class FakeVerifier implements TokenVerifier {
  readonly tokens: (string | undefined)[] = [];
  /** Verifies when the test says so. */
  holds: PromiseWithResolvers<void> | undefined;
  trouble: TokenFault | undefined;
  refusal: TokenFault | undefined;

  async verify(token: string | undefined): Promise<TokenIdentity> {
    this.tokens.push(token);
    await this.holds?.promise;
    const code = token === undefined ? "token_missing" : token.includes("_") ? token : undefined;
    if (code) throw new CredentialsError(`Cannot accept the token: ${code}`, { code, retryable: false });
    const [userId, tenantId = "school"] = (token ?? "").split("/");
    return { userId, tenantId };
  }
}

export class DoorWorld implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly log = new FakeLog();
  readonly meter = new FakeMeter();
  readonly host = new FakeHost();
  readonly verifier = new FakeVerifier();
  readonly scope = new Scope("test");
  readonly sessions: Sessions;
  readonly door: ReturnType<typeof voiceDoor>;
  /** Thrown by `requireWork`. */
  workRefusal: unknown;

  constructor(options: Partial<VoiceOptions> = {}) {
    const { clock, log, meter, host, scope } = this;
    const languages = ["en", "de"].map((id) => ({ id, name: id, metadata: { separator: " ", rtl: false } }));
    this.sessions = new Sessions({
      host,
      admission: { refusal: undefined },
      sessionsMax: 100,
      speakersPerSessionMax: 10,
      scope: scope.child("sessions"),
      ...{ clock, log, meter },
    });
    this.door = voiceDoor({
      verifier: this.verifier,
      languages: new SpokenLanguages({ stt: { languages }, log, meter }),
      idleMs: 30_000,
      sessionsAMinute: 10,
      sessionsMax: 5,
      version: "1.2.3",
      sessions: this.sessions,
      requireWork: () => {
        if (this.workRefusal !== undefined) throw this.workRefusal;
      },
      scope: scope.child("doors"),
      ...{ clock, log, meter },
      ...options,
    });
  }

  /** Opens a socket; its token is verified unless the verifier holds. */
  async connect(
    token: string | undefined = "ada",
    headers: Record<string, string> = {},
  ): Promise<FakeSocket> {
    const socket = new FakeSocket();
    const [route] = this.door.sockets ?? assert.fail("the door has no socket");
    const url = new URL("ws://127.0.0.1/api/v1/voice/transcribe");
    if (token !== undefined) url.searchParams.set("token", token);
    socket.events = route.open(socket, { url, headers: new Headers(headers), source: "127.0.0.1" });
    await settle();
    return socket;
  }

  /** The same, and starts it. */
  async start(message: Record<string, unknown> = {}, token?: string): Promise<FakeSocket> {
    const socket = await this.connect(token);
    socket.control({ type: "start", ...message });
    await settle();
    assert.deepEqual(socket.types, ["ready"], JSON.stringify(socket.sent));
    return socket;
  }

  /** Of the metric of closed sessions. */
  closed(code: string): number {
    return this.meter.counted("tiro_voice_closed_total", code);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scope[Symbol.asyncDispose]();
    assert.equal(this.clock.pending, 0, "no timer is left");
    assert.equal(this.meter.counted("tiro_internal_errors_total", "voice"), 0);
  }
}

/**
 * A fake of OpenAI's Realtime API for transcription, and of two servers after its model: a real WebSocket server on
 * loopback that recognises the toy language of `tones.ts`.
 *
 *   openai    takes `session.update` of a transcription session; detects turns by the silence, or leaves that to the client;
 *             words as deltas, then the transcript
 *   speaches  has its model and language from the address; turns, and transcripts without deltas
 *   vllm      16 kHz; begins and ends with `input_audio_buffer.commit`; words as deltas, one transcript for all
 */
import { rms, VOICED_RMS } from "./stt_recognisers.ts";
import { remember, SttStandIn } from "./stt_stand_in.ts";
import { ToneRecogniser } from "./tones.ts";
import type { ServerConnection } from "./websocket_server.ts";

export type RealtimeDialect = "openai" | "beta" | "speaches" | "vllm";

export interface FakeRealtimeOptions {
  dialect?: RealtimeDialect;
  /** Any other is answered with 401. */
  key?: string;
  /** Any other is an error. */
  model?: string;
  /** Sessions at once; another is told so. */
  sessions?: number;
}

/** What a session was sent besides audio. */
export interface RealtimeSession {
  address: URL;
  configuration: Record<string, unknown>[];
  commits: number;
  receivedMs: number;
}

/** Ends a turn. */
const PAUSE_MS = 500;
/** Less audio than this is no turn. */
const LEAST_MS = 100;

type Message = Partial<Record<"type" | "audio" | "session" | "model" | "final", unknown>>;

export class FakeRealtimeServer extends SttStandIn {
  readonly sessions: RealtimeSession[] = [];
  /** Completes the items of a turn in reverse, two at a time. */
  reverses = false;
  readonly #options: FakeRealtimeOptions & { dialect: RealtimeDialect };

  private constructor(options: FakeRealtimeOptions) {
    super();
    this.#options = { dialect: "openai", ...options };
  }

  static start(options: FakeRealtimeOptions = {}): FakeRealtimeServer {
    return new FakeRealtimeServer(options);
  }

  /** Sends this on every connection. */
  send(message: unknown): void {
    this.sendAll(JSON.stringify(message));
  }

  protected override handshake({ url, headers }: Request): number | undefined {
    const { key, dialect, model } = this.#options;
    const address = new URL(url);
    if (key !== undefined && headers.get("authorization") !== `Bearer ${key}`) return 401;
    if (address.pathname !== "/v1/realtime") return 404;
    if (dialect === "beta" && headers.get("openai-beta") !== "realtime=v1") return 400;
    // speaches requires it; a missing one is a refusal of FastAPI's.
    if (dialect === "speaches" && address.searchParams.get("model") !== (model ?? "tiny")) return 403;
    remember(this.sessions, { address, configuration: [], commits: 0, receivedMs: 0 });
    return undefined;
  }

  protected override open(connection: ServerConnection): void {
    const { dialect, sessions = Infinity } = this.#options;
    const record = this.sessions[this.sessions.length - 1];
    const send = (message: Record<string, unknown>) => connection.send(JSON.stringify(message));
    if (this.live >= sessions) {
      send({
        type: "error",
        error: { type: "rate_limit_error", code: "rate_limit_exceeded", message: "slow down" },
      });
      return connection.close();
    }
    const flat = {
      id: "sess_1",
      input_audio_transcription: { model: "tiny" },
      turn_detection: { threshold: 0.9 },
    };
    const session = dialect === "vllm"
      ? undefined
      : dialect === "speaches"
      ? flat
      : { id: "sess_1", type: "realtime" };
    const created = dialect === "beta" ? "transcription_session.created" : "session.created";
    send({ type: created, ...session ? { session } : { id: "sess-1", created: 1 } });
    const channel = dialect === "vllm"
      ? new VllmChannel(this.#options, record, send)
      : new Channel(this.#options, record, send, () => this.reverses);
    this.admit(connection, {
      message: (data) => {
        if (typeof data === "string") channel.receive(JSON.parse(data));
      },
    });
  }
}

type Send = (message: Record<string, unknown>) => void;

const TRANSCRIPTION = "conversation.item.input_audio_transcription";

class Channel {
  readonly #recogniser = new ToneRecogniser(24_000);
  readonly #waiting: Record<string, unknown>[] = [];
  #detectsTurns = true;
  #item = 0;
  #words: string[] = [];
  #isSpeaking = false;
  #silentMs = 0;
  #bufferedMs = 0;

  constructor(
    private readonly options: FakeRealtimeOptions & { dialect: RealtimeDialect },
    private readonly record: RealtimeSession,
    private readonly send: Send,
    private readonly reverses: () => boolean,
  ) {}

  receive(message: Message): void {
    switch (message.type) {
      case "session.update":
      case "transcription_session.update":
        return this.#configure(message);
      case "input_audio_buffer.append":
        return this.#append(samplesOf(message.audio));
      case "input_audio_buffer.commit":
        this.record.commits++;
        if (this.#bufferedMs >= LEAST_MS) return this.#endTurn();
        return this.#fail("input_audio_buffer_commit_empty", "buffer too small");
      default:
        this.#fail("unknown_event", "unknown");
    }
  }

  #configure(message: Message): void {
    const { dialect, model } = this.options;
    const update = record(message.session);
    this.record.configuration.push(update);
    const isBeta = message.type === "transcription_session.update";
    if (isBeta !== (dialect === "beta")) return this.#fail("invalid_event", "no such event");
    if (dialect === "speaches") {
      // It takes a threshold that no speech reaches, and nothing else of a configuration.
      const { threshold } = record(update.turn_detection);
      if (threshold === 1) {
        this.#detectsTurns = false;
        this.#fail("", "Specifying `session.turn_detection.prefix_padding_ms` is not supported.");
      }
      const session = {
        input_audio_transcription: { model },
        turn_detection: { threshold: threshold ?? 0.9 },
      };
      return this.send({ type: "session.updated", session });
    }
    const input = isBeta ? update : record(record(update.audio).input);
    const transcription = record(isBeta ? input.input_audio_transcription : input.transcription);
    if (model !== undefined && transcription.model !== model) {
      return this.#fail("model_not_found", "no model");
    }
    this.#detectsTurns = input.turn_detection !== null;
    this.send({ type: isBeta ? "transcription_session.updated" : "session.updated", session: update });
  }

  #append(samples: Float32Array<ArrayBuffer>): void {
    const ms = samples.length / 24;
    this.record.receivedMs += ms;
    this.#bufferedMs += ms;
    const isVoice = rms(samples) >= VOICED_RMS;
    this.#silentMs = isVoice ? 0 : this.#silentMs + ms;
    if (isVoice && !this.#isSpeaking && this.#detectsTurns) {
      this.#isSpeaking = true;
      this.send({ type: "input_audio_buffer.speech_started", item_id: this.#id, audio_start_ms: 0 });
    }
    for (const { word } of this.#recogniser.receive(samples)) {
      const delta = this.#words.length === 0 ? word : ` ${word}`;
      this.#words.push(word);
      if (this.options.dialect === "speaches") continue;
      this.send({ type: `${TRANSCRIPTION}.delta`, item_id: this.#id, content_index: 0, delta });
    }
    if (this.#isSpeaking && this.#silentMs >= PAUSE_MS) {
      this.send({ type: "input_audio_buffer.speech_stopped", item_id: this.#id, audio_end_ms: 0 });
      this.#endTurn();
    }
  }

  get #id(): string {
    return `item_${this.#item}`;
  }

  #endTurn(): void {
    const previous = this.#item === 0 ? null : `item_${this.#item - 1}`;
    this.send({ type: "input_audio_buffer.committed", item_id: this.#id, previous_item_id: previous });
    this.send({ type: "conversation.item.created", item: { id: this.#id } });
    this.#waiting.push({
      type: `${TRANSCRIPTION}.completed`,
      item_id: this.#id,
      content_index: 0,
      transcript: this.#words.join(" "),
      usage: { type: "duration", seconds: 1 },
    });
    this.#item++;
    this.#words = [];
    this.#isSpeaking = false;
    this.#bufferedMs = 0;
    if (this.reverses() && this.#waiting.length < 2) return;
    while (this.#waiting.length > 0) this.send(this.#waiting.pop()!);
  }

  #fail(code: string, message: string): void {
    this.send({ type: "error", error: { type: "invalid_request_error", code, message } });
  }
}

class VllmChannel {
  readonly #recogniser = new ToneRecogniser(16_000);
  readonly #waiting: Float32Array<ArrayBuffer>[] = [];
  #isValidated = false;
  #hasBegun = false;
  #text = "";

  constructor(
    private readonly options: FakeRealtimeOptions,
    private readonly record: RealtimeSession,
    private readonly send: Send,
  ) {}

  receive({ type, model, audio, final }: Message): void {
    switch (type) {
      case "session.update":
        this.record.configuration.push({ model });
        this.#isValidated = this.options.model === undefined || model === this.options.model;
        return this.#isValidated ? undefined : this.#fail("model_not_found");
      case "input_audio_buffer.append":
        this.#waiting.push(samplesOf(audio));
        return this.#recognise();
      case "input_audio_buffer.commit":
        this.record.commits++;
        if (!this.#isValidated) return this.#fail("model_not_validated");
        this.#hasBegun = true;
        this.#recognise();
        if (final === true) this.send({ type: "transcription.done", text: this.#text, usage: null });
        return;
      default:
        return this.#fail("unknown_event");
    }
  }

  #recognise(): void {
    if (!this.#hasBegun) return;
    for (const samples of this.#waiting.splice(0)) {
      this.record.receivedMs += samples.length / 16;
      for (const { word } of this.#recogniser.receive(samples)) {
        const delta = this.#text === "" ? word : ` ${word}`;
        this.#text += delta;
        this.send({ type: "transcription.delta", delta });
      }
    }
  }

  #fail(code: string): void {
    this.send({ type: "error", error: `The server says ${code}`, code });
  }
}

function samplesOf(audio: unknown): Float32Array<ArrayBuffer> {
  const bytes = Uint8Array.fromBase64(typeof audio === "string" ? audio : "");
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length >> 1 }, (_, at) => view.getInt16(2 * at, true) / 32_768);
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

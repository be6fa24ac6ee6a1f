/**
 * A fake of Vosk's servers: a real WebSocket server on loopback that recognises the toy language of `tones.ts`. As
 * vosk-server (`stock`) it has one model and does not answer the configuration; as the server in Nextcloud's
 * live_transcription it answers whether it has a model for the language, and its words have no times. Both answer each
 * message once, in order, settle an utterance after a pause, and close after `eof`.
 */
import { parseJson } from "../../src/domain/mod.ts";
import type { ServerConnection } from "./websocket_server.ts";
import { Behind, type Recogniser, rms, ScriptRecogniser, VOICED_RMS } from "./stt_recognisers.ts";
import { remember, SttStandIn } from "./stt_stand_in.ts";
import { ToneRecogniser } from "./tones.ts";

export interface FakeVoskOptions {
  dialect?: "nextcloud" | "stock";
  /** Those it has models for, in the dialect of Nextcloud. */
  languages?: readonly string[];
  /** How far words are behind the audio. */
  behindMs?: number;
  /** Words for any voice, by language, instead of the toy language; sent with a space between, as Vosk does. */
  script?: (language: string) => readonly string[];
  /** What it recognises in silence, as the English models do. */
  recognisedInSilence?: string;
  /** Every handshake is answered with this status, as a proxy before it would. */
  refuse?: number;
}

/** A session, as the server has seen it. */
export interface FakeVoskSession {
  config?: unknown;
  /** Messages of audio, and all answers but that to the configuration. */
  audioMessages: number;
  answers: number;
  receivedMs: number;
  hasEnded: boolean;
}

type Optional = "script" | "refuse";
type Options = Required<Omit<FakeVoskOptions, Optional>> & Pick<FakeVoskOptions, Optional>;

interface Word {
  word: string;
  start: number;
  end: number;
  conf: number;
}

const EOF = '{"eof" : 1}';
/** What the servers take where the configuration has none. */
const STANDARD_RATE_HZ = { nextcloud: 48_000, stock: 8_000 };
/** A pause in the audio that ends an utterance. */
const PAUSE_MS = 500;
const WORD_MS = 220;

export class FakeVoskServer extends SttStandIn {
  /** In the order they opened, the newest 1,000. */
  readonly sessions: FakeVoskSession[] = [];
  readonly #options: Options;

  private constructor(options: FakeVoskOptions) {
    super();
    this.#options = {
      dialect: "nextcloud",
      languages: ["en"],
      behindMs: 0,
      recognisedInSilence: "",
      ...options,
    };
  }

  static start(options: FakeVoskOptions = {}): FakeVoskServer {
    return new FakeVoskServer(options);
  }

  protected override handshake(): number | undefined {
    return this.#options.refuse;
  }

  protected override open(connection: ServerConnection): void {
    const session: FakeVoskSession = { audioMessages: 0, answers: 0, receivedMs: 0, hasEnded: false };
    remember(this.sessions, session);
    const { dialect, languages } = this.#options;
    let rateHz = STANDARD_RATE_HZ[dialect];
    let recogniser: Kaldi | undefined;
    let language = "en";
    this.admit(connection, {
      message: (data) => {
        if (typeof data === "string" && data.includes('"config"')) {
          const { config } = parseJson(data) as { config: { sample_rate: number; language?: string } };
          session.config = config;
          rateHz = config.sample_rate;
          language = config.language ?? language;
          const isKnown = config.language !== undefined && languages.includes(config.language);
          if (dialect === "nextcloud") connection.send(JSON.stringify({ success: isKnown }));
          return;
        }
        recogniser ??= new Kaldi(rateHz, language, this.#options);
        if (typeof data !== "string") {
          session.audioMessages++;
          session.receivedMs += data.length / 2 / rateHz * 1_000;
        }
        const isLast = data === EOF;
        const answer = isLast
          ? recogniser.final()
          : typeof data === "string"
          ? recogniser.partial()
          : recogniser.receive(data);
        session.answers++;
        connection.send(JSON.stringify(answer, null, 2));
        session.hasEnded ||= isLast;
        if (isLast) connection.close();
      },
    });
  }
}

/** What the library answers to audio. */
class Kaldi {
  readonly #rateHz: number;
  readonly #recogniser: Recogniser;
  readonly #inSilence: string;
  readonly #hasTimes: boolean;
  #words: Word[] = [];
  #silentMs = 0;

  constructor(rateHz: number, language: string, { dialect, script, behindMs, recognisedInSilence }: Options) {
    this.#rateHz = rateHz;
    this.#hasTimes = dialect === "stock";
    const recogniser = script ? new ScriptRecogniser(script(language), rateHz) : new ToneRecogniser(rateHz);
    this.#recogniser = behindMs > 0 ? new Behind(recogniser, behindMs, rateHz) : recogniser;
    this.#inSilence = recognisedInSilence;
  }

  receive(bytes: Uint8Array<ArrayBuffer>): object {
    const samples = samplesOf(bytes);
    const words = this.#recogniser.receive(samples);
    this.#words.push(...words.map(({ word, endMs }) => ({
      word,
      start: Math.max(0, endMs - WORD_MS) / 1_000,
      end: endMs / 1_000,
      conf: 1,
    })));
    const durationMs = samples.length / this.#rateHz * 1_000;
    this.#silentMs = rms(samples) < VOICED_RMS && words.length === 0 ? this.#silentMs + durationMs : 0;
    return this.#words.length > 0 && this.#silentMs >= PAUSE_MS ? this.final() : this.partial();
  }

  partial(): object {
    const text = this.#words.map(({ word }) => word).join(" ");
    return { partial: text || (this.#silentMs > 0 ? this.#inSilence : "") };
  }

  final(): object {
    const result = this.#words;
    this.#words = [];
    this.#silentMs = 0;
    if (result.length === 0) return { text: this.#inSilence };
    return { ...this.#hasTimes && { result }, text: result.map(({ word }) => word).join(" ") };
  }
}

function samplesOf(bytes: Uint8Array<ArrayBuffer>): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from(
    { length: bytes.length >> 1 },
    (_, at) => view.getInt16(2 * at, true) / 32_768,
  );
}

/**
 * A fake of `/v1/listen`: a real WebSocket server on loopback that recognises the toy language of `tones.ts`, as Deepgram
 * does or as WhisperLiveKit 0.2.26 does. Both send interim results, final pieces of an utterance, and its end after a
 * pause. Deepgram spells words as its `keyterm`s have them. The other differences:
 *
 *                        Deepgram                          WhisperLiveKit
 *   Metadata             after CloseStream                 at the start too
 *   audio without words  results with an empty transcript  nothing
 *   an empty message     closes with 1011                  Error, closes with 4400
 *   Finalize             settles                           Error, closes with 4400
 *   wrong credentials    401                               403
 *   without a message    closes with 1011 after 10 s       Error, closes with 1011 after 30 s
 */
import type { ServerConnection } from "./websocket_server.ts";
import { rms, VOICED_RMS } from "./stt_recognisers.ts";
import { remember, SttStandIn } from "./stt_stand_in.ts";
import { spelledAs, ToneRecogniser } from "./tones.ts";

export interface FakeDeepgramOptions {
  server?: "deepgram" | "whisperlivekit";
  /** Any other key is refused. */
  key?: string;
  /** The handshake is answered with this status. */
  status?: number;
}

const SAMPLE_RATE_HZ = 16_000;
/** Words of a final piece, where its utterance does not end before. */
const PIECE_WORDS = 3;
/** Deepgram sends a result for so much audio, at the latest. */
const RESULT_EVERY_MS = 1_000;
const IDLE_MS = { deepgram: 10_000, whisperlivekit: 30_000 };

/** One session, as the server saw it. */
export class FakeDeepgramConnection {
  /** Of the address. */
  readonly query: URLSearchParams;
  readonly authorization: string | null;
  audioBytes = 0;
  /** Types of the messages received. */
  readonly controls: string[] = [];

  constructor({ url, headers }: Request) {
    this.query = new URL(url).searchParams;
    this.authorization = headers.get("authorization");
  }
}

export class FakeDeepgramServer extends SttStandIn {
  /** In the order they opened, the newest 1,000. */
  readonly connections: FakeDeepgramConnection[] = [];
  readonly #options: FakeDeepgramOptions & { server: keyof typeof IDLE_MS };
  readonly #handshakes: FakeDeepgramConnection[] = [];

  private constructor(options: FakeDeepgramOptions) {
    super();
    this.#options = { server: "deepgram", ...options };
  }

  static start(options: FakeDeepgramOptions = {}): FakeDeepgramServer {
    return new FakeDeepgramServer(options);
  }

  protected override handshake(request: Request): number | undefined {
    const { key, status, server } = this.#options;
    if (status !== undefined) return status;
    if (new URL(request.url).pathname !== "/v1/listen") return 404;
    const handshake = new FakeDeepgramConnection(request);
    if (key !== undefined && handshake.authorization !== `Token ${key}`) {
      return server === "deepgram" ? 401 : 403;
    }
    this.#handshakes.push(handshake);
  }

  protected override open(connection: ServerConnection): void {
    const record = this.#handshakes.shift()!;
    remember(this.connections, record);
    const { server } = this.#options;
    const send = (message: Record<string, unknown>) => connection.send(JSON.stringify(message));
    const fail = (description: string, code: number) => {
      if (server === "whisperlivekit") send({ type: "Error", description, request_id: "r" });
      connection.close(code);
    };
    const stream = new Stream(server, record.query, send);
    let idle: ReturnType<typeof setTimeout> | undefined;
    const rearm = () => {
      clearTimeout(idle);
      idle = setTimeout(() => fail("No message was received.", 1011), IDLE_MS[server]);
    };
    this.admit(connection, {
      message: (data) => {
        rearm();
        if (typeof data === "string") {
          const control = typeOf(data);
          record.controls.push(control);
          if (control === "CloseStream") {
            stream.finish();
            connection.close(1000);
          } else if (control === "Finalize") {
            if (server === "whisperlivekit") fail("Finalize is not supported.", 4400);
            else stream.settle();
          }
          return;
        }
        record.audioBytes += data.length;
        if (data.length === 0) return fail("empty binary frame", server === "deepgram" ? 1011 : 4400);
        stream.receive(data);
      },
      closed: () => clearTimeout(idle),
    });
    rearm();
    if (!stream.isValid) fail("invalid session", server === "deepgram" ? 1008 : 4400);
  }
}

function typeOf(message: string): string {
  const json: unknown = JSON.parse(message);
  return typeof json === "object" && json !== null && "type" in json ? String(json.type) : "";
}

interface Word {
  word: string;
  start: number;
  end: number;
}

/** What a session's audio held. */
class Stream {
  readonly isValid: boolean;
  readonly #recogniser = new ToneRecogniser(SAMPLE_RATE_HZ);
  readonly #expected: readonly string[];
  readonly #endpointingMs: number;
  readonly #utteranceEndMs: number;
  /** Since the last final result. */
  #words: Word[] = [];
  #settledMs = 0;
  #receivedMs = 0;
  #resultMs = 0;
  #silentMs = 0;
  #lastWordEndMs = 0;
  /** Whether pieces were sent since the last pause; whether words were since the last UtteranceEnd. */
  #isInUtterance = false;
  #hasUnendedWord = false;

  constructor(
    private readonly server: keyof typeof IDLE_MS,
    query: URLSearchParams,
    private readonly send: (message: Record<string, unknown>) => void,
  ) {
    this.isValid = query.get("encoding") === "linear16" && query.get("sample_rate") === "16000" &&
      query.get("channels") === "1" && query.get("interim_results") === "true";
    this.#expected = server === "deepgram" ? query.getAll("keyterm") : [];
    this.#endpointingMs = Number(query.get("endpointing") ?? 10);
    this.#utteranceEndMs = Number(query.get("utterance_end_ms") ?? Infinity);
    if (server === "whisperlivekit") this.#metadata(0);
  }

  receive(bytes: Uint8Array<ArrayBuffer>): void {
    const pcm = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1);
    const samples = Float32Array.from(pcm, (sample) => sample / 32_768);
    const durationMs = samples.length / SAMPLE_RATE_HZ * 1_000;
    this.#receivedMs += durationMs;
    this.#silentMs = rms(samples) < VOICED_RMS ? this.#silentMs + durationMs : 0;
    for (const { word, endMs } of this.#recogniser.receive(samples)) this.#recognised(word, endMs);
    const hasWords = this.#words.length > 0 || this.#isInUtterance;
    if (hasWords && this.#silentMs >= this.#endpointingMs) this.settle(true);
    if (this.#hasUnendedWord && this.#receivedMs - this.#lastWordEndMs >= this.#utteranceEndMs) {
      this.#hasUnendedWord = false;
      this.send({ type: "UtteranceEnd", channel: [0, 1], last_word_end: this.#lastWordEndMs / 1_000 });
    }
    if (this.server === "deepgram" && this.#receivedMs - this.#resultMs >= RESULT_EVERY_MS) this.#result();
  }

  settle(speechFinal = false): void {
    this.#result({ isFinal: true, speechFinal });
    this.#isInUtterance = !speechFinal;
    this.#words = [];
    this.#settledMs = this.#receivedMs;
  }

  finish(): void {
    if (this.#words.length > 0) this.settle();
    this.#metadata(this.#receivedMs);
  }

  #recognised(heard: string, endMs: number): void {
    const word = spelledAs(heard, this.#expected);
    this.#words.push({ word, start: Math.max(0, endMs - 200) / 1_000, end: endMs / 1_000 });
    this.#lastWordEndMs = endMs;
    this.#hasUnendedWord = true;
    this.#result();
    if (this.#words.length === PIECE_WORDS) this.settle();
  }

  #result({ isFinal = false, speechFinal = false } = {}): void {
    this.#resultMs = this.#receivedMs;
    const words = this.#words.map((word) => ({ ...word, confidence: 0.9, punctuated_word: word.word }));
    const transcript = words.map(({ word }) => word).join(" ");
    this.send({
      type: "Results",
      channel_index: [0, 1],
      start: this.#settledMs / 1_000,
      duration: (this.#receivedMs - this.#settledMs) / 1_000,
      is_final: isFinal,
      speech_final: speechFinal,
      from_finalize: false,
      channel: { alternatives: [{ transcript, confidence: 0.9, words }] },
      metadata: { request_id: "r", model_info: { name: "tones" } },
    });
  }

  #metadata(durationMs: number): void {
    this.send({ type: "Metadata", request_id: "r", duration: durationMs / 1_000, channels: 1 });
  }
}

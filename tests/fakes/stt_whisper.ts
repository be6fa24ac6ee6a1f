/**
 * A server of transcriptions on loopback: `POST /v1/audio/transcriptions` with a WAV file in multipart/form-data, as
 * OpenAI, speaches and faster-whisper-server answer it. It recognises the toy language of `tones.ts` in each file, with a
 * capital and a full stop like a Whisper, and it can be made to do what servers do on bad days.
 */
import { Happenings } from "./happenings.ts";
import { delay } from "../../src/flow/mod.ts";
import { ClaimedPorts } from "./ports.ts";
import { parseWav } from "./speech.ts";
import { ToneRecogniser } from "./tones.ts";

/** As it should, not at all, with a status, or with what is no transcription. */
export type WhisperMood = "well" | "silent" | "garbage" | { status: number };

export interface FakeWhisperOptions {
  /** Any other is answered with 401. */
  key?: string;
  /** Any other is answered with 404. Default: all are known. */
  model?: string;
  /** Answers 400 to any other `response_format` than `json`. */
  isPlain?: boolean;
  /** What Whisper adds: without it, words as they are. */
  punctuates?: boolean;
}

/** A file that was sent. */
export interface AskedTranscription {
  fields: Record<string, string>;
  durationMs: number;
  /** Whether there was anything to hear. */
  isSilent: boolean;
  text: string;
}

const ASKED_MAX = 10_000;
const RATE_HZ = 16_000;
/** Ends the last word of a file. */
const TAIL = new Float32Array(RATE_HZ / 5);

export class FakeWhisperServer implements AsyncDisposable {
  mood: WhisperMood = "well";
  /** A transcription takes this long. */
  delayMs = 0;
  /** Transcriptions wait for this too. */
  held: Promise<void> | undefined;
  /** Sent in place of a transcription's text, once each. */
  readonly texts: string[] = [];
  /** Of each segment. */
  noSpeechProb = 0.02;
  avgLogprob = -0.3;
  /** The newest 10,000. */
  readonly asked: AskedTranscription[] = [];
  checks = 0;
  /** Requests for another format than the server has. */
  refused = 0;
  underWay = 0;
  underWayMax = 0;
  readonly #options: FakeWhisperOptions;
  readonly #ports = ClaimedPorts.claim();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #ending = new AbortController();
  readonly #happenings = new Happenings();

  private constructor(options: FakeWhisperOptions) {
    this.#options = options;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: this.#ports.next(), onListen: () => {} },
      (request) => this.#receive(request),
    );
  }

  static start(options: FakeWhisperOptions = {}): FakeWhisperServer {
    return new FakeWhisperServer(options);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Resolves once `matches` holds, which is checked whenever something happens here. */
  until(matches: () => boolean, deadlineMs?: number): Promise<void> {
    return this.#happenings.until(matches, deadlineMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#server.shutdown();
    this.#ports[Symbol.dispose]();
  }

  async #receive(request: Request): Promise<Response> {
    const { key } = this.#options;
    if (key !== undefined && request.headers.get("authorization") !== `Bearer ${key}`) {
      await request.body?.cancel();
      return refusal(401);
    }
    const path = new URL(request.url).pathname;
    if (request.method === "GET" && path === "/v1/models") {
      this.checks++;
      return Response.json({ object: "list", data: [{ id: "whisper-1", object: "model" }] });
    }
    if (request.method !== "POST" || path !== "/v1/audio/transcriptions") {
      await request.body?.cancel();
      return refusal(404);
    }
    this.underWayMax = Math.max(this.underWayMax, ++this.underWay);
    try {
      return await this.#transcribe(await request.formData());
    } finally {
      this.underWay--;
      this.#happenings.happened();
    }
  }

  async #transcribe(form: FormData): Promise<Response> {
    const { model, isPlain = false } = this.#options;
    const fields = Object.fromEntries(
      [...form].flatMap(([name, value]) => typeof value === "string" ? [[name, value]] : []),
    );
    const file = form.get("file");
    if (!(file instanceof File)) return refusal(422);
    if (model !== undefined && fields.model !== model) return refusal(404);
    if (isPlain && fields.response_format !== "json") {
      this.refused++;
      return refusal(400);
    }
    const { samples } = parseWav(new Uint8Array(await file.arrayBuffer()));
    const text = this.texts.shift() ?? this.#textOf(samples);
    const isSilent = samples.every((sample) => Math.abs(sample) < 0.001);
    this.asked.push({ fields, durationMs: samples.length / RATE_HZ * 1_000, isSilent, text });
    if (this.asked.length > ASKED_MAX) this.asked.shift();
    this.#happenings.happened();
    await this.held;
    if (this.delayMs > 0) await this.#wait(this.delayMs);
    const { mood } = this;
    if (mood === "silent") await this.#wait(3_600_000);
    if (mood === "garbage") return new Response("<html>It works!</html>");
    if (typeof mood === "object") return refusal(mood.status);
    if (fields.response_format === "json") return Response.json({ text: ` ${text}` });
    const { noSpeechProb: no_speech_prob, avgLogprob: avg_logprob } = this;
    const segments = text === "" ? [] : [{ id: 0, start: 0, text: ` ${text}`, no_speech_prob, avg_logprob }];
    return Response.json({ task: "transcribe", language: fields.language, text: ` ${text}`, segments });
  }

  #textOf(samples: Float32Array): string {
    const recogniser = new ToneRecogniser(RATE_HZ);
    const words = [...recogniser.receive(samples), ...recogniser.receive(TAIL)].map(({ word }) => word);
    const text = words.join(" ");
    if (!this.#options.punctuates || text === "") return text;
    return `${text[0].toUpperCase()}${text.slice(1)}.`;
  }

  /** Shorter when the server stops. */
  async #wait(ms: number): Promise<void> {
    await delay(ms, this.#ending.signal).catch(() => {});
  }
}

function refusal(status: number): Response {
  return Response.json({ error: { message: "as the test wants it", type: "error" } }, { status });
}

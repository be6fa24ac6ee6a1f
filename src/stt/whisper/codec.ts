/**
 * `POST /v1/audio/transcriptions` as OpenAI has it, and servers after its model (speaches, faster-whisper-server,
 * WhisperLiveKit, vLLM, LocalAI): multipart/form-data with a WAV file in, JSON out. Pure; never throws for what a server
 * sends.
 *
 * Whisper hallucinates in noise and music. `verbose_json` has for each segment the probability that there is no speech, the
 * average log probability of its tokens, and how well the text compresses, which shows loops. Measured with tiny.en, noise
 * has "You" with 0.90 to 0.95 and -0.93 to -0.99, or loops with 0.65 or more and 13 or more; speech has at most 0.3.
 */
import { joinBytes, parseJson, type SttError } from "../../domain/mod.ts";
import { fittingWords } from "../words.ts";

/** Of a transcription of a few seconds, with its segments and tokens. */
export const RESPONSE_BYTES_MAX = 256 * 1024;
/** Whisper reads the last 224 tokens of a prompt. */
const PROMPT = { bytesMax: 400 };
/** Whisper's own threshold. */
const NO_SPEECH = 0.6;
/** Whisper's own is -1. */
const UNLIKELY = -0.8;
/** Whisper's own. */
const LOOPS = 2.4;
/** Note signs, dashes: nothing was said. whisper.cpp's names for silence. */
const NOTHING = /^(?:[\p{P}\p{S}\s]*|\W*(?:blank_audio|silence|no speech)\W*)$/iu;
const RATE_HZ = 16_000;
const HEADER_BYTES = 44;

export const WHISPER_SAMPLE_RATE_HZ = RATE_HZ;

export interface TranscriptionFields {
  model: string;
  /** ISO 639-1. */
  language: string;
  /** In which the words to expect are found. */
  prompt?: string;
  /** `verbose_json`, or `json`, which every model of every server has. */
  isVerbose: boolean;
}

/** The words to expect, the most important first, as far as a prompt goes; undefined where there are none. */
export function promptOf(words: readonly string[] = []): string | undefined {
  const fitting = fittingWords(words, PROMPT);
  return fitting.length === 0 ? undefined : `${fitting.join(", ")}.`;
}

/** The body of a request (RFC 7578). `pcm` is 16-bit. `boundary` must not be in the fields: it is random. */
export function formBody(
  pcm: Uint8Array,
  { model, language, prompt, isVerbose }: TranscriptionFields,
  boundary: string,
): Uint8Array<ArrayBuffer> {
  // Temperature 0: servers after OpenAI's then decode once. Else noise takes them a minute, in which nobody is captioned.
  const format = isVerbose ? "verbose_json" : "json";
  const fields = { model, language, response_format: format, temperature: "0", prompt };
  const disposition = (name: string) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"`;
  const head = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${disposition(name)}\r\n\r\n${value}\r\n`)
    .join("") + `${disposition("file")}; filename="speech.wav"\r\nContent-Type: audio/wav\r\n\r\n`;
  const text = new TextEncoder();
  return joinBytes([text.encode(head), wavHeader(pcm.length), pcm, text.encode(`\r\n--${boundary}--\r\n`)]);
}

/** Of a RIFF file with 16-bit mono PCM at 16 kHz. */
function wavHeader(pcmBytes: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  const tag = (at: number, text: string) => header.set(new TextEncoder().encode(text), at);
  tag(0, "RIFF");
  view.setUint32(4, HEADER_BYTES - 8 + pcmBytes, true);
  tag(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // length of the format
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, RATE_HZ, true);
  view.setUint32(28, 2 * RATE_HZ, true); // bytes a second
  view.setUint16(32, 2, true); // bytes a sample
  view.setUint16(34, 16, true); // bits a sample
  tag(36, "data");
  view.setUint32(40, pcmBytes, true);
  return header;
}

/** The text of a response, without what was not said; undefined where it is no transcription. */
export function transcriptOf(body: string): string | undefined {
  const json = parseJson(body);
  if (typeof json !== "object" || json === null || !("text" in json) || typeof json.text !== "string") {
    return undefined;
  }
  const segments: unknown[] = "segments" in json && Array.isArray(json.segments) ? json.segments : [];
  const kept = segments.filter((segment) => !isNoSpeech(segment));
  const text = kept.length === segments.length ? json.text : kept.map(textOf).join("");
  const trimmed = text.trim();
  return NOTHING.test(trimmed) ? "" : trimmed;
}

type Segment = Partial<Record<"text" | "no_speech_prob" | "avg_logprob" | "compression_ratio", unknown>>;

function isNoSpeech(segment: unknown): boolean {
  if (typeof segment !== "object" || segment === null) return false;
  const { no_speech_prob, avg_logprob, compression_ratio }: Segment = segment;
  if (!isAbove(no_speech_prob, NO_SPEECH)) return false;
  return isAbove(compression_ratio, LOOPS) || (typeof avg_logprob === "number" && avg_logprob < UNLIKELY);
}

function isAbove(value: unknown, threshold: number): boolean {
  return typeof value === "number" && value > threshold;
}

function textOf(segment: unknown): string {
  const { text }: Segment = typeof segment === "object" && segment !== null ? segment : {};
  return typeof text === "string" ? text : "";
}

/** What is wrong by the status of a response; undefined where nothing is. `fail` makes the error. */
export function statusError(
  status: number,
  fail: (problem: string, code: string, retryable: boolean) => SttError,
): SttError | undefined {
  if (status >= 200 && status < 300) return undefined;
  switch (status) {
    case 401:
    case 403:
      return fail("the server refused the credentials (WHISPER_API_KEY)", "stt_unauthorized", false);
    case 400:
    case 422:
      return fail("the server refused the request (WHISPER_MODEL)", "stt_refused", true);
    case 413:
      return fail("the server takes no request of 300 KB", "stt_too_large", false);
    case 429:
    case 503:
      return fail("the server is full", "stt_full", true);
  }
  if (status >= 500) return fail(`the server answered ${status}`, "stt_server", true);
  const problem =
    "the server has no transcriptions at this address, or no such model (WHISPER_SERVICE_URL, WHISPER_MODEL)";
  return fail(problem, "stt_foreign", false);
}

/** The endpoint at an address: of the server, of its API, or of the endpoint itself. */
export function endpointOf(address: string): string {
  const url = new URL(address);
  const path = url.pathname.replace(/\/+$/, "");
  const isEndpoint = path.endsWith("/audio/transcriptions");
  const api = path.endsWith("/v1") ? path : `${path}/v1`;
  url.pathname = isEndpoint ? path : `${api}/audio/transcriptions`;
  return url.href;
}

/** Where the server lists its models, which costs it nothing. */
export function modelsOf(endpoint: string): string {
  const url = new URL(endpoint);
  url.pathname = url.pathname.replace(/audio\/transcriptions$/, "models");
  return url.href;
}

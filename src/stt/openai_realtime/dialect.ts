/**
 * What differs between servers of OpenAI's Realtime API for transcription (developers.openai.com, guide "Realtime
 * transcription"; the sources of speaches 870e1e1 and vLLM 0.22).
 *
 *   openai  24 kHz. `session.update` with `type: "transcription"` and `audio.input`; answered `session.updated`. speaches has
 *           its model, intent and language from the address, ignores what it does not know, and sends no deltas; it is
 *           recognised by its answer, and configured by a second `session.update`
 *   beta    24 kHz. `transcription_session.update` with `input_audio_transcription`, and a header
 *   vllm    16 kHz. `session.update {model}` without an answer, then `input_audio_buffer.commit` to begin, and with
 *           `final: true` to end; `transcription.delta` and `transcription.done`
 */
import type { SttOptions } from "../../domain/mod.ts";
import { fittingWords } from "../words.ts";

export const DIALECTS = ["openai", "beta", "vllm"] as const;
export type Dialect = (typeof DIALECTS)[number];

export interface RealtimeSettings {
  /** ws(s)://... */
  url: string;
  key?: string;
  model: string;
  dialect: Dialect;
}

/**
 * Turns are ended by the client: speaches 870e1e1 detects them at each message, too slowly for a burst, and then ends and
 * transcribes each several times. It cannot be turned off, but no speech is as certain as this. It costs as much in
 * silence, which is therefore not sent: on a busy machine a transcript took 21 s while silence came, else one.
 */
export const SPEACHES_CONFIGURATION = {
  type: "session.update",
  session: {
    turn_detection: {
      type: "server_vad",
      threshold: 1,
      prefix_padding_ms: 0,
      silence_duration_ms: 500,
      create_response: false,
    },
  },
};

export const OPENAI_HOST = "api.openai.com";
/** Models that stream words, whose turns the client ends. */
const STREAMING_MODEL = /^gpt-(live-transcribe|realtime-whisper)/;
/** Models that take a list of words, and those that take no hint. */
const KEYWORDS_MODEL = /^gpt-(live-)?transcribe/;
const HINTLESS_MODEL = /^gpt-realtime-whisper/;
/** The whole hint: some hundred tokens. */
const HINT = { bytesMax: 1_000 };
const PAUSE_MS = 500;

/** Whether the client ends turns. */
export function endsTurns({ dialect, model }: RealtimeSettings): boolean {
  return dialect !== "vllm" && STREAMING_MODEL.test(model);
}

export function sampleRateOf(dialect: Dialect): 16_000 | 24_000 {
  return dialect === "vllm" ? 16_000 : 24_000;
}

/** The address of a session. OpenAI's own takes no model in it: such an address is of a conversation. */
export function addressOf({ url, model, dialect }: RealtimeSettings, { languageId }: SttOptions): string {
  const address = new URL(url);
  if (address.pathname === "/") address.pathname = "/v1/realtime";
  if (dialect === "vllm") return address.href;
  address.searchParams.set("intent", "transcription");
  if (address.hostname === OPENAI_HOST) return address.href;
  address.searchParams.set("model", model);
  address.searchParams.set("language", languageId);
  return address.href;
}

export function headersOf({ key, dialect }: RealtimeSettings): Record<string, string> {
  return {
    ...key !== undefined && { Authorization: `Bearer ${key}` },
    ...dialect === "beta" && { "OpenAI-Beta": "realtime=v1" },
  };
}

/** The first messages of a session. */
export function configuration(settings: RealtimeSettings, options: SttOptions): readonly object[] {
  const { dialect, model } = settings;
  const transcription = { model, language: options.languageId, ...hintOf(model, options.words) };
  const turn_detection = endsTurns(settings)
    ? null
    : { type: "server_vad", threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: PAUSE_MS };
  switch (dialect) {
    case "openai": {
      const format = { type: "audio/pcm", rate: 24_000 };
      const session = { type: "transcription", audio: { input: { format, transcription, turn_detection } } };
      return [{ type: "session.update", session }];
    }
    case "beta": {
      const session = {
        input_audio_format: "pcm16",
        input_audio_transcription: transcription,
        turn_detection,
      };
      return [{ type: "transcription_session.update", session }];
    }
    case "vllm":
      return [{ type: "session.update", model }, { type: "input_audio_buffer.commit" }];
  }
}

/** The words to expect, the most important first. */
function hintOf(model: string, words: readonly string[] = []): { keywords?: string[]; prompt?: string } {
  const fitting = fittingWords(words, HINT);
  if (fitting.length === 0 || HINTLESS_MODEL.test(model)) return {};
  return KEYWORDS_MODEL.test(model) ? { keywords: fitting } : { prompt: `${fitting.join(", ")}.` };
}

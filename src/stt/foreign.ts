/**
 * Detects a server that speaks another protocol than its provider. Such a server takes audio and answers, so nothing
 * else shows that there will never be a caption. Protocols are distinguished by their messages' members (those of Vosk's,
 * Kyutai's, Deepgram's, OpenAI's and Whisper's servers); only the protocol's name is kept of a message.
 */
import { parseJson, type SttError } from "../domain/mod.ts";
import { sessionFailed } from "./errors.ts";

/** Voice sent before a known protocol fails the session: rules out a single stray message. */
const KNOWN_VOICE_MS = 1_000;
/** Longer for an unknown protocol: its messages may be an extension of ours. */
const UNKNOWN_VOICE_MS = 5_000;
/** Shorter messages are never audio. */
const AUDIO_BYTES_MIN = 1_024;
/** MessagePack: a map of 1 to 15 members, then the text "type" (a string of four bytes). */
const FIXMAP = { first: 0x81, last: 0x8f };
const MESSAGEPACK_TYPE = [0xa4, 0x74, 0x79, 0x70, 0x65];

const DEEPGRAM = new Set(["Metadata", "Results", "SpeechStarted", "UtteranceEnd"]);
const MOSHI = new Set(["Ready", "Step", "Word", "EndWord", "Marker"]);
const REALTIME =
  /^(session|transcription_session|input_audio_buffer|conversation\.item|transcription|response)\./;

/** For one session. */
export class ForeignProtocol {
  /** Protocol of the messages that were not understood. */
  #name: string | undefined;
  #isKnown = false;
  #understood = false;
  #voiceMs = 0;
  #longestSentBytes = 0;

  /** The protocol, if it is a known one. */
  get known(): string | undefined {
    return this.#isKnown ? this.#name : undefined;
  }

  /** A message of the provider's own protocol arrived. */
  understood(): void {
    this.#understood = true;
  }

  /** Another message arrived. */
  received(data: string | Uint8Array): void {
    if (this.#isKnown) return;
    const known = protocolOf(data, this.#longestSentBytes);
    this.#isKnown = known !== undefined;
    this.#name = known ?? (typeof data === "string" ? "text" : "binary");
  }

  sent(audio: { bytes: number; durationMs: number; voiced: boolean }): void {
    this.#longestSentBytes = Math.max(this.#longestSentBytes, audio.bytes);
    if (audio.voiced) this.#voiceMs += audio.durationMs;
  }

  /** The session's failure, once enough voice was sent and no message was understood. */
  failure(): SttError | undefined {
    return this.#voiceMs < (this.#isKnown ? KNOWN_VOICE_MS : UNKNOWN_VOICE_MS) ? undefined : this.suspicion;
  }

  /** The same before that: no message was understood yet. */
  get suspicion(): SttError | undefined {
    if (this.#understood || this.#name === undefined) return undefined;
    const guess = this.#isKnown ? `it looks like ${this.#name}` : `its ${this.#name} messages are not known`;
    return sessionFailed(`the server speaks another protocol, ${guess}`, "stt_foreign", false);
  }
}

function protocolOf(data: string | Uint8Array, longestSentBytes: number): string | undefined {
  if (typeof data !== "string") return binaryProtocolOf(data, longestSentBytes);
  const json = parseJson(data);
  return typeof json === "object" && json !== null ? jsonProtocolOf(json) : undefined;
}

function binaryProtocolOf(data: Uint8Array, longestSentBytes: number): string | undefined {
  const [first, ...next] = data.subarray(0, 1 + MESSAGEPACK_TYPE.length);
  if (
    first >= FIXMAP.first && first <= FIXMAP.last && MESSAGEPACK_TYPE.every((byte, at) => byte === next[at])
  ) {
    return "moshi-server (MessagePack)";
  }
  return data.length >= AUDIO_BYTES_MIN && data.length === longestSentBytes
    ? "an echo of the audio"
    : undefined;
}

type Members = Partial<
  Record<"type" | "text" | "partial" | "result" | "uid" | "segments" | "lines" | "message_type", unknown>
>;

function jsonProtocolOf(json: Members): string | undefined {
  const { type } = json;
  if (typeof type === "string") {
    if (DEEPGRAM.has(type)) return "Deepgram";
    if (MOSHI.has(type)) return "moshi-server";
    if (REALTIME.test(type)) return "OpenAI Realtime";
    return "useAudioWorklet" in json ? "WhisperLiveKit" : undefined;
  }
  if (typeof json.partial === "string" || (typeof json.text === "string" && Array.isArray(json.result))) {
    return "Vosk";
  }
  if ("uid" in json && ("segments" in json || "message" in json || "status" in json)) return "WhisperLive";
  if (Array.isArray(json.lines)) return "WhisperLiveKit";
  return typeof json.message_type === "string" ? "AssemblyAI" : undefined;
}

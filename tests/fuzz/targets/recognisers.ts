/** What recognisers send, and what another server sends in their place. */
import fc from "fast-check";
import { SttError, type SttEvent } from "../../../src/domain/mod.ts";
import type { SttCodec, SttMessage } from "../../../src/stt/codec.ts";
import { DeepgramCodec } from "../../../src/stt/deepgram/codec.ts";
import { ForeignProtocol } from "../../../src/stt/foreign.ts";
import { ModalCodec } from "../../../src/stt/modal/codec.ts";
import { RealtimeCodec } from "../../../src/stt/openai_realtime/codec.ts";
import { DIALECTS } from "../../../src/stt/openai_realtime/dialect.ts";
import { PocketsphinxDecoder } from "../../../src/stt/pocketsphinx/codec.ts";
import { VoskCodec } from "../../../src/stt/vosk/codec.ts";
import { WhisperWsCodec } from "../../../src/stt/whisper_ws/codec.ts";
import { WhisperLiveCodec } from "../../../src/stt/whisperlive/codec.ts";
import { defineTarget } from "../batch.ts";
import { assertQuotesNothing, byteChanges, CANARY, changedBytes, mutatedJson } from "../mutations.ts";

const MODAL = [
  { type: "token", text: " hello" },
  { type: "token", text: "lo" },
  { type: "vad_end" },
  { type: "ping" },
  { type: "error", message: `no free channels ${CANARY}` },
  { text: "hello world", final: false, vad_end: false },
  { text: "hello world, how are", final: true },
  { text: "", vad_end: true },
  { text: "only text" },
  { partial: "vosk" },
  { type: "Results", channel: { alternatives: [{ transcript: CANARY }] } },
  { text: "and", final: false },
  { text: "a", final: false },
];
const WORDS = [
  "hello",
  "hello world",
  " ",
  ",",
  "forty",
  "for",
  "text",
  "final",
  "type",
  "token",
  "日本",
  "\u0301",
  CANARY,
];
/** Of one world, joined: what a recogniser that never ends a turn could say. */
const HYPOTHESIS_CHARS_MAX = 1_000_000;

export const modal = defineTarget({
  name: "modal",
  about: "messages of the Kyutai server: never throws, an event's text is text, errors quote nothing",
  inputs: fc.array(
    fc.oneof(
      { weight: 9, arbitrary: mutatedJson(MODAL, WORDS) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
    ),
    { minLength: 1, maxLength: 12 },
  ),
  open: () => ({
    run(messages) {
      const decoder = new ModalCodec();
      const foreign = new ForeignProtocol();
      for (const message of messages) {
        foreign.sent({ bytes: 40, durationMs: 100, voiced: true });
        const decoded = decoder.receive(message);
        if (decoded.kind === "events") checkEvents(decoded.events);
        else if (decoded.kind === "failed") checkError(decoded.error);
        else if (decoded.kind === "ignored") foreign.received(message);
        const failure = foreign.failure();
        if (failure) checkError(failure);
      }
    },
    close() {},
  }),
});

const DEEPGRAM_RESULT = {
  type: "Results",
  is_final: true,
  speech_final: false,
  start: 0.5,
  duration: 1.25,
  channel: { alternatives: [{ transcript: "hello world" }] },
};
const DEEPGRAM = [
  DEEPGRAM_RESULT,
  { ...DEEPGRAM_RESULT, is_final: false },
  { ...DEEPGRAM_RESULT, speech_final: true },
  { ...DEEPGRAM_RESULT, channel: { alternatives: [{ transcript: "" }] } },
  { type: "UtteranceEnd", last_word_end: 1.5 },
  { type: "Metadata", duration: 4.2 },
  { type: "Error", description: `too many requests ${CANARY}`, variant: "InvalidConfigureMessage" },
];

export const deepgram = defineTarget({
  name: "deepgram",
  about: "messages of /v1/listen: never throws, an event's text is text and bounded, errors quote nothing",
  inputs: fc.array(mutatedJson(DEEPGRAM, WORDS), { minLength: 1, maxLength: 12 }),
  open: () => ({
    run(messages) {
      const codec = new DeepgramCodec("en");
      for (const message of messages) checkMessage(codec.receive(message));
      codec.finish();
      for (const message of messages) checkMessage(codec.receive(message));
      checkEvents(codec.closed());
    },
    close() {},
  }),
});

const TRANSCRIPTION = "conversation.item.input_audio_transcription";
const REALTIME = [
  { type: "session.created", session: { id: "sess_1" } },
  { type: "session.updated", session: {} },
  { type: "input_audio_buffer.speech_started", item_id: "a" },
  { type: "input_audio_buffer.committed", item_id: "b", previous_item_id: "a" },
  { type: `${TRANSCRIPTION}.delta`, item_id: "a", delta: "hello" },
  { type: `${TRANSCRIPTION}.completed`, item_id: "b", transcript: "world" },
  { type: `${TRANSCRIPTION}.failed`, item_id: "a", error: { message: CANARY } },
  { type: "transcription.delta", delta: " hello" },
  { type: "transcription.done", text: " hello" },
  { type: "error", error: { type: "server_error", code: null, message: CANARY } },
  { type: "error", error: `The model ${CANARY} does not exist`, code: "model_not_found" },
];

export const realtime = defineTarget({
  name: "realtime",
  about:
    "messages of OpenAI's Realtime API: never throws, an event's text is text and bounded, errors quote nothing",
  inputs: fc.tuple(
    fc.constantFrom(...DIALECTS),
    fc.array(mutatedJson(REALTIME, [...WORDS, "a", "b", "item_id"]), { minLength: 1, maxLength: 20 }),
  ),
  open: () => ({
    run([dialect, messages]) {
      const codec = new RealtimeCodec({ url: "ws://127.0.0.1", model: "gpt-live", dialect }, {
        languageId: "en",
      });
      codec.start();
      for (const message of messages) checkMessage(codec.receive(message));
      codec.finish();
      for (const message of messages) checkMessage(codec.receive(message));
      checkEvents(codec.closed());
      if (dialect !== "vllm" && codec.closed().length > 0) throw new Error("An item is settled twice");
    },
    close() {},
  }),
});

const VOSK_WORDS = [{ conf: 0.96, start: 0.1, end: 0.5, word: "hello" }];
const VOSK = [
  { success: true },
  { success: false },
  { partial: "" },
  { partial: "hello wor" },
  { text: "the" },
  { result: VOSK_WORDS, text: "hello" },
  { alternatives: [{ confidence: 210.5, result: VOSK_WORDS, text: "hello" }] },
];

/** Answers, and audio of so many ms in between. */
const answersAndAudio = (answers: readonly unknown[]) =>
  fc.array(fc.oneof(mutatedJson(answers, WORDS), fc.nat(400)), { minLength: 1, maxLength: 20 });

/** Throws where more is acknowledged than was sent. */
function runAcknowledging(codec: SttCodec, steps: readonly (string | number)[]): void {
  let sentMs = 0;
  const check = (events: readonly SttEvent[]) => {
    checkEvents(events);
    for (const event of events) {
      if (event.type !== "progress" || event.processedMs >= 0 && event.processedMs <= sentMs) continue;
      throw new Error("More is acknowledged than was sent");
    }
  };
  for (const step of steps) {
    if (typeof step === "number") {
      const sent = codec.encode(new Float32Array(16 * step), step % 2 === 0);
      if (sent instanceof Uint8Array) sentMs += step;
      continue;
    }
    const message = codec.receive(step);
    if (message.kind === "events") check(message.events);
    else checkMessage(message);
  }
  check(codec.closed?.() ?? []);
}

export const vosk = defineTarget({
  name: "vosk",
  about: "answers of Vosk's servers, of any number: never throws, no more is acknowledged than was sent",
  inputs: answersAndAudio(VOSK),
  open: () => ({
    run: (steps) => runAcknowledging(new VoskCodec("en"), steps),
    close() {},
  }),
});

const WHISPER_WORD = { word: " hello", start: 0.1, end: 0.5, probability: 0.9 };
const WHISPER_WS = [
  { text: "", words: [] },
  { text: "hello", words: [WHISPER_WORD] },
  { text: "hello  hello", words: [WHISPER_WORD, { ...WHISPER_WORD, end: 1.5 }] },
  { text: "hello  hello" },
  { text: "hello", result: [] },
];

export const whisperWs = defineTarget({
  name: "whisper-ws",
  about: "messages of Whisper's WebSocket: never throws, no more is acknowledged than was sent",
  inputs: answersAndAudio(WHISPER_WS),
  open: () => ({
    run: (steps) => runAcknowledging(new WhisperWsCodec(), steps),
    close() {},
  }),
});

const SEGMENT = { start: "0.000", end: "4.000", text: " hello world", completed: true };
const WHISPERLIVE = [
  { uid: "u", message: "SERVER_READY", backend: "faster_whisper" },
  { uid: "u", segments: [SEGMENT, { ...SEGMENT, end: "5.250", text: " text", completed: false }] },
  { uid: "u", segments: [SEGMENT, { ...SEGMENT, start: "4.000", end: "5.250" }] },
  { uid: "u", segments: [] },
  { uid: "u", language: "en", language_prob: 0.9 },
  { uid: "u", message: "DISCONNECT" },
  { uid: "u", status: "WAIT", message: 9.5 },
  { uid: "u", status: "ERROR", message: CANARY },
];

export const whisperlive = defineTarget({
  name: "whisperlive",
  about:
    "messages of WhisperLive: never throws, an event's text is text, times are numbers, errors quote nothing",
  inputs: fc.array(mutatedJson(WHISPERLIVE, WORDS), { minLength: 1, maxLength: 12 }),
  open: () => ({
    run(messages) {
      const codec = new WhisperLiveCodec({ languageId: "en", model: "small" });
      for (const message of messages) checkMessage(codec.receive(message));
      codec.finish();
      for (const message of messages) checkMessage(codec.receive(message));
      checkEvents(codec.closed());
    },
    close() {},
  }),
});

const line = (fields: string) => `Got message #7 from element "sphinx" (element): pocketsphinx, ${fields};\n`;
const LINES = [
  line(
    String.raw`timestamp=(guint64)1200000000, final=(boolean)false, hypothesis=(string)"hello\ w\303\266rld"`,
  ),
  line(`timestamp=(guint64)18446744073709551615, final=(boolean)true, hypothesis=(string)yes`),
  line(String.raw`final=(boolean)true, hypothesis=(string)"\\\"\\"`),
  "Setting pipeline to PLAYING ...\n",
].map((text) => new TextEncoder().encode(text));

export const pocketsphinx = defineTarget({
  name: "pocketsphinx",
  about:
    "standard output of gst-launch, in any pieces: never throws, an event's text is text, times are numbers",
  inputs: fc.array(fc.tuple(fc.nat(LINES.length - 1), byteChanges, fc.nat(200)), {
    minLength: 1,
    maxLength: 10,
  }),
  open: () => ({
    run(pieces) {
      const decoder = new PocketsphinxDecoder();
      for (const [index, list, cut] of pieces) {
        const bytes = changedBytes(LINES[index], list);
        const at = cut % (bytes.length + 1);
        checkEvents(decoder.receive(bytes.subarray(0, at)));
        checkEvents(decoder.receive(bytes.subarray(at)));
      }
    },
    close() {},
  }),
});

function checkMessage(message: SttMessage): void {
  if (message.kind === "events") checkEvents(message.events);
  else if (message.kind === "failed") checkError(message.error);
}

function checkEvents(events: readonly SttEvent[]): void {
  for (const event of events) {
    if ("text" in event) {
      if (typeof event.text !== "string") throw new Error("An event's text is none");
      if (event.text.length > HYPOTHESIS_CHARS_MAX) throw new Error("A hypothesis grows without a bound");
    }
    if ("endMs" in event && event.endMs !== undefined && !Number.isFinite(event.endMs)) {
      throw new Error("An event's time is no number");
    }
  }
}

function checkError(error: unknown): void {
  if (!(error instanceof SttError)) throw new Error("An error is of another kind", { cause: error });
  assertQuotesNothing(error.message, "An error");
}

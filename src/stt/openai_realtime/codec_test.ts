import assert from "@std/assert";
import type { SttError } from "../../domain/mod.ts";
import type { SttMessage } from "../codec.ts";
import { toInt16 } from "../pcm.ts";
import { RealtimeCodec } from "./codec.ts";
import type { RealtimeSettings } from "./dialect.ts";

const FRAME = new Float32Array(2_400).fill(0.25); // 100 ms
const TRANSCRIPTION = "conversation.item.input_audio_transcription";

function setup(settings: Partial<RealtimeSettings> = {}, words?: readonly string[]) {
  const codec = new RealtimeCodec(
    { url: "wss://api.openai.com/v1/realtime", model: "gpt-4o-transcribe", dialect: "openai", ...settings },
    { languageId: "de", words },
  );
  const receive = (message: unknown) => codec.receive(JSON.stringify(message));
  return { codec, receive, texts: (message: unknown) => textsOf(receive(message)) };
}

function textsOf(message: SttMessage): string[] {
  assert.equal(message.kind, "events");
  return message.kind === "events"
    ? message.events.map((event) => "text" in event ? `${event.type} ${event.text}` : event.type)
    : [];
}

function errorOf(message: SttMessage): SttError {
  if (message.kind === "failed") return message.error;
  throw new assert.AssertionError({ message: `no failure: ${message.kind}` });
}

const sent = (messages: readonly unknown[]) => messages.map((message) => JSON.parse(String(message)));

Deno.test("The configuration of a transcription session is sent first, and its answer makes it ready", () => {
  const { codec, receive, texts } = setup({}, ["Aki", "Zoë"]);
  assert.deepEqual(sent(codec.start()), [{
    type: "session.update",
    session: {
      type: "transcription",
      audio: {
        input: {
          format: { type: "audio/pcm", rate: 24_000 },
          transcription: { model: "gpt-4o-transcribe", language: "de", prompt: "Aki, Zoë." },
          turn_detection: {
            type: "server_vad",
            threshold: 0.5,
            prefix_padding_ms: 300,
            silence_duration_ms: 500,
          },
        },
      },
    },
  }]);
  assert.deepEqual(texts({ type: "session.created", session: { id: "sess_1" } }), []);
  assert.equal(receive({ type: "session.updated", session: {} }).kind, "ready");
  assert.deepEqual(texts({ type: "session.updated", session: {} }), [], "once");
});

Deno.test("A streaming model gets words as keywords, and its turns from us", () => {
  const { codec } = setup({ model: "gpt-live-transcribe" }, ["Aki"]);
  const [{ session: { audio: { input } } }] = sent(codec.start());
  assert.deepEqual(input.transcription, { model: "gpt-live-transcribe", language: "de", keywords: ["Aki"] });
  assert.equal(input.turn_detection, null);
  for (let at = 0; at < 5; at++) assert.equal(codec.encode(FRAME, true).length, 1);
  for (let at = 0; at < 4; at++) assert.equal(codec.encode(FRAME, false).length, 1);
  const [, commit] = codec.encode(FRAME, false);
  assert.deepEqual(JSON.parse(String(commit)), { type: "input_audio_buffer.commit" });
  assert.deepEqual(codec.finish(), [], "its turn is over");
});

Deno.test("A model that takes no hint gets none, and a hint is bounded", () => {
  const words = Array.from({ length: 200 }, (_, at) => `name-${at}`);
  const [{ session }] = sent(setup({ model: "gpt-realtime-whisper" }, words).codec.start());
  assert.deepEqual(Object.keys(session.audio.input.transcription), ["model", "language"]);
  const [{ session: { audio } }] = sent(setup({ model: "gpt-live-transcribe" }, words).codec.start());
  const { keywords } = audio.input.transcription;
  assert.ok(keywords.length > 80 && keywords.length < 150);
  assert.deepEqual(keywords, words.slice(0, keywords.length));
});

Deno.test("Audio is 16-bit PCM in base64", () => {
  const [append] = setup().codec.encode(Float32Array.of(0, 0.5, -1), true);
  assert.deepEqual(JSON.parse(String(append)), { type: "input_audio_buffer.append", audio: "AAAAQACA" });
});

Deno.test("The beta has other messages", () => {
  const { codec, receive } = setup({ dialect: "beta", model: "whisper-1" });
  const [update] = sent(codec.start());
  assert.equal(update.type, "transcription_session.update");
  assert.deepEqual(update.session.input_audio_transcription, { model: "whisper-1", language: "de" });
  assert.equal(receive({ type: "transcription_session.updated", session: {} }).kind, "ready");
});

Deno.test("Deltas are the hypothesis, transcripts are final, and a transcript that failed is none", () => {
  const { codec, texts } = setup();
  assert.deepEqual(texts({ type: "input_audio_buffer.speech_started", item_id: "a", audio_start_ms: 7 }), []);
  assert.equal(codec.awaitsDone, true);
  assert.deepEqual(texts({ type: `${TRANSCRIPTION}.delta`, item_id: "a", delta: "Guten" }), [
    "partial Guten",
  ]);
  assert.deepEqual(texts({ type: "input_audio_buffer.speech_stopped", item_id: "a" }), []);
  assert.deepEqual(texts({ type: "input_audio_buffer.committed", item_id: "a", previous_item_id: null }), []);
  assert.deepEqual(texts({ type: "conversation.item.created", item: { id: "a" } }), []);
  assert.deepEqual(texts({ type: `${TRANSCRIPTION}.segment`, item_id: "a", text: "x" }), []);
  const completed = { type: `${TRANSCRIPTION}.completed`, item_id: "a", transcript: "Guten Morgen." };
  assert.deepEqual(texts(completed), ["final Guten Morgen."]);
  assert.equal(codec.awaitsDone, false);
  assert.deepEqual(texts({ type: `${TRANSCRIPTION}.failed`, item_id: "b", error: {} }), []);
});

Deno.test("What was not complete when the connection closed is final", () => {
  const { codec, receive } = setup();
  receive({ type: `${TRANSCRIPTION}.delta`, item_id: "a", delta: "Guten" });
  assert.deepEqual(codec.closed(), [{ type: "final", text: "Guten" }]);
});

Deno.test("The last turn of a streaming model is ended at the end, and awaited", () => {
  const { codec, receive } = setup({ model: "gpt-live-transcribe" });
  codec.encode(FRAME, true);
  assert.deepEqual(sent(codec.finish()), [{ type: "input_audio_buffer.commit" }]);
  assert.equal(codec.awaitsDone, true);
  receive({ type: "input_audio_buffer.committed", item_id: "a" });
  assert.equal(codec.awaitsDone, true, "its transcript");
  receive({ type: `${TRANSCRIPTION}.completed`, item_id: "a", transcript: "" });
  assert.equal(codec.awaitsDone, false);
});

Deno.test("A turn that the server had ended already is no error, and is not awaited", () => {
  for (
    const error of [
      { type: "invalid_request_error", code: "input_audio_buffer_commit_empty", message: "" },
      { type: "invalid_request_error", message: "Error committing input audio buffer: the buffer is empty." },
    ]
  ) {
    const { codec, texts } = setup({ model: "gpt-live-transcribe" });
    codec.encode(FRAME, true);
    codec.finish();
    assert.deepEqual(texts({ type: "error", error }), []);
    assert.equal(codec.awaitsDone, false);
  }
});

Deno.test("vLLM: the model, a commit to begin, deltas that are words, and a commit to end", () => {
  const { codec, receive, texts } = setup({ dialect: "vllm", model: "voxtral" });
  assert.deepEqual(sent(codec.start()), [
    { type: "session.update", model: "voxtral" },
    { type: "input_audio_buffer.commit" },
  ]);
  assert.equal(receive({ type: "session.created", id: "sess-1", created: 1 }).kind, "ready");
  assert.deepEqual(texts({ type: "transcription.delta", delta: " Hello" }), ["word  Hello"]);
  assert.deepEqual(texts({ type: "transcription.delta", delta: "" }), []);
  assert.equal(codec.encode(new Float32Array(1_600), true).length, 1);
  assert.deepEqual(sent(codec.finish()), [{ type: "input_audio_buffer.commit", final: true }]);
  assert.equal(receive({ type: "transcription.done", text: " Hello" }).kind, "done");
});

Deno.test("vLLM: a transcription that ends too early ends the session, which may be opened again", () => {
  const error = errorOf(setup({ dialect: "vllm" }).receive({ type: "transcription.done", text: "" }));
  assert.deepEqual([error.code, error.retryable], ["stt_closed", true]);
});

Deno.test("A server of vLLM's dialect is named where another is configured", () => {
  const error = errorOf(setup().receive({ type: "session.created", id: "sess-1", created: 1 }));
  assert.equal(error.code, "stt_foreign");
  assert.match(error.message, /OPENAI_REALTIME_DIALECT/);
});

const ERRORS: [error: unknown, code: string, retryable: boolean][] = [
  [{ type: "invalid_request_error", code: "invalid_api_key" }, "stt_unauthorized", false],
  [{ type: "authentication_error", code: null }, "stt_unauthorized", false],
  [{ type: "rate_limit_error", code: "rate_limit_exceeded" }, "stt_full", true],
  [{ type: "insufficient_quota", code: "insufficient_quota" }, "stt_full", true],
  [{ type: "invalid_request_error", code: "session_expired" }, "stt_closed", true],
  [{ type: "invalid_request_error", code: "model_not_found" }, "stt_refused", false],
  [{ type: "server_error", code: null }, "stt_server", true],
  ["something", "stt_server", true],
  [null, "stt_server", true],
];
for (const [error, code, retryable] of ERRORS) {
  Deno.test(`The error ${JSON.stringify(error)} of an open session is ${code}`, () => {
    const { receive } = setup();
    receive({ type: "session.updated", session: {} });
    const detail = typeof error === "object" && error !== null
      ? { ...error, message: "secret words" }
      : error;
    const failure = errorOf(receive({ type: "error", error: detail }));
    assert.deepEqual([failure.code, failure.retryable], [code, retryable]);
    assert.match(failure.message, /^Cannot continue STT session: /);
    assert.doesNotMatch(failure.message, /secret/);
  });
}

Deno.test("An error before the session is ready is about the configuration", () => {
  const detail = { type: "invalid_request_error", code: "unknown_parameter" };
  const error = errorOf(setup().receive({ type: "error", error: detail }));
  assert.equal(error.code, "stt_refused");
  assert.match(error.message, /^Cannot open STT session: .*OPENAI_REALTIME_MODEL/);
});

Deno.test("vLLM's errors have their code beside the text; fields that speaches does not know are no error", () => {
  const { receive } = setup({ dialect: "vllm" });
  const unknownModel = { type: "error", error: "The model `x` does not exist.", code: "model_not_found" };
  assert.equal(errorOf(receive(unknownModel)).code, "stt_refused");
  const unknown = {
    type: "invalid_request_error",
    message: "Specifying `session.input_audio_format` is not supported.",
  };
  assert.deepEqual(setup().texts({ type: "error", error: unknown }), []);
});

Deno.test("speaches is recognised by its session, and its turns are ended here", () => {
  const { codec, receive, texts } = setup({ model: "tiny.en" });
  codec.start();
  assert.deepEqual(codec.configure(), []);
  const session = { id: "sess_1", input_audio_transcription: { model: "tiny.en" }, turn_detection: {} };
  assert.equal(receive({ type: "session.updated", session }).kind, "ready");
  assert.deepEqual(texts({ type: "session.created", session }), [], "it comes after that");
  const [update] = sent(codec.configure());
  assert.equal(update.session.turn_detection.threshold, 1);
  codec.encode(FRAME, true);
  for (let at = 0; at < 4; at++) assert.equal(codec.encode(FRAME, false).length, 1);
  assert.equal(codec.encode(FRAME, false).length, 2, "with a commit");
  for (let at = 0; at < 50; at++) assert.deepEqual(codec.encode(FRAME, false), [], "silence is not sent");
  const quiet = new Float32Array(2_400).fill(0.5);
  codec.encode(quiet, false);
  const messages = codec.encode(FRAME, true);
  assert.equal(messages.length, 4, "but 300 ms before a voice");
  assert.equal(sent(messages)[2].audio, toInt16(quiet).toBase64(), "in order");
});

Deno.test("A turn that speaches ends twice is shown once", () => {
  const { texts } = setup({ model: "tiny.en" });
  for (const transcript of [["final One."], []]) {
    assert.deepEqual(
      texts({ type: "input_audio_buffer.speech_stopped", item_id: "a", audio_end_ms: 900 }),
      [],
    );
    assert.deepEqual(
      texts({ type: "input_audio_buffer.committed", item_id: "a", previous_item_id: null }),
      [],
    );
    const message = "Error adding item: the item with id 'a' already exists.";
    assert.deepEqual(texts({ type: "error", error: { type: "invalid_request_error", message } }), []);
    assert.deepEqual(
      texts({ type: `${TRANSCRIPTION}.completed`, item_id: "a", transcript: "One." }),
      transcript,
    );
  }
});

Deno.test("What is not of the protocol is ignored, whatever it is", () => {
  const { codec, receive } = setup();
  assert.equal(codec.receive(new Uint8Array([1, 2])).kind, "ignored");
  for (const text of ["", "{", "7", "null", '"x"', "[]"]) {
    assert.equal(codec.receive(text).kind, "ignored", text);
  }
  for (
    const message of [
      {},
      { type: 7 },
      { type: "Results" },
      { type: "transcription.delta" },
      { type: "transcription.done", text: "not vLLM's" },
      { type: `${TRANSCRIPTION}.delta`, item_id: "a" },
      { type: `${TRANSCRIPTION}.delta`, item_id: 7, delta: "x" },
      { type: `${TRANSCRIPTION}.completed`, item_id: "a", transcript: null },
      { type: `${TRANSCRIPTION}.completed`, item_id: "a".repeat(1_000), transcript: "x" },
    ]
  ) {
    assert.equal(receive(message).kind, "ignored", JSON.stringify(message));
  }
  for (
    const type of ["rate_limits.updated", "conversation.item.added", "input_audio_buffer.speech_started"]
  ) {
    assert.deepEqual(receive({ type }), { kind: "events", events: [] });
  }
});

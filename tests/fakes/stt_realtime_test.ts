import assert from "@std/assert";
import { toInt16 } from "../../src/stt/pcm.ts";
import { FakeRealtimeServer, type RealtimeDialect } from "./stt_realtime.ts";
import { toneSpeech } from "./tones.ts";

type Message = Record<string, unknown>;

/** Sends these, and returns the types of the answers, and their texts, up to the last of `count`. */
async function talk(address: string, messages: readonly Message[], count: number): Promise<Message[]> {
  const socket = new WebSocket(address);
  const answers: Message[] = [];
  const enough = Promise.withResolvers<void>();
  const closed = new Promise<void>((resolve) => socket.onclose = () => resolve());
  socket.onmessage = ({ data }) => {
    if (answers.push(JSON.parse(data)) === count) enough.resolve();
  };
  socket.onopen = () => messages.forEach((message) => socket.send(JSON.stringify(message)));
  await Promise.race([enough.promise, closed]);
  socket.close();
  await closed;
  return answers;
}

function appends(words: readonly string[], sampleRateHz: number): Message[] {
  const { samples } = toneSpeech(words, { sampleRateHz });
  const audio = new Float32Array(samples.length + sampleRateHz);
  audio.set(samples);
  const length = sampleRateHz / 10;
  return Array.from({ length: Math.ceil(audio.length / length) }, (_, at) => ({
    type: "input_audio_buffer.append",
    audio: toInt16(audio.slice(at * length, (at + 1) * length)).toBase64(),
  }));
}

const typesOf = (messages: readonly Message[]) => messages.map(({ type }) => String(type).split(".").at(-1));
const PATH = "/v1/realtime";

Deno.test("OpenAI's: configured, it detects a turn and sends its words, then its transcript", async () => {
  await using server = FakeRealtimeServer.start();
  const update = { type: "session.update", session: { type: "transcription", audio: { input: {} } } };
  const answers = await talk(server.url + PATH, [update, ...appends(["red", "river"], 24_000)], 9);
  assert.deepEqual(typesOf(answers), [
    "created",
    "updated",
    "speech_started",
    "delta",
    "delta",
    "speech_stopped",
    "committed",
    "created",
    "completed",
  ]);
  assert.deepEqual([answers[4].delta, answers[8].transcript], [" river", "red river"]);
});

Deno.test("speaches': the model is in the address, and there are no deltas", async () => {
  await using server = FakeRealtimeServer.start({ dialect: "speaches" });
  assert.deepEqual(await talk(server.url + PATH, [], 1), []);
  const answers = await talk(`${server.url}${PATH}?model=tiny`, appends(["red"], 24_000), 6);
  assert.deepEqual(typesOf(answers), [
    "created",
    "speech_started",
    "speech_stopped",
    "committed",
    "created",
    "completed",
  ]);
});

Deno.test("vLLM's: begins and ends when it is told so", async () => {
  await using server = FakeRealtimeServer.start({ dialect: "vllm" });
  const messages = [
    { type: "session.update", model: "voxtral" },
    ...appends(["red", "river"], 16_000),
    { type: "input_audio_buffer.commit" },
    { type: "input_audio_buffer.commit", final: true },
  ];
  const answers = await talk(server.url + PATH, messages, 4);
  assert.deepEqual(answers.map(({ delta, text }) => delta ?? text), [
    undefined,
    "red",
    " river",
    "red river",
  ]);
  assert.equal(answers[0].session, undefined);
});

Deno.test("Items complete in reverse when a test wants it", async () => {
  await using server = FakeRealtimeServer.start({ dialect: "speaches" });
  server.reverses = true;
  const answers = await talk(
    `${server.url}${PATH}?model=tiny`,
    [...appends(["red"], 24_000), ...appends(["river"], 24_000)],
    11,
  );
  const completed = answers.filter(({ type }) => String(type).endsWith("completed"));
  assert.deepEqual(completed.map(({ item_id, transcript }) => [item_id, transcript]), [
    ["item_1", "river"],
    ["item_0", "red"],
  ]);
});

const REFUSED: [dialect: RealtimeDialect, message: Message, code: string][] = [
  ["openai", { type: "transcription_session.update", session: {} }, "invalid_event"],
  ["openai", { type: "input_audio_buffer.commit" }, "input_audio_buffer_commit_empty"],
  ["openai", { type: "hello" }, "unknown_event"],
  ["vllm", { type: "input_audio_buffer.commit" }, "model_not_validated"],
];
for (const [dialect, message, code] of REFUSED) {
  Deno.test(`${dialect}: ${message.type} is refused with ${code}`, async () => {
    await using server = FakeRealtimeServer.start({ dialect });
    const [, answer] = await talk(server.url + PATH, [message], 2);
    assert.match(JSON.stringify(answer), new RegExp(code));
  });
}

Deno.test("A full server says so, and one with a key refuses others", async () => {
  await using full = FakeRealtimeServer.start({ sessions: 0 });
  assert.match(JSON.stringify(await talk(full.url + PATH, [], 1)), /rate_limit_exceeded/);
  await using locked = FakeRealtimeServer.start({ key: "key" });
  assert.deepEqual(await talk(locked.url + PATH, [], 1), []);
  assert.deepEqual(locked.sessions, []);
});

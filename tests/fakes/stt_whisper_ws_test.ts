import assert from "@std/assert";
import { toInt16 } from "../../src/stt/pcm.ts";
import { padded, type Speech } from "./speech.ts";
import { type FakeWhisperWsOptions, FakeWhisperWsServer } from "./stt_whisper_ws.ts";
import { toneSpeech } from "./tones.ts";

const RATE_HZ = 16_000;

interface Message {
  text: string;
  words?: { word: string; start: number; end: number }[];
}

/** Everything the server sends for this audio, until it closes. */
async function exchange(options: FakeWhisperWsOptions, { samples }: Speech, format = "verbose_json") {
  await using server = FakeWhisperWsServer.start({ noDataMs: 100, ...options });
  const url = `${server.url.replace("http", "ws")}/v1/audio/transcriptions?response_format=${format}`;
  const socket = new WebSocket(url);
  const messages: Message[] = [];
  socket.onmessage = ({ data }) => messages.push(JSON.parse(data));
  const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
  await new Promise<void>((resolve) => socket.onopen = () => resolve());
  for (let at = 0; at < samples.length; at += RATE_HZ / 10) {
    socket.send(toInt16(samples.subarray(at, at + RATE_HZ / 10)));
  }
  const { code } = await closed;
  return { messages, code, connections: server.connections };
}

Deno.test("Confirmed words grow, and the last come when there is no more audio; then it closes", async () => {
  const words = ["red", "river", "train", "paper", "seven", "music"];
  const { messages, code, connections } = await exchange({}, toneSpeech(words, { sampleRateHz: RATE_HZ }));
  const counts = messages.map(({ words = [] }) => words.length);
  assert.deepEqual(counts, counts.toSorted((a, b) => a - b));
  assert.ok(counts.length > 1 && counts[0] < words.length, `${counts}`);
  assert.equal(
    messages.at(-1)?.text,
    words.join("  "),
    "each word brings a space, and a space is between two",
  );
  assert.ok(messages.at(-1)?.words?.every(({ word, start, end }) => /^ \w+$/.test(word) && start < end));
  assert.equal(code, 1000);
  assert.deepEqual(connections[0].query, { response_format: "verbose_json" });
});

Deno.test("Without speech for two and a half seconds it stops reading, and closes with what it has", async () => {
  const speech = padded(toneSpeech(["red", "river"], { sampleRateHz: RATE_HZ }), 2_000, 3_000);
  const late = toneSpeech(["paper"], { sampleRateHz: RATE_HZ });
  const samples = Float32Array.of(...speech.samples, ...late.samples);
  const { messages, connections: [{ readMs, unreadMs }] } = await exchange(
    { transcriptionMs: 50 },
    { samples, sampleRateHz: RATE_HZ },
  );
  assert.equal(messages.at(-1)?.text, "red  river");
  assert.ok(readMs < samples.length / 16 && unreadMs > 0, `${readMs} read, ${unreadMs} not`);
});

Deno.test("By default it sends the text alone, which is empty for silence", async () => {
  const { messages } = await exchange(
    {},
    { samples: new Float32Array(RATE_HZ), sampleRateHz: RATE_HZ },
    "json",
  );
  assert.deepEqual(messages, [{ text: "" }]);
});

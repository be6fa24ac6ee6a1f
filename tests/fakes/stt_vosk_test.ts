import assert from "@std/assert";
import { toInt16 } from "../../src/stt/pcm.ts";
import { type FakeVoskOptions, FakeVoskServer } from "./stt_vosk.ts";
import { toneSpeech } from "./tones.ts";

const EOF = '{"eof" : 1}';

/** Everything the server sends for these messages, until it closes. */
async function exchange(options: FakeVoskOptions, messages: readonly (string | Uint8Array<ArrayBuffer>)[]) {
  await using server = FakeVoskServer.start(options);
  const socket = new WebSocket(server.url);
  const answers: Record<string, unknown>[] = [];
  socket.onmessage = ({ data }) => answers.push(JSON.parse(data));
  const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
  await new Promise<void>((resolve) => socket.onopen = () => resolve());
  for (const message of messages) socket.send(message);
  const { code } = await closed;
  return { answers, code };
}

/** 100 ms each. */
function chunks(samples: Float32Array, rateHz: number): Uint8Array<ArrayBuffer>[] {
  const length = rateHz / 10;
  return Array.from(
    { length: Math.ceil(samples.length / length) },
    (_, at) => toInt16(samples.subarray(at * length, (at + 1) * length)),
  );
}

const speech = (rateHz: number) => toneSpeech(["red", "river"], { sampleRateHz: rateHz }).samples;
const config = (fields: object) => JSON.stringify({ config: fields });

Deno.test("Nextcloud's server says whether it has a model, answers each message once, and closes after eof", async () => {
  const audio = chunks(speech(48_000), 48_000);
  const messages = [config({ sample_rate: 48_000, language: "de" }), ...audio, EOF];
  const { answers: [success, ...answers], code } = await exchange({ languages: ["de"] }, messages);
  assert.deepEqual(success, { success: true });
  assert.equal(answers.length, audio.length + 1);
  assert.ok(answers.slice(0, -1).every(({ partial }) => typeof partial === "string"));
  assert.equal(answers.at(-1)?.text, "red river");
  assert.equal(code, 1000);
  const refused = await exchange({ languages: ["de"] }, [
    config({ sample_rate: 48_000, language: "fr" }),
    EOF,
  ]);
  assert.deepEqual(refused.answers[0], { success: false });
});

Deno.test("The stock server does not answer the configuration, and settles an utterance after a pause", async () => {
  const pause = new Float32Array(16_000);
  const samples = Float32Array.of(...speech(16_000), ...pause, ...speech(16_000));
  const messages = [config({ sample_rate: 16_000, language: "xx" }), ...chunks(samples, 16_000), EOF];
  const { answers } = await exchange({ dialect: "stock" }, messages);
  const finals = answers.filter(({ text }) => text !== undefined && text !== "");
  assert.deepEqual(finals.map(({ text }) => text), ["red river", "red river"]);
  const result = finals[0].result as { word: string; start: number; end: number }[];
  assert.deepEqual(result.map(({ word }) => word), ["red", "river"]);
  assert.ok(result.every(({ start, end }) => start < end && end < 1));
});

Deno.test("In silence it recognises nothing, or what it is told to", async () => {
  const silence = chunks(new Float32Array(16_000), 16_000);
  const messages = [config({ sample_rate: 16_000 }), ...silence, EOF];
  const { answers } = await exchange({ dialect: "stock" }, messages);
  assert.ok(answers.every(({ partial, text }) => (partial ?? text) === ""));
  const the = await exchange({ dialect: "stock", recognisedInSilence: "the" }, messages);
  assert.ok(the.answers.every(({ partial, text }) => (partial ?? text) === "the"));
});

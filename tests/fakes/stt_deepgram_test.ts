import assert from "@std/assert";
import { toInt16 } from "../../src/stt/pcm.ts";
import { type FakeDeepgramOptions, FakeDeepgramServer } from "./stt_deepgram.ts";
import { toneSpeech } from "./tones.ts";

const QUERY = "?encoding=linear16&sample_rate=16000&channels=1&interim_results=true&endpointing=300" +
  "&utterance_end_ms=1000";

interface Message {
  type: string;
  is_final?: boolean;
  speech_final?: boolean;
  start?: number;
  duration?: number;
  channel?: { alternatives: [{ transcript: string }] };
  last_word_end?: number;
}

/** Deno's native client, so that the fake's framing is held against another's. */
async function connect(server: FakeDeepgramServer, query = QUERY, headers: Record<string, string> = {}) {
  const socket = new WebSocket(`${server.url}/v1/listen${query}`, { headers });
  const messages: Message[] = [];
  const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
  socket.addEventListener("message", ({ data }) => messages.push(JSON.parse(data)));
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error("not opened")));
  });
  return {
    socket,
    messages,
    closed,
    say(words: readonly string[], silenceMs = 0) {
      const { samples } = toneSpeech(words);
      const chunks = [...samples, ...new Float32Array(16 * silenceMs)];
      for (let at = 0; at < chunks.length; at += 1_600) {
        socket.send(toInt16(Float32Array.from(chunks.slice(at, at + 1_600))));
      }
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await closed;
    },
  };
}

async function conversation(options: FakeDeepgramOptions, words: readonly string[], silenceMs: number) {
  await using server = FakeDeepgramServer.start(options);
  const client = await connect(server);
  client.say(words, silenceMs);
  client.socket.send('{"type":"CloseStream"}');
  const { code } = await client.closed;
  return { code, messages: client.messages };
}

/** `I` interim, `F` final piece, `E` final that ends the utterance; the type of all others. */
function summary(messages: readonly Message[]): string[] {
  return messages.map(({ type, is_final, speech_final, channel }) => {
    if (type !== "Results") return type;
    return `${speech_final ? "E" : is_final ? "F" : "I"} ${channel?.alternatives[0].transcript}`.trim();
  });
}

Deno.test("Words are interim, then a piece of the utterance; a pause ends it; CloseStream closes with the rest", async () => {
  const { code, messages } = await conversation({ server: "whisperlivekit" }, [
    "red",
    "river",
    "train",
    "north",
  ], 1_200);
  assert.deepEqual(summary(messages), [
    "Metadata",
    "I red",
    "I red river",
    "I red river train",
    "F red river train",
    "I north",
    "E north",
    "UtteranceEnd",
    "Metadata",
  ]);
  assert.equal(code, 1000);
});

Deno.test("Deepgram sends empty results in silence and no Metadata at the start; results follow each other", async () => {
  const { messages } = await conversation({}, ["red"], 3_000);
  assert.deepEqual(summary(messages), ["I red", "E red", "UtteranceEnd", "I", "I", "Metadata"]);
  let endS = 0;
  for (const { is_final, start, duration } of messages) {
    if (start === undefined || duration === undefined) continue;
    assert.equal(start, endS);
    if (is_final) endS = start + duration;
  }
});

Deno.test("What no pause ended is settled by CloseStream, and by Deepgram's Finalize", async () => {
  assert.deepEqual(summary((await conversation({}, ["red", "red"], 0)).messages).slice(-2), [
    "F red red",
    "Metadata",
  ]);
  await using server = FakeDeepgramServer.start();
  const client = await connect(server);
  client.say(["red"]);
  client.socket.send('{"type":"Finalize"}');
  client.socket.send('{"type":"CloseStream"}');
  await client.closed;
  assert.deepEqual(summary(client.messages), ["I red", "F red", "Metadata"]);
  assert.deepEqual(server.connections[0].controls, ["Finalize", "CloseStream"]);
});

Deno.test("An empty message, an unsupported format and WhisperLiveKit's Finalize end the session", async () => {
  const end = async (
    options: FakeDeepgramOptions,
    message: string | Uint8Array<ArrayBuffer>,
    query?: string,
  ) => {
    await using server = FakeDeepgramServer.start(options);
    const client = await connect(server, query);
    client.socket.send(message);
    const { code } = await client.closed;
    return [code, client.messages.at(-1)?.type];
  };
  const wlk = { server: "whisperlivekit" } as const;
  assert.deepEqual(await end({}, new Uint8Array(0)), [1011, undefined]);
  assert.deepEqual(await end(wlk, new Uint8Array(0)), [4400, "Error"]);
  assert.deepEqual(await end(wlk, '{"type":"Finalize"}'), [4400, "Error"]);
  assert.deepEqual(await end(wlk, "{}", QUERY.replace("16000", "48000")), [4400, "Error"]);
});

Deno.test("Wrong credentials, another path and a refusing server open nothing", async () => {
  await using server = FakeDeepgramServer.start({ key: "k" });
  await assert.rejects(connect(server));
  await assert.rejects(connect(server, QUERY, { Authorization: "Token x" }));
  await assert.rejects(connect(server, "/elsewhere", { Authorization: "Token k" }));
  await using _client = await connect(server, QUERY, { Authorization: "Token k" });
  assert.equal(server.connections.length, 1);
  await using full = FakeDeepgramServer.start({ status: 429 });
  await assert.rejects(connect(full));
});

Deno.test("Dropped connections end unclean", async () => {
  await using server = FakeDeepgramServer.start();
  const client = await connect(server);
  assert.equal(server.live, 1);
  server.dropConnections();
  assert.equal((await client.closed).wasClean, false);
  assert.equal(server.live, 0);
});

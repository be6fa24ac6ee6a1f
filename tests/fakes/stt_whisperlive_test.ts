import assert from "@std/assert";
import { FakeWhisperLiveServer, GUESS } from "./stt_whisperlive.ts";
import { toneSpeech } from "./tones.ts";

interface Message {
  message?: string;
  status?: string;
  segments?: { start: string; end: string; text: string; completed: boolean }[];
}

const CONFIGURATION = { uid: "u", language: "en", task: "transcribe", model: "small" };

/** Deno's native client, so that the fake's framing is held against another's. */
async function connect(server: FakeWhisperLiveServer, configuration: unknown = CONFIGURATION) {
  const socket = new WebSocket(server.url);
  const messages: Message[] = [];
  const watchers = new Set<() => void>();
  const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
  socket.addEventListener("message", ({ data }) => {
    messages.push(JSON.parse(data));
    for (const watch of watchers) watch();
  });
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error("not opened")));
  });
  socket.send(JSON.stringify(configuration));
  return {
    socket,
    messages,
    closed,
    say(words: readonly string[], silenceMs = 0) {
      const samples = Float32Array.from([...toneSpeech(words).samples, ...new Float32Array(16 * silenceMs)]);
      for (let at = 0; at < samples.length; at += 1_600) socket.send(samples.slice(at, at + 1_600));
    },
    /** The first message that matches, also of those to come. */
    async until(matches: (message: Message) => boolean): Promise<Message> {
      const found = Promise.withResolvers<Message>();
      const watch = () => {
        const message = messages.find(matches);
        if (message) found.resolve(message);
      };
      const late = setTimeout(() => found.reject(new Error("no such message within 5 s")), 5_000);
      watchers.add(watch);
      watch();
      try {
        return await found.promise;
      } finally {
        clearTimeout(late);
        watchers.delete(watch);
      }
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await closed;
    },
  };
}

const texts = ({ segments = [] }: Message) => segments.map(({ text, completed }) => [text, completed]);

Deno.test("A segment stands until another follows or it was repeated ten times, and is repeated then", async () => {
  await using server = FakeWhisperLiveServer.start();
  await using client = await connect(server);
  await client.until(({ message }) => message === "SERVER_READY");
  client.say(["red", "river"], 700);
  client.say(["train"], 1_000);
  const { segments } = await client.until(({ segments = [] }) =>
    segments.length === 2 && segments[1].completed
  );
  assert.deepEqual(segments?.map(({ text }) => text), [" red river", " train"]);
  const standing = client.messages.filter((message) => texts(message).at(-1)?.[1] === false).map(texts);
  assert.ok(standing.length > 10, `${standing.length} repetitions`);
  assert.deepEqual(standing.at(-1), [[" red river", true], [" train", false]]);
});

Deno.test("A tone that lasts is guessed, and the guess vanishes: the text shrinks", async () => {
  await using server = FakeWhisperLiveServer.start();
  await using client = await connect(server);
  const { samples } = toneSpeech(["red", "river", "train", "north"]);
  client.socket.send(samples.slice(0, 16 * 1_080)); // the beginning of "north"
  await client.until((message) => texts(message).at(-1)?.[0] === ` red river train ${GUESS}`);
  client.socket.send(new Float32Array(1_600));
  await client.until((message) => texts(message).at(-1)?.[0] === " red river train");
});

Deno.test("END_OF_AUDIO closes at once, without completing what stands", async () => {
  await using server = FakeWhisperLiveServer.start();
  const client = await connect(server);
  client.say(["red"], 1_000);
  client.socket.send(new TextEncoder().encode("END_OF_AUDIO"));
  assert.equal((await client.closed).code, 1000);
  assert.ok(client.messages.every(({ segments = [] }) => segments.every(({ completed }) => !completed)));
});

Deno.test("One client too many waits; a long session is disconnected; a half configuration is refused", async () => {
  await using server = FakeWhisperLiveServer.start({ clients: 1, sessionMs: 150 });
  const first = await connect(server);
  await first.until(({ message }) => message === "SERVER_READY");
  const second = await connect(server);
  assert.equal((await second.closed).code, 1000);
  assert.deepEqual(second.messages, [{ uid: "u", status: "WAIT", message: 9.5 }]);
  assert.equal((await first.closed).code, 1000);
  assert.equal(first.messages.at(-1)?.message, "DISCONNECT");
  const half = await connect(server, { uid: "u" });
  assert.equal((await half.closed).code, 1011);
  assert.deepEqual(server.configurations, [CONFIGURATION]);
});

Deno.test("A wrong key opens nothing, and dropped connections end unclean", async () => {
  await using locked = FakeWhisperLiveServer.start({ key: "k" });
  await assert.rejects(connect(locked));
  await using server = FakeWhisperLiveServer.start();
  const client = await connect(server);
  await client.until(({ message }) => message === "SERVER_READY");
  assert.equal(server.live, 1);
  server.dropConnections();
  assert.equal((await client.closed).wasClean, false);
});

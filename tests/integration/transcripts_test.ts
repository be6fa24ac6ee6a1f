/** Transcripts of the whole service: of a call on the fakes and of a voice session, as others read them. */
import assert from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import webvttParser from "webvtt-parser";
import { padded } from "../fakes/speech.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { startVoice } from "./voice_world.ts";
import {
  baseUrl,
  callOf,
  eventually,
  finalText,
  isFinal,
  PHRASE,
  say,
  startWorld,
  type World,
} from "./world.ts";

/** Few of them are names of anything else. */
const SAID = ["garden", "weather", "evening"];

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tiro-transcripts-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface Kept {
  world: World;
  /** Of the transcripts; the path begins with a slash. */
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  ids(): Promise<string[]>;
}

async function withTranscripts(
  folder: string,
  environment: Record<string, string>,
  test: (kept: Kept) => Promise<void>,
): Promise<void> {
  await using world = await startWorld({
    environment: { TRANSCRIPTS: "on", TIRO_DATA_DIR: folder, ...environment },
  });
  const get = (path: string, headers = {}) =>
    fetch(`${baseUrl(world.service)}/api/v1/transcripts${path}`, { headers });
  const ids = async () => {
    const { transcripts }: { transcripts: { id: string }[] } = await (await get("")).json();
    return transcripts.map(({ id }) => id);
  };
  await test({ world, get, ids });
}

/** Names of the folder's files that have these words in them. */
async function filesWith(folder: string, words: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (!isFile) continue;
    const text = new TextDecoder("latin1").decode(await Deno.readFile(`${folder}/${name}`));
    if (words.some((word) => text.includes(word))) found.push(name);
  }
  return found;
}

/** Whether the database has a final of this text. */
function hasCue(folder: string, text: string): boolean {
  const database = new DatabaseSync(`${folder}/tiro.db`, { readOnly: true });
  try {
    return database.prepare("SELECT 1 FROM cues WHERE text = ?").get(text) !== undefined;
  } finally {
    database.close();
  }
}

interface Event {
  event: string;
  id?: string;
  data: Record<string, unknown>;
}

/** A reader of live events. */
class LiveReader implements AsyncDisposable {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(response: Response) {
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
    this.#reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The first event that holds, with those before. */
  async until(holds: (event: Event) => boolean): Promise<Event[]> {
    const events: Event[] = [];
    while (true) {
      for (let at = this.#text.indexOf("\n\n"); at >= 0; at = this.#text.indexOf("\n\n")) {
        const fields = Object.fromEntries(
          this.#text.slice(0, at).split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2)),
        );
        this.#text = this.#text.slice(at + 2);
        if (fields.event === undefined) continue;
        events.push({ ...fields, data: JSON.parse(fields.data) });
        if (holds(events.at(-1)!)) return events;
      }
      const { value, done } = await this.#reader.read();
      if (done) assert.fail(`the events ended: ${Deno.inspect(events)}`);
      this.#text += value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
  }
}

const cueText = (words: readonly string[]) => ({ event, data }: Event) =>
  event === "cue" && String(data.text).endsWith(words.at(-1)!);

Deno.test("A call's transcript has what was said, by whom and when, and the W3C's parser reads it", () =>
  inFolder((folder) =>
    withTranscripts(folder, {}, async ({ world, get, ids }) => {
      world.hpb.nextcloud.displayNames.set("ada.l", "Ada <v Lovelace> --> & co");
      const call = await world.hpb.startCall();
      await using _call = call;
      const listener = await call.addListener();
      await world.enable(call.roomToken, listener);
      const [ada, guest] = [await call.addSpeaker("ada.l"), await call.addSpeaker()];
      await world.heard(2);
      const beganMs = Date.now();
      await say(ada, SAID);
      await listener.until(isFinal(SAID), 10_000);
      await say(guest, PHRASE);
      await listener.until(isFinal(PHRASE), 10_000);
      const [id] = await ids();
      const { startedAtMs, cues } = await (await get(`/${id}`)).json();
      const text = (speaker: string) =>
        cues.filter(({ speakerId }: { speakerId: string }) => speakerId === speaker)
          .map(({ text }: { text: string }) => text).join(" ");
      assert.deepEqual([text("1"), text("2")], [SAID.join(" "), PHRASE.join(" ")]);
      assert.equal(cues[0].speakerName, "Ada <v Lovelace> --> & co");
      assert.equal(cues.at(-1).speakerName, undefined, "a guest without a name");
      const spokenMs = startedAtMs + cues[0].endMs - beganMs;
      assert.ok(spokenMs > 0 && spokenMs < 6_000, `ended ${spokenMs} ms after the first word began`);
      assert.ok(cues.at(-1).startMs > cues[0].endMs, "one after the other");
      const file = await (await get(`/${id}.vtt`)).text();
      const parsed = new webvttParser.WebVTTParser().parse(file, "subtitles");
      assert.deepEqual(parsed.errors, []);
      assert.equal(parsed.cues.length, cues.length);
      for (const secret of [call.roomToken, ada.sessionId, guest.sessionId]) {
        assert.ok(!file.includes(secret) && !JSON.stringify(cues).includes(secret));
      }
      assert.match(await (await get(`/${id}.txt`)).text(), /^\[00:00:0\d\] Ada <v Lovelace>/);
      assert.match(await (await get(`/${id}`, { accept: "application/x-subrip" })).text(), /^1\n00:00:0/);
    })
  ));

Deno.test("A late joiner reads the last minutes and goes on live, as the captions come", () =>
  inFolder((folder) =>
    withTranscripts(folder, {}, async ({ world, get, ids }) => {
      const { call, listener, speaker } = await callOf(world);
      await using _call = call;
      await say(speaker, SAID);
      await listener.until(isFinal(SAID), 10_000);
      const [id] = await ids();
      await using reader = new LiveReader(await get(`/${id}/events`));
      const before = await reader.until(cueText(SAID));
      assert.deepEqual(before.map(({ event }) => event).slice(0, 2), ["transcript", "cue"]);
      const saying = say(speaker, PHRASE);
      const after = reader.until(cueText(PHRASE)).then((events) => ({ events, atMs: performance.now() }));
      const final = await listener.until(isFinal(PHRASE), 10_000);
      const { events, atMs } = await after;
      await saying;
      assert.ok(events.some(({ event }) => event === "partial"), "partials too");
      // Some milliseconds on a quiet machine.
      assert.ok(atMs - final.atMs < 2_000, `${atMs - final.atMs} ms after the listener`);
      const last = Number(events.at(-1)?.id);
      await using resumed = new LiveReader(
        await get(`/${id}/events`, { "last-event-id": String(last - 1) }),
      );
      assert.equal((await resumed.until(({ event }) => event === "cue")).at(-1)?.id, String(last));
    })
  ));

Deno.test("A deleted transcript is gone from memory, from readers and from every byte of the database", () =>
  inFolder((folder) =>
    withTranscripts(folder, {}, async ({ world, get, ids }) => {
      const { call, listener, speaker } = await callOf(world);
      await using _call = call;
      await say(speaker, SAID);
      await listener.until(isFinal(SAID), 10_000);
      const [id] = await ids();
      assert.notDeepEqual(await filesWith(folder, SAID), [], "it was there");
      await using reader = new LiveReader(await get(`/${id}/events`));
      const url = `${baseUrl(world.service)}/api/v1/transcripts/${id}`;
      assert.equal((await (await fetch(url, { method: "DELETE" })).json()).message, "Transcript deleted");
      const [end] = (await reader.until(({ event }) => event === "end")).slice(-1);
      assert.deepEqual(end.data, { reason: "deleted" });
      const gone = await get(`/${id}.vtt`);
      assert.equal(gone.status, 404, await gone.text());
      await say(speaker, PHRASE);
      await listener.until(isFinal(PHRASE), 10_000);
      assert.deepEqual(await ids(), [], "the rest of the call is not kept");
      assert.deepEqual(await filesWith(folder, [...SAID, call.roomToken]), []);
    })
  ));

Deno.test("Transcripts outlive the service, and retention deletes every byte of those that are too old", () =>
  inFolder(async (folder) => {
    await withTranscripts(folder, {}, async ({ world }) => {
      const { call, listener, speaker } = await callOf(world);
      await say(speaker, SAID);
      await listener.until(isFinal(SAID), 10_000);
      await call[Symbol.asyncDispose]();
    });
    await withTranscripts(folder, {}, async ({ get, ids }) => {
      const [id] = await ids();
      const { endedAtMs, cues } = await (await get(`/${id}`)).json();
      assert.ok(endedAtMs <= Date.now());
      assert.equal(cues.map(({ text }: { text: string }) => text).join(" "), SAID.join(" "));
    });
    assert.notDeepEqual(await filesWith(folder, SAID), []);
    const database = new DatabaseSync(`${folder}/tiro.db`);
    const days = 31 * 24 * 60 * 60_000;
    database.exec(`UPDATE transcripts SET ended_at_ms = ended_at_ms - ${days}`);
    database.close();
    await withTranscripts(folder, { TRANSCRIPT_DAYS: "30" }, async ({ ids }) => {
      await eventually("nothing is left", async () => (await ids()).length === 0);
    });
    assert.deepEqual(await filesWith(folder, SAID), []);
  }));

Deno.test("On request, a call is kept from the request on", () =>
  inFolder((folder) =>
    withTranscripts(folder, { TRANSCRIPTS: "request" }, async ({ world, get, ids }) => {
      const { call, listener, speaker } = await callOf(world);
      await using _call = call;
      await say(speaker, SAID);
      await listener.until(isFinal(SAID), 10_000);
      assert.deepEqual(await ids(), []);
      const unknown = await world.post("/api/v1/transcripts", { roomToken: "none" });
      assert.equal(unknown.status, 404, await unknown.text());
      const { id } = await (await world.post("/api/v1/transcripts", { roomToken: call.roomToken })).json();
      await say(speaker, PHRASE);
      await listener.until(isFinal(PHRASE), 10_000);
      const file = await (await get(`/${id}.txt`)).text();
      assert.match(file, new RegExp(PHRASE.at(-1)!));
      assert.doesNotMatch(file, new RegExp(SAID.join("|")));
      assert.deepEqual(await filesWith(folder, SAID), []);
      const { url } = await (await world.post(`/api/v1/transcripts/${id}/links`, { hours: 1 })).json();
      const page = await fetch(`${baseUrl(world.service)}/${url}`);
      assert.equal(page.status, 200);
      const another = await fetch(`${baseUrl(world.service)}/captions/another`);
      assert.equal(await page.text(), await another.text(), "the page has no words of its own");
      const key = String(url).split("#key=")[1];
      const read = await get(`/${id}.txt`, { authorization: `Bearer ${key}` });
      assert.equal(await read.text(), file);
      const other = await get(`/${"A".repeat(22)}`, { authorization: `Bearer ${key}` });
      assert.equal(other.status, 404, await other.text());
    })
  ));

Deno.test("While the database is locked captions and live readers go on, /healthz says so, and nothing is lost", () =>
  inFolder((folder) =>
    withTranscripts(folder, {}, async ({ world, get, ids }) => {
      const { call, listener, speaker } = await callOf(world);
      await using _call = call;
      await say(speaker, SAID);
      await listener.until(isFinal(SAID), 10_000);
      const [id] = await ids();
      await using reader = new LiveReader(await get(`/${id}/events`));
      await reader.until(cueText(SAID));
      const database = new DatabaseSync(`${folder}/tiro.db`);
      try {
        database.exec("BEGIN IMMEDIATE");
        await say(speaker, PHRASE);
        await listener.until(isFinal(PHRASE), 10_000);
        await reader.until(cueText(PHRASE));
        assert.match(await (await get(`/${id}.txt`)).text(), new RegExp(PHRASE.join(" ")), "from memory");
        await eventually("/healthz says so", async () => {
          const health = await fetch(`${baseUrl(world.service)}/healthz`);
          await health.body?.cancel();
          return health.headers.get("x-tiro-degraded")?.includes("records_delayed") ?? false;
        }, 20_000);
      } finally {
        database.close();
      }
      await eventually("it is written", () => hasCue(folder, PHRASE.join(" ")), 20_000);
    })
  ));

Deno.test("Where transcripts are off, no file is made and nothing can be read", () =>
  inFolder((folder) =>
    withTranscripts(folder, { TRANSCRIPTS: "off" }, async ({ world, get }) => {
      const { call, listener, speaker } = await callOf(world);
      await using _call = call;
      await say(speaker, SAID);
      await listener.until(isFinal(SAID), 10_000);
      const list = await get("");
      assert.equal(list.status, 403, await list.text());
      const asked = await world.post("/api/v1/transcripts", { roomToken: call.roomToken });
      assert.equal(asked.status, 403, await asked.text());
      assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
      assert.equal(finalText(listener.transcripts), SAID.join(" "));
    })
  ));

Deno.test("A call that is joined anew after an outage goes on in the same transcript", () =>
  inFolder((folder) =>
    withTranscripts(folder, {}, async ({ world, get, ids }) => {
      const { call, listener, speaker } = await callOf(world);
      await using _call = call;
      await say(speaker, SAID);
      await listener.until(isFinal(SAID), 10_000);
      const [id] = await ids();
      await world.hpb.dropConnections({ resumable: false });
      await world.heard(1);
      await eventually("captions come back", async () => {
        await say(speaker, PHRASE);
        return finalText(listener.transcripts).includes(PHRASE.at(-1)!);
      }, 30_000);
      assert.deepEqual(await ids(), [id]);
      assert.match(await (await get(`/${id}.txt`)).text(), new RegExp(`${SAID[0]}[^]*${PHRASE.at(-1)}`));
    })
  ));

Deno.test("A voice session's transcript is its user's, and its link is the client's", () =>
  inFolder(async (folder) => {
    await using world = await startVoice({ TRANSCRIPTS: "request", TIRO_DATA_DIR: folder });
    const token = await world.issuer.token({ user_id: "u-7", opco_id: "school" });
    await using client = await world.connect({ token });
    client.control({ type: "start", transcript: true });
    await client.ready();
    await client.say(padded(toneSpeech(PHRASE), 300, 300));
    client.control({ type: "stop" });
    await client.closed();
    const ready = client.messages.find(({ type }) => type === "ready");
    const { id, key } = Object(ready).transcript;
    const read = async (bearer: string, path = `/${id}.txt`) => {
      const response = await fetch(`${world.base}/api/v1/transcripts${path}`, {
        headers: { authorization: `Bearer ${bearer}` },
      });
      return [response.status, await response.text()] as const;
    };
    const other = await world.issuer.token({ user_id: "u-8", opco_id: "school" });
    const elsewhere = await world.issuer.token({ user_id: "u-7", opco_id: "office" });
    const [status, file] = await read(token);
    assert.equal(status, 200);
    assert.match(file, new RegExp(`: ${PHRASE.join(" ")}\n$`));
    assert.deepEqual(await read(key), [200, file], "by the key of the link");
    assert.equal((await read(other))[0], 404);
    assert.equal((await read(elsewhere))[0], 404);
    const frontEnd = await world.get(`/api/v1/transcripts/${id}`);
    assert.equal(frontEnd.status, 404, await frontEnd.text());
    assert.match((await read(token, ""))[1], new RegExp(id));
    assert.doesNotMatch((await read(other, ""))[1], new RegExp(id));
    await using silent = await world.connect({ token });
    silent.control({ type: "start" });
    await silent.ready();
    assert.equal(Object(silent.messages.find(({ type }) => type === "ready")).transcript, undefined);
  }));

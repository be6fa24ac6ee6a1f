import assert from "@std/assert";
import { settle } from "../../../tests/fakes/clock.ts";
import { STARTED_AT_MS } from "../testing_test.ts";
import { Api, principal } from "./testing_test.ts";

/** Reads events until one of this type has come. */
async function eventsUntil(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  type: string,
): Promise<Record<string, string>[]> {
  const events: Record<string, string>[] = [];
  const decoder = new TextDecoder();
  for (let text = "";;) {
    const { value, done } = await reader.read();
    if (done) assert.fail(`ended before "${type}"`);
    text += decoder.decode(value, { stream: true });
    for (let at = text.indexOf("\n\n"); at >= 0; at = text.indexOf("\n\n")) {
      const lines = text.slice(0, at).split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2));
      text = text.slice(at + 2);
      events.push(Object.fromEntries(lines));
      if (events.at(-1)?.event === type) return events;
    }
  }
}

Deno.test("Live events are what docs/TRANSCRIPTS.md says, and continue after the last one", async () => {
  await using api = new Api();
  const session = api.open();
  session.say("One\nline?", { name: "Ada" });
  const [id] = await api.ids();
  const response = await api.ask("GET", `/${id}/events`);
  assert.deepEqual(
    ["content-type", "cache-control", "x-accel-buffering"].map((name) => response.headers.get(name)),
    ["text/event-stream", "no-store", "no"],
  );
  const reader = response.body!.getReader();
  const [retry, transcript, cue] = await eventsUntil(reader, "cue");
  assert.deepEqual(retry, { retry: "2000" });
  assert.deepEqual(Object.keys(JSON.parse(transcript.data)), ["id", "door", "languageId", "startedAtMs"]);
  assert.deepEqual([cue.id, JSON.parse(cue.data)], ["0", {
    index: 0,
    speakerId: "1",
    speakerName: "Ada",
    languageId: "en",
    startMs: 0,
    endMs: 0,
    text: "One\nline?",
  }]);
  session.partial("Tw");
  const [partial] = await eventsUntil(reader, "partial");
  assert.deepEqual(JSON.parse(partial.data), { speakerId: "1", languageId: "en", text: "Tw" });
  session.say("Two");
  session.say("Three");
  await reader.cancel();
  assert.equal(api.meter.gauges.get("tiro_transcript_readers")?.(), 0);
  const again = await api.ask("GET", `/${id}/events`, undefined, { "last-event-id": "1" });
  const resumed = again.body!.getReader();
  assert.deepEqual((await eventsUntil(resumed, "cue")).map(({ id }) => id), [undefined, undefined, "2"]);
  await api.transcripts.delete(id);
  const [end] = await eventsUntil(resumed, "end");
  assert.deepEqual(JSON.parse(end.data), { reason: "deleted" });
  assert.equal((await resumed.read()).done, true);
  for (const wrong of ["?minutes=61", "?minutes=-1", "?minutes=x", "?from=-1", "?from=x"]) {
    assert.equal(await api.status("GET", `/${id}/events${wrong}`), 400, wrong);
  }
});

Deno.test("Readers are bounded, of one transcript and of all, and one who leaves makes room for another", async () => {
  await using api = new Api();
  const ids = [await api.talk()];
  api.open({ door: "talk", name: "room2" }).say("Hi.");
  ids.push(...await api.ids({ name: "room2" }));
  const bodies: ReadableStream[] = [];
  const fill = async (id: string): Promise<number> => {
    for (let taken = 0;; taken++) {
      const response = await api.ask("GET", `/${id}/events`);
      if (response.status === 503) return taken;
      bodies.push(response.body!);
    }
  };
  assert.equal(await fill(ids[0]), 400);
  assert.equal(await fill(ids[1]), 100);
  await bodies[0].cancel();
  assert.equal(await fill(ids[1]), 1);
  for (const body of bodies.slice(1)) await body.cancel();
  const files = await Promise.all(Array.from({ length: 20 }, () => api.ask("GET", `/${ids[0]}.vtt`)));
  assert.deepEqual(files.filter(({ status }) => status === 503).length, 4);
  for (const { body } of files) await body?.cancel();
  assert.equal(await api.status("GET", `/${ids[0]}.vtt`), 200);
});

Deno.test("A viewer's key opens the live events until it expires, then clients come back and are refused", async () => {
  await using api = new Api();
  const id = await api.talk();
  for (const path of [`/${id}/events`, `/${id}`]) {
    api.as = principal("viewer", { transcriptId: id, expiresAtMs: STARTED_AT_MS + api.clock.now() + 60_000 });
    const response = await api.ask("GET", path, undefined, { accept: "text/event-stream" });
    const reader = response.body!.getReader();
    await eventsUntil(reader, "cue");
    let isOver = false;
    const next = reader.read().then(({ done }) => isOver = done);
    await api.clock.advance(59_999);
    assert.equal(isOver, false, "valid to the end");
    await api.clock.advance(1);
    assert.equal(isOver, true, path);
    await next;
  }
  assert.equal(api.meter.gauges.get("tiro_transcript_readers")?.(), 0);
  api.as = principal("viewer", { transcriptId: id, expiresAtMs: STARTED_AT_MS + 9e9 });
  const left = await api.ask("GET", `/${id}/events`);
  await left.body?.cancel();
  assert.equal(api.clock.pending, 0, "who leaves earlier leaves no timer");
});

Deno.test("When the service stops, live responses end without an end event: clients come back", async () => {
  const api = new Api();
  const id = await api.talk();
  const reader = (await api.ask("GET", `/${id}/events`)).body!.getReader();
  await eventsUntil(reader, "cue");
  const waiting = reader.read();
  await settle();
  await api.scope[Symbol.asyncDispose]();
  assert.equal((await waiting).done, true);
  assert.equal(api.clock.pending, 0);
});

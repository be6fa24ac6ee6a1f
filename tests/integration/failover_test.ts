/**
 * Two recognisers in a list: while the first refuses, hangs, is full, returns nothing or answers in another protocol, the
 * second serves, in the middle of a sentence; each spoken word becomes a caption, once.
 */
import assert from "@std/assert";
import { delay } from "../../src/flow/mod.ts";
import { padded } from "../fakes/speech.ts";
import type { FakeKyutaiOptions } from "../fakes/stt.ts";
import { FakeVoskServer } from "../fakes/stt_vosk.ts";
import { TONE_WORDS, toneSpeech } from "../fakes/tones.ts";
import {
  assertWellFormed,
  baseUrl,
  callOf,
  eventually,
  finalText,
  isFinal,
  startWorld,
  type World,
} from "./world.ts";

/** So many words, none like the one before; the last is `last`. */
function words(count: number, last: string): string[] {
  const others = TONE_WORDS.filter((word) => word !== last);
  return Array.from({ length: count }, (_, at) => at === count - 1 ? last : others[at % others.length]);
}

interface Failover {
  world: World;
  next: FakeVoskServer;
  listener: Awaited<ReturnType<typeof callOf>>["listener"];
  /** Says the words, and runs `meanwhile` after that many of them. */
  say(words: readonly string[], after?: number, meanwhile?: () => void): Promise<void>;
}

const WORD_MS = 340;

/** A call captioned by a server on Modal, with Vosk's after it. */
async function failover(stt: FakeKyutaiOptions, test: (parts: Failover) => Promise<void>): Promise<void> {
  await using next = FakeVoskServer.start();
  await using world = await startWorld({
    stt,
    environment: { STT_PROVIDER: "modal,vosk", LT_VOSK_SERVER_URL: next.url },
  });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await test({
    world,
    next,
    listener,
    async say(words, after = 0, meanwhile = () => {}) {
      const saying = speaker.say(padded(toneSpeech(words), 300, 300));
      await delay(300 + after * WORD_MS, new AbortController().signal);
      meanwhile();
      await saying;
    },
  });
  assertWellFormed(listener.transcripts);
  assert.equal(await world.metric('tiro_audio_seconds_total{fate="dropped"}'), 0);
  assert.equal(await world.metric('tiro_audio_packets_total{fate="dropped"}'), 0);
}

const handovers = (world: World, reason: string) =>
  world.metric(`tiro_recogniser_handovers_total{reason="${reason}"}`);

Deno.test("A recogniser that refuses from the start: the next one captions every word", () =>
  failover({}, async ({ world, next, listener, say }) => {
    world.stt.refuseConnections = true;
    const said = words(18, "evening");
    await say(said);
    await listener.until(isFinal(said), 10_000);
    assert.equal(finalText(listener.transcripts), said.join(" "));
    assert.equal(next.sessions.length, 1);
    assert.equal(await world.metric('tiro_recogniser_speakers{provider="vosk"}'), 1);
    assert.equal(await world.metric('tiro_recogniser_available{provider="modal"}'), 0);
    const health = await fetch(`${baseUrl(world.service)}/healthz`);
    assert.equal((await health.json()).status, "healthy", "everybody is captioned");
    assert.equal(health.headers.get("x-tiro-recognisers"), "modal;failing;0, vosk;available;1");
  }));

for (const [behindMs, after] of [[0, 9.5], [500, 6.25], [1_500, 6.75]]) {
  Deno.test(`A recogniser ${behindMs} ms late that crashes in the middle of a sentence: the next one continues it`, () =>
    failover({ behindMs }, async ({ world, listener, say }) => {
      const said = words(24, "evening");
      await say(said, after, () => {
        world.stt.refuseConnections = true;
        world.stt.dropConnections();
      });
      await listener.until(isFinal(said), 10_000);
      assert.equal(finalText(listener.transcripts), said.join(" "));
      assert.equal(await handovers(world, "failed"), 1);
    }));
}

Deno.test("A recogniser that hangs when a session is opened: the next one captions every word", () =>
  failover({}, async ({ world, listener, say }) => {
    world.stt.coldFor(60_000);
    const said = words(18, "evening");
    await say(said);
    await listener.until(isFinal(said), 10_000);
    assert.equal(finalText(listener.transcripts), said.join(" "));
  }));

Deno.test("A recogniser that stops recognising in the middle of a sentence: the next one continues it", () =>
  failover({}, async ({ world, listener, say }) => {
    const said = words(30, "evening");
    await say(said, 9.5, () => world.stt.silent = true);
    await listener.until(isFinal(said), 10_000);
    assert.equal(finalText(listener.transcripts), said.join(" "));
    assert.equal(await handovers(world, "silent"), 1);
  }));

Deno.test("A recogniser that becomes full in the middle of a sentence: the next one continues it", () =>
  failover({}, async ({ world, listener, say }) => {
    const said = words(24, "evening");
    await say(said, 9.5, () => {
      world.stt.refuseConnections = true;
      world.stt.sendError("no free channels");
    });
    await listener.until(isFinal(said), 10_000);
    assert.equal(finalText(listener.transcripts), said.join(" "));
  }));

for (const foreign of ["deepgram", "echo", "text"] as const) {
  Deno.test(`A recogniser that answers as "${foreign}" does: the next one captions every word`, () =>
    failover({ foreign }, async ({ world, listener, say }) => {
      const said = words(24, "evening");
      await say(said);
      await listener.until(isFinal(said), 10_000);
      assert.equal(finalText(listener.transcripts), said.join(" "));
      assert.equal(await world.metric('tiro_speakers_in_trouble{reason="recogniser_foreign"}'), 0);
      assert.equal(await world.metric('transcription_errors_total{type="stt_foreign"}'), 1, "it is named");
    }));
}

Deno.test("A recogniser that starts slowly takes its speaker back at a pause, once it has started", () =>
  failover({}, async ({ world, listener, say }) => {
    world.stt.coldFor(4_000);
    const said = [...words(18, "evening"), ...words(12, "garden")];
    await say(said.slice(0, 18));
    await say(said.slice(18));
    await listener.until(isFinal(said), 10_000);
    assert.equal(finalText(listener.transcripts), said.join(" "));
    assert.equal(await handovers(world, "recovered"), 1);
  }));

Deno.test("A recogniser that recovers gets its speaker back", () =>
  failover({}, async ({ world, next, listener, say }) => {
    world.stt.refuseConnections = true;
    const said = words(12, "evening");
    await say(said);
    world.stt.refuseConnections = false;
    await listener.until(isFinal(said), 10_000);
    let spoken = said;
    for (let sentence = 0; await handovers(world, "recovered") === 0; sentence++) {
      assert.ok(sentence < 6);
      const more = words(12, sentence % 2 === 0 ? "garden" : "evening");
      await say(more);
      spoken = [...spoken, ...more];
      await listener.until(() => finalText(listener.transcripts).length === spoken.join(" ").length, 10_000);
    }
    assert.equal(finalText(listener.transcripts), spoken.join(" "));
    await eventually("the other session ends", () => next.sessions.every(({ hasEnded }) => hasEnded), 40_000);
  }));

for (const late of [{ behindMs: 8_000 }, { bySentence: true, delayMs: 1_500 }]) {
  Deno.test(`A recogniser with ${JSON.stringify(late)}, and another after it: every word is captioned once`, () =>
    failover(late, async ({ listener, say }) => {
      const said = words(24, "evening");
      await say(said);
      await listener.until(isFinal(said), 20_000);
      assert.equal(finalText(listener.transcripts), said.join(" "));
    }));
}

Deno.test("A recogniser 8 s late and alone loses no word", async () => {
  await using world = await startWorld({ stt: { behindMs: 8_000 } });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const said = words(24, "evening");
  await speaker.say(padded(toneSpeech(said), 300, 300));
  await listener.until(isFinal(said), 20_000);
  assert.equal(finalText(listener.transcripts), said.join(" "));
  assert.equal(await world.metric('tiro_audio_packets_total{fate="dropped"}'), 0);
  assert.equal(world.stt.handshakes, 1);
});

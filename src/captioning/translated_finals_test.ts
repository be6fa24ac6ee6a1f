/** The fan-out with viewers who want other languages; translations answer when the test says so. */
import assert from "@std/assert";
import { type Caption, LIMITS, type TranslationRequest } from "../domain/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import { FanOut } from "./fan_out.ts";

let utterances = 0;

function caption(speakerId: string, text: string, final = true, languageId = "en"): Caption {
  return {
    speakerId,
    utterance: utterances++,
    revision: 0,
    languageId,
    text,
    final,
    spoken: { startMs: 0, endMs: 0 },
    receivedAtMs: 0,
  };
}

class World implements Disposable {
  readonly sent: string[] = [];
  readonly requests: (TranslationRequest & PromiseWithResolvers<string>)[] = [];
  readonly clock = new FakeClock();
  readonly meter = new FakeMeter();
  isReady = true;
  held = 0;
  readonly fanOut = new FanOut({
    viewers: () => Object.entries(this.targets).map(([id, targetId]) => ({ id, targetId })),
    isReady: () => this.isReady,
    send: (id, { text, languageId, final }) =>
      this.sent.push(`${id}<${languageId}:${text}${final ? "!" : ""}`),
    onHeld: () => this.held++,
    translate: (request) => {
      const answer = Promise.withResolvers<string>();
      this.requests.push({ ...request, ...answer });
      return answer.promise;
    },
    clock: this.clock,
    meter: this.meter,
  });

  constructor(readonly targets: Record<string, string | null>) {}

  /** Answers the request for this text in this language. */
  async answer(text: string, targetId: string, translation: string | Error = `${text}-${targetId}`) {
    const request = this.requests.find((each) => each.text === text && each.targetId === targetId)!;
    if (typeof translation === "string") request.resolve(translation);
    else request.reject(translation);
    await settle();
  }
  [Symbol.dispose]() {
    this.fanOut[Symbol.dispose]();
    assert.equal(this.clock.pending, 0, "no timer is left");
  }
}

Deno.test("Each viewer gets its language, with one request per language, and originals do not wait", async () => {
  using world = new World({ o: null, d1: "de", d2: "de", a: "ar", same: "en" });
  world.fanOut.deliver(caption("s", "hel", false));
  world.fanOut.deliver(caption("s", "hello"));
  const originals = ["o<en:hel", "same<en:hel", "o<en:hello!", "same<en:hello!"];
  assert.deepEqual(world.sent, originals);
  assert.deepEqual(world.requests.map(({ text, originId, targetId }) => [text, originId, targetId]), [
    ["hello", "en", "de"],
    ["hello", "en", "ar"],
  ]);
  await world.answer("hello", "ar", "مرحبا");
  await world.answer("hello", "de", "hallo");
  assert.deepEqual(world.sent, [...originals, "a<ar:مرحبا!", "d1<de:hallo!", "d2<de:hallo!"]);
  assert.equal(world.meter.counted("transcription_transcripts_total", "true"), 5);
  assert.equal(world.meter.observed("transcription_latency_ms").length, 2, "of the originals alone");
});

Deno.test("A slow translation is not overtaken by its speaker's next, and delays no other speaker's", async () => {
  using world = new World({ d: "de" });
  world.fanOut.deliver(caption("s", "one"));
  world.fanOut.deliver(caption("s", "two"));
  world.fanOut.deliver(caption("t", "three"));
  await world.answer("two", "de");
  assert.deepEqual(world.sent, []);
  await world.answer("three", "de");
  assert.deepEqual(world.sent, ["d<de:three-de!"]);
  await world.answer("one", "de");
  assert.deepEqual(world.sent, ["d<de:three-de!", "d<de:one-de!", "d<de:two-de!"]);
});

Deno.test("A final that cannot be translated is sent untranslated, once and in order", async () => {
  using world = new World({ o: null, d: "de" });
  world.fanOut.deliver(caption("s", "one"));
  world.fanOut.deliver(caption("s", "two"));
  await world.answer("two", "de");
  await world.answer("one", "de", new Error("dead"));
  assert.deepEqual(world.sent, ["o<en:one!", "o<en:two!", "d<en:one!", "d<de:two-de!"]);
});

Deno.test("A translation that times out is replaced by the original, once", async () => {
  using world = new World({ d: "de" });
  world.fanOut.deliver(caption("s", "one"));
  await world.clock.advance(LIMITS.translationWaitMs - 10);
  assert.deepEqual(world.sent, []);
  await world.clock.advance(20);
  assert.deepEqual(world.sent, ["d<en:one!"]);
  await world.answer("one", "de");
  assert.deepEqual(world.sent, ["d<en:one!"]);
});

Deno.test("Pending finals of a language are bounded: the oldest is sent untranslated, and counted", async () => {
  using world = new World({ d: "de", a: "ar" });
  for (let i = 0; i <= LIMITS.translationsPending; i++) {
    world.fanOut.deliver(caption("s", `n${i}`));
    if (i < LIMITS.translationsPending) await world.answer(`n${i}`, "ar");
  }
  assert.deepEqual(world.sent.filter((each) => each.startsWith("d")), ["d<en:n0!"]);
  assert.equal(world.meter.counted("tiro_queue_dropped_total", "translations"), 1);
  const last = `n${LIMITS.translationsPending}`;
  await world.answer(last, "de");
  assert.equal(world.sent.length, LIMITS.translationsPending + 1, "it waits for those before it");
  for (let i = LIMITS.translationsPending - 1; i >= 1; i--) await world.answer(`n${i}`, "de");
  const german = world.sent.filter((each) => each.startsWith("d<de"));
  assert.equal(german.length, LIMITS.translationsPending);
  assert.equal(german.at(-1), `d<de:${last}-de!`);
});

Deno.test("Turned off, pending finals are sent untranslated at once, and not a second time", async () => {
  using world = new World({ d: "de", e: "de" });
  world.fanOut.deliver(caption("s", "one"));
  world.fanOut.deliver(caption("s", "two"));
  await world.answer("two", "de");
  world.targets.d = null;
  world.fanOut.release("d");
  world.fanOut.deliver(caption("s", "thr", false));
  assert.deepEqual(world.sent, ["d<en:one!", "d<en:two!", "d<en:thr"]);
  await world.answer("one", "de");
  assert.deepEqual(world.sent.slice(3), ["e<de:one-de!", "e<de:two-de!"]);
});

Deno.test("Turned on while a final is being translated for others, that final is not sent twice", async () => {
  using world = new World({ o: null, d: "de" });
  world.fanOut.deliver(caption("s", "one"));
  world.targets.o = "de";
  world.fanOut.release("o");
  await world.answer("one", "de");
  assert.deepEqual(world.sent, ["o<en:one!", "d<de:one-de!"]);
  world.fanOut.deliver(caption("s", "two"));
  await world.answer("two", "de");
  assert.deepEqual(world.sent.slice(2), ["o<de:two-de!", "d<de:two-de!"]);
});

Deno.test("While captions cannot be sent, translations are queued, whatever the viewers change meanwhile", async () => {
  using world = new World({ o: null, d: "de" });
  world.isReady = false;
  world.fanOut.deliver(caption("s", "one"));
  await world.answer("one", "de");
  world.fanOut.deliver(caption("s", "two"));
  assert.ok(world.held > 0);
  world.targets.o = "de";
  world.targets.d = null;
  world.fanOut.release("o");
  world.fanOut.release("d");
  world.fanOut.deliver(caption("s", "thr", false));
  await world.answer("two", "de");
  assert.deepEqual(world.sent, []);
  world.isReady = true;
  world.fanOut.flush();
  assert.deepEqual(world.sent.toSorted(), [
    "d<de:one-de!",
    "d<en:thr",
    "d<en:two!",
    "o<en:one!",
    "o<en:two!",
  ]);
  assert.equal(world.fanOut.size, 0);
});

Deno.test("A viewer who left gets no translation", async () => {
  using world = new World({ d: "de" });
  world.fanOut.deliver(caption("s", "one"));
  delete world.targets.d;
  await world.answer("one", "de");
  assert.deepEqual(world.sent, []);
});

Deno.test("Draining waits for translations, and sends the originals of those that are late", async () => {
  using world = new World({ d: "de" });
  const ending = new AbortController();
  world.fanOut.deliver(caption("s", "one"));
  world.fanOut.deliver(caption("s", "two"));
  const drained = world.fanOut.drain(ending.signal);
  await world.answer("one", "de");
  assert.deepEqual(world.sent, ["d<de:one-de!"]);
  ending.abort();
  await drained;
  assert.deepEqual(world.sent, ["d<de:one-de!", "d<en:two!"]);

  world.fanOut.deliver(caption("s", "three"));
  const again = world.fanOut.drain(AbortSignal.timeout(60_000));
  await world.answer("three", "de");
  await again;
  assert.equal(world.sent.at(-1), "d<de:three-de!");
  await world.fanOut.drain(AbortSignal.timeout(60_000));
});

Deno.test("Disposed, it drops pending translations", async () => {
  const world = new World({ d: "de" });
  world.fanOut.deliver(caption("s", "one"));
  world[Symbol.dispose]();
  await world.answer("one", "de");
  assert.deepEqual(world.sent, []);
});

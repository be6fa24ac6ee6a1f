/**
 * A speaker and two recognisers that fail in all ways, one after the other, at random: every word is shown, once and in
 * order. Seeded: a failure names its seed.
 */
import assert from "@std/assert";
import type { SttSession } from "../domain/mod.ts";
import type { FakeClock } from "../../tests/fakes/clock.ts";
import { failure, type FakeSession, FakeStt, withFeed } from "./stt_feed_testing_test.ts";

const SEEDS = 30;
const SECONDS = 180;
/** Between two changes. */
const ALONE_MS = 8_000;
const MODES = [
  "works",
  "works",
  "refuses",
  "hangs",
  "is silent",
  "crashes",
  "crashes and refuses",
  "is full",
] as const;

/** A recogniser that returns a word for each frame of voice, `w` and its number, some time after it. */
class Recogniser {
  #mode: typeof MODES[number] = "works";
  #opening = Promise.withResolvers<void>();

  constructor(
    readonly stt: FakeStt,
    private readonly clock: FakeClock,
    private readonly latencyMs: number,
  ) {
    stt.features = { acknowledges: false, latencyMs, partials: true };
    const open = stt.open.bind(stt);
    stt.open = async (options, signal) => {
      if (this.#mode === "refuses" || this.#mode === "crashes and refuses") throw failure();
      if (this.#mode === "hangs") await this.#opening.promise;
      const session = await open(options, signal);
      const fake = stt.newest;
      this.#answer(fake);
      if (this.#mode === "is full") fake.fail(failure());
      return session;
    };
  }

  get works(): boolean {
    return this.#mode === "works";
  }

  be(mode: typeof MODES[number]): void {
    this.#mode = mode;
    if (mode !== "hangs") {
      this.#opening.resolve();
      this.#opening = Promise.withResolvers();
    }
    if (mode.startsWith("crashes")) { for (const session of this.stt.sessions) session.fail(failure()); }
  }

  #answer(session: FakeSession & SttSession): void {
    const write = session.write.bind(session);
    const due: string[] = [];
    session.isSilent = true;
    let isStuck = false; // and stays so
    const finish = session.finish.bind(session);
    session.finish = (options) => {
      for (const text of isStuck ? [] : due.splice(0)) session.say({ type: "word", text });
      return finish(options);
    };
    session.write = async (frame) => {
      await write(frame);
      isStuck ||= this.#mode === "is silent";
      if (!frame.voiced || isStuck) return;
      due.push(`w${frame.startMs / 200}`);
      this.clock.timer(this.latencyMs, () => {
        const text = due.shift();
        if (text !== undefined && !isStuck) session.say({ type: "word", text });
      });
    };
  }
}

function randomOf(seed: number): () => number {
  let state = seed;
  return () => (state = state * 48_271 % 0x7fff_ffff) / 0x7fff_ffff;
}

for (const [firstMs, nextMs] of [[500, 300], [200, 1_500]]) {
  Deno.test(`Recognisers ${firstMs} and ${nextMs} ms late fail in turn at random: every word is shown once`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) await simulate(seed, firstMs, nextMs);
  });
}

function simulate(seed: number, firstMs: number, nextMs: number): Promise<void> {
  const random = randomOf(seed);
  const second = new FakeStt("next");
  return withFeed(async ({ clock, stt, talk, said }) => {
    const recognisers = [new Recogniser(stt, clock, firstMs), new Recogniser(second, clock, nextMs)];
    const spoken: string[] = [];
    const story: string[] = [];
    let changedMs = 0;
    for (let atMs = 0; atMs < SECONDS * 1_000;) {
      const voiceMs = 200 * Math.ceil(random() * 20);
      // Two that fail within seconds cannot be distinguished from music.
      if (random() < 0.4 && atMs >= changedMs + ALONE_MS) {
        const broken = recognisers.find(({ works }) => !works);
        const mode = broken ? "works" : MODES[Math.floor(random() * MODES.length)];
        const which = broken ?? recognisers[random() < 0.5 ? 0 : 1];
        which.be(mode);
        changedMs = atMs;
        story.push(`${atMs}: ${which.stt.name} ${mode}`);
      }
      for (let ms = 0; ms < voiceMs; ms += 200) {
        spoken.push(`w${clock.now() / 200}`);
        await talk(200);
      }
      await talk(200, { voiced: false, endOfVoice: true });
      if (random() < 0.2) await clock.advance(200 * Math.ceil(random() * 30));
      atMs = clock.now();
    }
    for (const each of recognisers) each.be("works");
    await clock.advance(5_000);
    await talk(3_000);
    for (let at = 15; at > 0; at--) spoken.push(`w${clock.now() / 200 - at}`);
    await talk(200, { voiced: false, endOfVoice: true });
    await clock.advance(40_000);
    const shown = said.filter((text) => text.startsWith("w"));
    if (shown.join(" ") === spoken.join(" ")) return;
    const missing = spoken.filter((word) => !shown.includes(word));
    const twice = shown.filter((word, at) => shown.indexOf(word) !== at);
    assert.fail(`seed ${seed}: missing ${missing}; twice ${twice}; ${story.join(", ")}`);
  }, [second]);
}

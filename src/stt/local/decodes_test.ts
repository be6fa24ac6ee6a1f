import assert from "@std/assert";
import { FakeClock, settle } from "../../../tests/fakes/clock.ts";
import { Decodes, PARTIAL_MS } from "./decodes.ts";
import { Detectors } from "./detectors.ts";
import { RecogniserSession } from "./recogniser_session.ts";

/** Decodes that the test ends, one by one. */
class Rig {
  readonly clock = new FakeClock();
  /** `second`: that of the session's audio in which what is decoded begins. */
  readonly running: (PromiseWithResolvers<string> & { second: number })[] = [];
  readonly broken: unknown[] = [];
  readonly decodes: Decodes;

  constructor(atOnceMax: number) {
    this.decodes = new Decodes({
      clock: this.clock,
      atOnceMax,
      onBroken: (error) => this.broken.push(error),
    });
  }

  /** A session with a voice, which asks for a partial, or ended with it. */
  speak(finish: boolean): { texts: string[]; hear: (seconds: number) => void } {
    const texts: string[] = [];
    const session: RecogniserSession = new RecogniserSession({
      detectors: new Detectors(() => ({ isVoice: () => true, reset() {} }), 1),
      ask: (kind) => this.decodes.ask(session, kind),
      send: (message) => "text" in message && texts.push(`${message.type} ${message.text}`),
      partialEveryMs: (segmentMs) => this.decodes.partialEveryMs(segmentMs),
    }, 0);
    this.decodes.open(session, (samples) => {
      const second = samples.find((sample) => sample > 0) ?? 0;
      this.running.push({ ...Promise.withResolvers<string>(), second: second - 1 });
      return this.running[this.running.length - 1].promise;
    });
    let heard = 0;
    const hear = (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        session.receive(new Float32Array(16_000).fill(++heard), this.clock.now());
      }
    };
    hear(1);
    if (finish) session.finish();
    return { texts, hear };
  }

  async end(at: number, text: string): Promise<void> {
    this.running[at].resolve(text);
    await settle();
  }
}

Deno.test("One decode runs at a time", async () => {
  const rig = new Rig(2);
  const [a, b] = [rig.speak(false), rig.speak(false)];
  assert.equal(rig.running.length, 1);
  await rig.end(0, "Yes.");
  assert.deepEqual(a.texts, ["partial Yes"]);
  assert.equal(rig.running.length, 2);
  await rig.end(1, "No.");
  assert.deepEqual(b.texts, ["partial No"]);
  rig.decodes.end();
});

Deno.test("A decode that waits for long runs beside the first, where there is a core for it", async () => {
  for (const atOnceMax of [1, 2]) {
    const rig = new Rig(atOnceMax);
    rig.speak(false);
    await rig.clock.advance(100);
    rig.speak(false);
    await rig.clock.advance(299);
    assert.equal(rig.running.length, 1);
    await rig.clock.advance(2);
    assert.equal(rig.running.length, atOnceMax);
    rig.decodes.end();
  }
});

Deno.test("Segments of one session are decoded one after the other, each once", async () => {
  const rig = new Rig(3);
  const { hear, texts } = rig.speak(false);
  rig.speak(false);
  await rig.end(0, "Beginning.");
  hear(17); // two segments that are over, and the beginning of a third
  rig.speak(false);
  await rig.clock.advance(301);
  for (let at = 1; at < rig.running.length; at++) {
    await rig.end(at, `Second ${rig.running[at].second}.`);
    await rig.clock.advance(301);
  }
  const finals = texts.filter((text) => text.startsWith("final"));
  assert.deepEqual(finals, ["final Second 0", "final Second 5"]);
  rig.decodes.end();
});

Deno.test("What waits of a session that is decoded does not stop the decodes beside it", async () => {
  const rig = new Rig(2);
  rig.speak(false).hear(17);
  await rig.end(0, "Yes.");
  const running = rig.running.length;
  await rig.clock.advance(301);
  assert.equal(rig.running.length, running, "of one session one at a time");
  rig.speak(false);
  await rig.clock.advance(301);
  assert.equal(rig.running.length, running + 1);
  rig.decodes.end();
});

Deno.test("Finals overtake partials that wait", async () => {
  const rig = new Rig(1);
  rig.speak(false);
  const partial = rig.speak(false);
  const final = rig.speak(true);
  await rig.end(0, "First.");
  await rig.end(1, "Second.");
  assert.deepEqual([final.texts, partial.texts], [["final Second."], []]);
  rig.decodes.end();
});

Deno.test("Partials are seldom while decodes wait for long, and often again afterwards", async () => {
  const rig = new Rig(1);
  assert.equal(rig.decodes.partialEveryMs(1_000), PARTIAL_MS.often);
  rig.speak(false);
  rig.speak(false);
  await rig.clock.advance(400);
  await rig.end(0, "Yes.");
  assert.equal(rig.decodes.partialEveryMs(1_000), PARTIAL_MS.busy);
  await rig.clock.advance(3_001);
  assert.equal(rig.decodes.partialEveryMs(5_000), PARTIAL_MS.long);
  assert.equal(rig.decodes.partialEveryMs(1_000), PARTIAL_MS.often);
  rig.decodes.end();
});

Deno.test("A decode that fails or never ends is reported", async () => {
  const failing = new Rig(1);
  failing.speak(false);
  failing.running[0].reject(new Error("no"));
  await settle();
  assert.equal(failing.broken.length, 1);
  failing.decodes.end();
  const stuck = new Rig(1);
  stuck.speak(false);
  await stuck.clock.advance(14_999);
  assert.deepEqual(stuck.broken, []);
  await stuck.clock.advance(1);
  assert.equal(stuck.broken.length, 1);
  stuck.decodes.end();
});

Deno.test("A session whose final and next segment wait does not stop a second decode from starting", async () => {
  const rig = new Rig(2);
  rig.speak(false);
  rig.speak(false);
  const busy = rig.speak(true);
  await rig.clock.advance(301);
  assert.equal(rig.running.length, 2);
  await rig.end(1, "Yes.");
  await rig.clock.advance(301);
  assert.equal(rig.running.length, 3);
  assert.deepEqual(busy.texts, ["final Yes."]);
  rig.decodes.end();
});

import assert from "@std/assert";
import { LIMITS } from "../domain/mod.ts";
import { MeasuredLatency, TrailingSilence } from "./trailing_silence.ts";

/** A recogniser that is so far behind, and says a word for each 400 ms of voice, once that much audio came after it. */
class Scene {
  nowMs = 1_000;
  /** Voice whose words have not come. */
  readonly due: number[] = [];
  words = 0;
  silenceMs = 0;

  constructor(readonly trailing: TrailingSilence, public behindMs: number) {}

  /** Voice in real time. */
  speak(ms: number, hasWords = true): void {
    for (let spokenMs = 0; spokenMs < ms; spokenMs += 200) {
      this.#pass();
      this.trailing.sent({ voiced: true, durationMs: 200 }, this.nowMs);
      if (hasWords && spokenMs % 400 === 200) this.due.push(this.nowMs + this.behindMs);
    }
    this.silenceMs = 0;
  }

  /** Silence as long as it is wanted; how long that was. */
  rest(): number {
    for (;;) {
      this.#pass();
      if (this.trailing.isOver(this.nowMs)) return this.silenceMs;
      this.trailing.sent({ voiced: false, durationMs: 200 }, this.nowMs);
      this.silenceMs += 200;
    }
  }

  #pass(): void {
    this.nowMs += 200;
    while (this.due.length > 0 && this.due[0] <= this.nowMs) {
      this.due.shift();
      this.words++;
      this.trailing.word(this.nowMs);
    }
  }
}

Deno.test("A recogniser half a second behind gets the silence after a voice that it always got", () => {
  const scene = new Scene(new TrailingSilence(500, new MeasuredLatency()), 500);
  for (let voice = 0; voice < 5; voice++) {
    scene.speak(4_000);
    const silenceMs = scene.rest();
    assert.ok(silenceMs >= LIMITS.voiceTailMs && silenceMs <= LIMITS.voiceTailMs + 800, `${silenceMs} ms`);
    assert.equal(scene.due.length, 0);
  }
  assert.equal(scene.trailing.measuredMs, 600, "500 ms, looked at each 200 ms");
});

Deno.test("At any latency up to ten seconds all words arrive, those of the first voice too", () => {
  for (const behindMs of [0, 1_000, 2_500, 5_000, 9_600]) {
    const scene = new Scene(new TrailingSilence(500, new MeasuredLatency()), behindMs);
    for (const voiceMs of [400, 4_000, 400, 12_000]) {
      scene.speak(voiceMs);
      scene.rest();
      assert.equal(scene.due.length, 0, `${behindMs} ms behind, after ${voiceMs} ms of voice`);
    }
  }
});

Deno.test("A recogniser that becomes slow is measured by its late words", () => {
  const scene = new Scene(new TrailingSilence(500, new MeasuredLatency()), 300);
  scene.speak(4_000);
  scene.rest();
  scene.behindMs = 3_000;
  scene.speak(4_000);
  scene.rest();
  assert.equal(scene.due.length, 0);
  scene.speak(400);
  scene.rest();
  assert.equal(scene.due.length, 0);
});

Deno.test("Two voices with a pause too short for the first one's words are followed by what both need", () => {
  const scene = new Scene(new TrailingSilence(500, new MeasuredLatency()), 4_000);
  scene.speak(1_000);
  for (let pauseMs = 0; pauseMs < 2_000; pauseMs += 200) {
    scene.nowMs += 200;
    scene.trailing.sent({ voiced: false, durationMs: 200 }, scene.nowMs);
  }
  scene.speak(1_000);
  scene.rest();
  assert.equal(scene.due.length, 0);
});

Deno.test("Noise without a word gets ten seconds of silence once, four with a fast recogniser", () => {
  const scene = new Scene(new TrailingSilence(500, new MeasuredLatency()), 500);
  scene.speak(600, false);
  assert.equal(scene.rest(), 10_000);
  scene.speak(4_000);
  scene.rest();
  scene.speak(600, false);
  assert.equal(scene.rest(), 4_000);
});

Deno.test("The latency measured for one speaker is used for the next", () => {
  const latency = new MeasuredLatency();
  const first = new Scene(new TrailingSilence(500, latency), 3_000);
  first.speak(4_000);
  first.rest();
  const second = new Scene(new TrailingSilence(500, latency), 3_000);
  second.speak(600, false);
  assert.equal(second.rest(), 4_000, "noise gets what a word would need, and no more");
  assert.equal(second.trailing.measuredMs, 3_000);
});

Deno.test("Endless words do not prevent the end of the silence", () => {
  const trailing = new TrailingSilence(500, new MeasuredLatency());
  trailing.sent({ voiced: true, durationMs: 200 }, 0);
  let nowMs = 0;
  while (!trailing.isOver(nowMs)) {
    nowMs += 200;
    trailing.word(nowMs);
    trailing.sent({ voiced: false, durationMs: 200 }, nowMs);
  }
  assert.ok(nowMs <= 16_000, `${nowMs} ms`);
});

Deno.test("A sentence after the end of the silence is measured", () => {
  const scene = new Scene(new TrailingSilence(500, new MeasuredLatency()), 0);
  scene.speak(4_000);
  scene.rest();
  scene.speak(4_000, false);
  scene.rest();
  scene.nowMs += 3_000;
  scene.trailing.word(scene.nowMs);
  assert.ok(scene.trailing.measuredMs >= 7_000, `${scene.trailing.measuredMs} ms`);
  scene.nowMs += 60_000;
  const beforeMs = scene.trailing.measuredMs;
  scene.trailing.word(scene.nowMs);
  assert.equal(scene.trailing.measuredMs, beforeMs, "a late word without voice measures nothing");
});

Deno.test("The latency is the measured one, else the bound of the first word, else four seconds", () => {
  const scene = new Scene(new TrailingSilence(500, new MeasuredLatency()), 2_000);
  assert.equal(scene.trailing.behindMs, 0);
  scene.speak(600);
  assert.equal(scene.trailing.behindMs, 4_000);
  scene.speak(2_400);
  assert.equal(scene.trailing.behindMs, 2_200, "from the voice's beginning to the first word");
  scene.rest();
  assert.equal(scene.trailing.behindMs, 0);
  scene.speak(3_000);
  assert.equal(scene.trailing.behindMs, 2_000);
  scene.trailing.reset();
  assert.equal(scene.trailing.behindMs, 0);
});

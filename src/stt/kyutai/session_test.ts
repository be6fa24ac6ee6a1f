import assert from "@std/assert";
import { KYUTAI_LIMITS, KyutaiSessionState } from "./session.ts";

const VOICE = { durationMs: 80, voiced: true };
const TAIL = { durationMs: 80, voiced: false };

/** Offers voice in real time, as a live speaker does, and says what went. */
class Talker {
  readonly state = new KyutaiSessionState();
  nowMs = 1_000;
  sentMs = 0;
  #waits = false;

  /** Every 80 ms one frame is due; while one waits, the others wait upstream. Stops at a failure. */
  talk(ms: number, frame = VOICE, onStep?: (nowMs: number) => void): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs && !this.failure; this.nowMs += 80) {
      onStep?.(this.nowMs);
      if (this.state.admits(frame, 0)) {
        this.state.sent(frame, this.nowMs);
        this.sentMs += frame.durationMs;
        this.#waits = false;
      } else {
        this.state.waits(this.nowMs);
        this.#waits = true;
      }
    }
  }

  get waits(): boolean {
    return this.#waits;
  }

  get failure() {
    return this.state.failure(this.nowMs);
  }
}

Deno.test("A minute and a half of music that brings no word holds nothing back and fails nothing", () => {
  for (const hasSpoken of [false, true]) {
    const talker = new Talker();
    if (hasSpoken) talker.state.spoke();
    talker.talk(90_000);
    assert.equal(talker.failure, undefined);
    assert.equal(talker.sentMs, 90_000);
  }
});

Deno.test("A server that answers sentence by sentence, late, gets all of it", () => {
  const talker = new Talker();
  for (const sentenceMs of [8_000, 12_000, 20_000]) {
    talker.talk(sentenceMs);
    talker.nowMs += 5_000;
    talker.state.spoke();
  }
  assert.equal(talker.failure, undefined);
  assert.equal(talker.sentMs, 40_000);
});

Deno.test("Ten seconds go that the peer has not read, and no more; once it has read them the next go", () => {
  const talker = new Talker();
  talker.state.spoke();
  talker.talk(1_040);
  assert.equal(talker.state.asks(), true);
  talker.state.delivered(talker.state.sentMs);
  const deliveredMs = talker.sentMs;
  talker.talk(20_000);
  assert.equal(talker.sentMs - deliveredMs, KYUTAI_LIMITS.undeliveredMs);
  assert.equal(talker.waits, true);
  talker.state.delivered(talker.state.sentMs);
  assert.equal(talker.state.admits(VOICE, 0), true);
});

Deno.test("A peer that answers no pings is judged by our own buffer alone", () => {
  const talker = new Talker();
  talker.state.spoke();
  talker.talk(60_000);
  assert.equal(talker.sentMs, 60_000);
  assert.equal(talker.state.admits(VOICE, KYUTAI_LIMITS.bufferedBytes + 1), false);
});

Deno.test("The peer is asked once for each second of audio", () => {
  const talker = new Talker();
  let asked = 0;
  talker.talk(10_000, TAIL, () => {
    if (talker.state.asks()) asked++;
  });
  assert.equal(asked, 10);
});

Deno.test("A full socket buffer holds everything back, voice or not", () => {
  const { state } = new Talker();
  assert.equal(state.admits(VOICE, KYUTAI_LIMITS.bufferedBytes), true);
  assert.equal(state.admits(VOICE, KYUTAI_LIMITS.bufferedBytes + 1), false);
  assert.equal(state.admits(TAIL, KYUTAI_LIMITS.bufferedBytes + 1), false);
});

Deno.test("A frame longer than the bound goes alone", () => {
  const { state } = new Talker();
  state.sent(VOICE, 0);
  state.delivered(state.sentMs);
  assert.equal(state.admits({ durationMs: 15_000 }, 0), true);
});

Deno.test("A server that stops reading for a minute is not failed, and gets more at once when it returns", () => {
  const talker = new Talker();
  talker.talk(80);
  talker.state.spoke();
  talker.state.delivered(talker.sentMs);
  talker.talk(60_000);
  assert.equal(talker.failure, undefined);
  assert.equal(talker.sentMs, 80 + KYUTAI_LIMITS.undeliveredMs, "the rest is not in its buffers");
  talker.state.delivered(talker.sentMs);
  assert.equal(talker.state.admits(VOICE, 0), true);
});

Deno.test("A server that never reads on is failed 75 s after the first frame waited", () => {
  const { state } = new Talker();
  state.spoke();
  assert.equal(state.nextDeadline(), undefined);
  state.waits(1_000);
  state.waits(2_000);
  assert.equal(state.nextDeadline(), 1_000 + KYUTAI_LIMITS.stoppedMs);
  assert.equal(state.failure(1_000 + KYUTAI_LIMITS.stoppedMs - 1), undefined);
  assert.equal(state.failure(1_000 + KYUTAI_LIMITS.stoppedMs)?.code, "stt_stopped");
});

Deno.test("A server that answers is never failed, however long the talk", () => {
  const talker = new Talker();
  talker.talk(600_000, VOICE, (nowMs) => {
    if (nowMs % 1_000 < 80) talker.state.spoke();
  });
  assert.equal(talker.failure, undefined);
  assert.equal(talker.sentMs, 600_000);
});

Deno.test("The server's idle close is a clean end; so is one after laughter it had nothing to say to", () => {
  const talker = new Talker();
  assert.equal(talker.state.closed({ code: 1000, clean: true }, talker.nowMs), undefined);
  talker.talk(80);
  talker.state.spoke();
  talker.talk(1_500);
  assert.equal(talker.state.closed({ code: 1000, clean: true }, talker.nowMs + 30_000), undefined);
});

Deno.test("A close in the midst of speech, with another code, or without goodbye is a failure worth a retry", () => {
  const talker = new Talker();
  talker.talk(80);
  talker.state.spoke();
  const codes = [
    talker.state.closed({ code: 1011, clean: true }, talker.nowMs),
    talker.state.closed({ code: 1006, clean: false }, talker.nowMs),
  ];
  talker.talk(80);
  codes.push(talker.state.closed({ code: 1000, clean: true }, talker.nowMs));
  for (const error of codes) assert.deepEqual([error?.code, error?.retryable], ["stt_closed", true]);
});

Deno.test("A close without a word after seconds of voice is the silent server's", () => {
  const talker = new Talker();
  talker.talk(2_000);
  assert.equal(talker.state.closed({ code: 1000, clean: true }, talker.nowMs + 30_000)?.code, "stt_silent");
});

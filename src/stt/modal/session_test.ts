import assert from "@std/assert";
import { MODAL_LIMITS, ModalSessionState } from "./session.ts";

const VOICE = { durationMs: 80, voiced: true };
const TAIL = { durationMs: 80, voiced: false };

/** Offers voice in real time, as a live speaker does, and says what went. */
class Talker {
  readonly state = new ModalSessionState();
  nowMs = 1_000;
  sentMs = 0;
  #waits = false;

  /** Every 80 ms one frame is due; while one waits, the others are lost upstream. Stops at a failure. */
  talk(ms: number, frame = VOICE, onStep?: (nowMs: number) => void): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs && !this.failure; this.nowMs += 80) {
      onStep?.(this.nowMs);
      if (this.state.admits(frame, 0, this.nowMs)) {
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

Deno.test("Two seconds of voice go without an answer, and no more", () => {
  const talker = new Talker();
  talker.talk(3_000);
  assert.equal(talker.sentMs, 2_000);
  assert.equal(talker.waits, true);
});

Deno.test("An answer opens the gate at once for two more seconds", () => {
  const talker = new Talker();
  talker.talk(2_500);
  talker.state.answered(talker.nowMs);
  talker.talk(2_500);
  assert.equal(talker.sentMs, 4_000);
});

Deno.test("Audio that is not voice neither counts nor waits", () => {
  const talker = new Talker();
  talker.talk(10_000, TAIL);
  assert.equal(talker.sentMs, 10_000);
  talker.talk(2_000);
  assert.equal(talker.waits, false);
  talker.talk(1_000);
  assert.equal(talker.waits, true);
  assert.equal(talker.state.admits(TAIL, 0, talker.nowMs), true);
});

Deno.test("A full socket buffer holds everything back, voice or not", () => {
  const { state } = new Talker();
  assert.equal(state.admits(VOICE, MODAL_LIMITS.bufferedBytes, 0), true);
  assert.equal(state.admits(VOICE, MODAL_LIMITS.bufferedBytes + 1, 0), false);
  assert.equal(state.admits(TAIL, MODAL_LIMITS.bufferedBytes + 1, 0), false);
});

Deno.test("A frame longer than the gate goes alone", () => {
  const { state } = new Talker();
  assert.equal(state.admits({ durationMs: 5_000, voiced: true }, 0, 0), true);
});

Deno.test("Laughter that nobody answers lets the sentence after it through four seconds after it began", () => {
  const talker = new Talker();
  talker.talk(240);
  talker.state.answered(talker.nowMs);
  const laughsFromMs = talker.nowMs;
  talker.talk(3_900);
  assert.equal(talker.waits, true);
  assert.equal(talker.state.nextDeadline(talker.nowMs), laughsFromMs + MODAL_LIMITS.answerWithinMs);
  talker.talk(160);
  assert.equal(talker.waits, false);
  talker.talk(1_920);
  assert.equal(talker.sentMs, 240 + 2_000 + 2_000);
});

Deno.test("A session that never says anything fails after eight seconds of voice, sent or waiting", () => {
  const talker = new Talker();
  talker.talk(7_900);
  assert.equal(talker.failure, undefined);
  talker.talk(500);
  assert.equal(talker.failure?.code, "stt_silent");
  assert.equal(talker.failure?.retryable, true);
});

Deno.test("A session that never says anything to scattered voice fails too, and silence alone never fails one", () => {
  const talker = new Talker();
  talker.talk(300_000, TAIL);
  assert.equal(talker.failure, undefined);
  for (let turn = 0; turn < 10; turn++) {
    talker.talk(960);
    talker.nowMs += 10_000;
  }
  assert.equal(talker.failure?.code, "stt_silent");
});

Deno.test("A server that has spoken and stalls for a minute is not failed, and is heard at once when it returns", () => {
  const talker = new Talker();
  talker.talk(80);
  talker.state.answered(talker.nowMs);
  const before = talker.sentMs;
  talker.talk(60_000);
  assert.equal(talker.failure, undefined);
  assert.ok(
    talker.sentMs - before <= 32_000,
    `sent ${talker.sentMs - before} ms to a server that is not there`,
  );
  talker.state.answered(talker.nowMs);
  assert.equal(talker.state.admits(VOICE, 0, talker.nowMs), true);
});

Deno.test("Audio that catches up in bursts after each wait does not shorten the minute", () => {
  const { state } = new Talker();
  state.answered(0);
  for (let nowMs = 0; nowMs < 60_000; nowMs += 40) {
    while (state.admits(VOICE, 0, nowMs)) state.sent(VOICE, nowMs);
    state.waits(nowMs);
    assert.equal(state.failure(nowMs), undefined, `at ${nowMs} ms`);
  }
});

Deno.test("A server that has spoken and never returns is failed after 75 s of voice", () => {
  const talker = new Talker();
  talker.state.answered(talker.nowMs);
  talker.talk(200_000);
  assert.equal(talker.failure?.code, "stt_stopped");
  const tookMs = talker.nowMs - 1_000;
  assert.ok(tookMs >= MODAL_LIMITS.stoppedMs && tookMs < MODAL_LIMITS.stoppedMs + 5_000, `took ${tookMs} ms`);
});

Deno.test("A socket that takes nothing fails the session by time alone", () => {
  const { state } = new Talker();
  state.answered(0);
  state.waits(0);
  assert.equal(state.nextDeadline(0), MODAL_LIMITS.stoppedMs);
  assert.equal(state.failure(MODAL_LIMITS.stoppedMs)?.code, "stt_stopped");
});

Deno.test("A server that answers is never failed, however long the talk", () => {
  const talker = new Talker();
  talker.talk(600_000, VOICE, (nowMs) => {
    if (nowMs % 1_000 < 80) talker.state.answered(nowMs);
  });
  assert.equal(talker.failure, undefined);
  assert.equal(talker.sentMs, 600_000);
});

Deno.test("The server's idle close is a clean end; so is one after laughter it had nothing to say to", () => {
  const talker = new Talker();
  assert.equal(talker.state.closed({ code: 1000, clean: true }, talker.nowMs), undefined);
  talker.talk(80);
  talker.state.answered(talker.nowMs);
  talker.talk(1_500);
  assert.equal(talker.state.closed({ code: 1000, clean: true }, talker.nowMs + 30_000), undefined);
});

Deno.test("A close in the midst of speech, with another code, or without goodbye is a failure worth a retry", () => {
  const talker = new Talker();
  talker.talk(80);
  talker.state.answered(talker.nowMs);
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

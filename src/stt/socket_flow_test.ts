import assert from "@std/assert";
import { LIMITS } from "../domain/mod.ts";
import { SOCKET_LIMITS, SocketFlow } from "./socket_flow.ts";

const VOICE = { durationMs: 80, voiced: true };
const TAIL = { durationMs: 80, voiced: false };

/** Offers voice in real time, as a live speaker does, and counts what was sent. */
class Talker {
  readonly state = new SocketFlow();
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

Deno.test("A minute and a half of music without a word neither blocks audio nor fails the session", () => {
  for (const hasReceived of [false, true]) {
    const talker = new Talker();
    if (hasReceived) talker.state.received();
    talker.talk(90_000);
    assert.equal(talker.failure, undefined);
    assert.equal(talker.sentMs, 90_000);
  }
});

Deno.test("A server that answers sentence by sentence, late, receives all audio", () => {
  const talker = new Talker();
  for (const sentenceMs of [8_000, 12_000, 20_000]) {
    talker.talk(sentenceMs);
    talker.nowMs += 5_000;
    talker.state.received();
  }
  assert.equal(talker.failure, undefined);
  assert.equal(talker.sentMs, 40_000);
});

Deno.test("At most ten seconds are sent that the peer has not read; once read the next follow", () => {
  const talker = new Talker();
  talker.state.received();
  talker.talk(1_040);
  assert.equal(talker.state.takePing(), true);
  talker.state.delivered(talker.state.sentMs);
  const deliveredMs = talker.sentMs;
  talker.talk(20_000);
  assert.equal(talker.sentMs - deliveredMs, LIMITS.speechMs);
  assert.equal(talker.waits, true);
  talker.state.delivered(talker.state.sentMs);
  assert.equal(talker.state.admits(VOICE, 0), true);
});

Deno.test("For a peer that answers no pings only our own buffer counts", () => {
  const talker = new Talker();
  talker.state.received();
  talker.talk(60_000);
  assert.equal(talker.sentMs, 60_000);
  assert.equal(talker.state.admits(VOICE, LIMITS.sttBufferedBytes + 1), false);
});

Deno.test("The peer is pinged once for each second of audio", () => {
  const talker = new Talker();
  let asked = 0;
  talker.talk(10_000, TAIL, () => {
    if (talker.state.takePing()) asked++;
  });
  assert.equal(asked, 10);
});

Deno.test("A full socket buffer blocks all audio, voice or not", () => {
  const { state } = new Talker();
  assert.equal(state.admits(VOICE, LIMITS.sttBufferedBytes), true);
  assert.equal(state.admits(VOICE, LIMITS.sttBufferedBytes + 1), false);
  assert.equal(state.admits(TAIL, LIMITS.sttBufferedBytes + 1), false);
});

Deno.test("A frame longer than the bound is sent alone", () => {
  const { state } = new Talker();
  state.sent(VOICE, 0);
  state.delivered(state.sentMs);
  assert.equal(state.admits({ durationMs: 15_000 }, 0), true);
});

Deno.test("A server that stops reading for a minute has not failed, and receives more when it reads again", () => {
  const talker = new Talker();
  talker.talk(80);
  talker.state.received();
  talker.state.delivered(talker.sentMs);
  talker.talk(60_000);
  assert.equal(talker.failure, undefined);
  assert.equal(talker.sentMs, 80 + LIMITS.speechMs, "the rest is not in its buffers");
  talker.state.delivered(talker.sentMs);
  assert.equal(talker.state.admits(VOICE, 0), true);
});

Deno.test("A server that stops reading has failed 75 s after the first frame waited", () => {
  const { state } = new Talker();
  state.received();
  assert.equal(state.nextDeadline(), undefined);
  state.waits(1_000);
  state.waits(2_000);
  assert.equal(state.nextDeadline(), 1_000 + SOCKET_LIMITS.stoppedMs);
  assert.equal(state.failure(1_000 + SOCKET_LIMITS.stoppedMs - 1), undefined);
  assert.equal(state.failure(1_000 + SOCKET_LIMITS.stoppedMs)?.code, "stt_stopped");
});

Deno.test("A server that answers never fails, however long the talk", () => {
  const talker = new Talker();
  talker.talk(600_000, VOICE, (nowMs) => {
    if (nowMs % 1_000 < 80) talker.state.received();
  });
  assert.equal(talker.failure, undefined);
  assert.equal(talker.sentMs, 600_000);
});

Deno.test("The server's idle close is a clean end; so is one after laughter without words", () => {
  const talker = new Talker();
  assert.equal(talker.state.closed({ code: 1000, clean: true }, talker.nowMs), undefined);
  talker.talk(80);
  talker.state.received();
  talker.talk(1_500);
  assert.equal(talker.state.closed({ code: 1000, clean: true }, talker.nowMs + 30_000), undefined);
});

Deno.test("A close during speech, with another code, or without a close frame is a retryable failure", () => {
  const talker = new Talker();
  talker.talk(80);
  talker.state.received();
  const codes = [
    talker.state.closed({ code: 1011, clean: true }, talker.nowMs),
    talker.state.closed({ code: 1006, clean: false }, talker.nowMs),
  ];
  talker.talk(80);
  codes.push(talker.state.closed({ code: 1000, clean: true }, talker.nowMs));
  for (const error of codes) assert.deepEqual([error?.code, error?.retryable], ["stt_closed", true]);
});

Deno.test("A close without a word after seconds of voice fails with stt_silent", () => {
  const talker = new Talker();
  talker.talk(2_000);
  assert.equal(talker.state.closed({ code: 1000, clean: true }, talker.nowMs + 30_000)?.code, "stt_silent");
});

Deno.test("Words are expected for a while after the last voice, until a message answers it", () => {
  const flow = new SocketFlow();
  assert.equal(flow.unansweredUntilMs, -Infinity);
  flow.sent(VOICE, 1_000);
  flow.sent(TAIL, 2_000);
  const untilMs = 1_000 + SOCKET_LIMITS.answerWithinMs;
  assert.equal(flow.unansweredUntilMs, untilMs);
  assert.deepEqual([flow.unanswered(untilMs - 1), flow.unanswered(untilMs)], [true, false]);
  flow.received();
  assert.equal(flow.unansweredUntilMs, -Infinity);
});

import assert from "@std/assert";
import { type Caption, LIMITS } from "../domain/mod.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import { FanOut } from "./fan_out.ts";

function caption(speakerId: string, text: string, final = false): Caption {
  return {
    speakerId,
    utterance: 0,
    revision: 0,
    languageId: "en",
    text,
    final,
    spoken: { startMs: 0, endMs: 0 },
    receivedAtMs: 0,
  };
}

function world(viewers: string[]) {
  const sent: string[] = [];
  const state = { ready: true };
  const meter = new FakeMeter();
  const fanOut = new FanOut({
    viewers: () => viewers.map((id) => ({ id, targetId: null })),
    isReady: () => state.ready,
    send: (viewerId, { text, final }) => sent.push(`${viewerId}:${text}${final ? "!" : ""}`),
    clock: new FakeClock(),
    meter,
  });
  return { fanOut, sent, state, meter };
}

Deno.test("A notice is sent to all viewers, those of a translation too, and is in no metric", () => {
  const sent: string[] = [];
  const meter = new FakeMeter();
  const fanOut = new FanOut({
    viewers: () => [{ id: "l1", targetId: null }, { id: "l2", targetId: "fr" }],
    isReady: () => true,
    send: (viewerId, { text }) => sent.push(`${viewerId}:${text}`),
    translate: () => Promise.reject(new Error("a notice is not translated")),
    clock: new FakeClock(),
    meter,
  });
  fanOut.deliver({ ...caption("a", "… (no captions yet)"), isNotice: true });
  fanOut.deliver(caption("a", "hello"));
  assert.deepEqual(sent, ["l1:… (no captions yet)", "l2:… (no captions yet)", "l1:hello"]);
  assert.equal(meter.counted("transcription_transcripts_total", "false"), 1);
  assert.equal(meter.observed("transcription_latency_ms").length, 1);
});

Deno.test("A caption is sent to every viewer, if there are any", () => {
  const { fanOut, sent, meter } = world(["l1", "l2"]);
  fanOut.deliver(caption("a", "hello"));
  assert.deepEqual(sent, ["l1:hello", "l2:hello"]);
  assert.equal(meter.counted("transcription_transcripts_total", "false"), 2);

  const empty = world([]);
  empty.fanOut.deliver(caption("a", "hello", true));
  assert.deepEqual(empty.sent, []);
  assert.equal(empty.fanOut.size, 0);
});

Deno.test("While captions cannot be sent, finals are queued in order and only the newest partial per speaker", () => {
  const { fanOut, sent, state } = world(["l1"]);
  state.ready = false;
  fanOut.deliver(caption("a", "one"));
  fanOut.deliver(caption("b", "uno"));
  fanOut.deliver(caption("a", "one two"));
  fanOut.deliver(caption("a", "one two.", true));
  fanOut.deliver(caption("a", "three"));
  fanOut.deliver(caption("b", "uno dos"));
  assert.equal(fanOut.size, 3);
  state.ready = true;
  fanOut.flush();
  assert.deepEqual(sent, ["l1:one two.!", "l1:three", "l1:uno dos"]);
  assert.equal(fanOut.size, 0);
});

Deno.test("A queued partial is never sent after its utterance's final", () => {
  const { fanOut, sent, state } = world(["l1"]);
  state.ready = false;
  fanOut.deliver(caption("a", "one"));
  fanOut.deliver(caption("a", "one two.", true));
  state.ready = true;
  fanOut.flush();
  assert.deepEqual(sent, ["l1:one two.!"]);
});

Deno.test("A full outbox drops its oldest final and counts it", () => {
  const { fanOut, sent, state, meter } = world(["l1"]);
  state.ready = false;
  for (let i = 0; i < LIMITS.outboxFinals + 2; i++) fanOut.deliver(caption("a", `s${i}`, true));
  assert.equal(fanOut.size, LIMITS.outboxFinals);
  assert.equal(meter.counted("tiro_queue_dropped_total", "caption_outbox"), 2);
  state.ready = true;
  fanOut.flush();
  assert.equal(sent[0], "l1:s2!");
  assert.equal(sent.length, LIMITS.outboxFinals);
});

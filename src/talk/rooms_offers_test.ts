/** Offers of a speaker, as the room has them answered: one under way, one waiting, and no faster than it is of use. */
import assert from "@std/assert";
import { LIMITS, type SdpOffer } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { type FakeSpeaker, withRooms } from "./testing_test.ts";

/** Holds the answers of a speaker back until they are let go. */
class SlowAnswers {
  readonly asked: SdpOffer[] = [];
  #held: PromiseWithResolvers<{ sdp: string }>[] = [];

  constructor(speaker: FakeSpeaker) {
    speaker.request = ({ offer }) => {
      this.asked.push(offer);
      const held = Promise.withResolvers<{ sdp: string }>();
      this.#held.push(held);
      return held.promise;
    };
  }

  get underWay(): number {
    return this.#held.length;
  }

  async release(): Promise<void> {
    for (const { resolve } of this.#held.splice(0)) resolve({ sdp: "answer" });
    await settle();
  }
}

const sidsOf = ({ asked }: SlowAnswers) => asked.map(({ sdp }) => sdp);

Deno.test("Of a flood of offers one is under way, and the newest waits", () =>
  withRooms(async ({ call, host, meter, clock }) => {
    const connection = await call();
    const answers = new SlowAnswers(host.get("hpb-s"));
    const offer = (sid: string, sdp: string) =>
      connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid, sdp } });
    offer("1", "first");
    await settle();
    for (let i = 0; i < 6_000; i++) offer("1", `flood ${i}`);
    await settle();
    assert.deepEqual(sidsOf(answers), ["first"]);
    assert.equal(answers.underWay, 1);
    assert.equal(meter.counted("tiro_queue_dropped_total", "offers"), 5_999);
    await answers.release();
    assert.deepEqual(sidsOf(answers), ["first", "flood 5999"]);
    await answers.release();
    await clock.advance(60_000);
    assert.deepEqual(sidsOf(answers), ["first", "flood 5999"], "nothing else was kept");
    assert.deepEqual(connection.answers, ["hpb-s/1", "hpb-s/1"]);
  }));

Deno.test("A connection is renegotiated once a second; what was asked for is answered at once", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    const answers = new SlowAnswers(host.get("hpb-s"));
    const offer = async (sid: string, sdp: string) => {
      connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid, sdp } });
      await settle();
      await answers.release();
    };
    await offer("1", "first");
    await offer("1", "camera on");
    assert.deepEqual(sidsOf(answers), ["first", "camera on"]);
    for (let i = 0; i < 50; i++) {
      await offer("1", `camera ${i}`);
      await clock.advance(LIMITS.renegotiateMs / 10);
      await answers.release();
    }
    assert.deepEqual(sidsOf(answers).slice(2), [
      "camera 9",
      "camera 19",
      "camera 29",
      "camera 39",
      "camera 49",
    ]);
    await offer("1", "camera off");
    assert.equal(sidsOf(answers).at(-1), "camera 49");
    await offer("2", "anew");
    assert.equal(sidsOf(answers).at(-1), "anew");
    await clock.advance(60_000);
    assert.equal(sidsOf(answers).at(-1), "anew", "the newer one took its place");
  }));

Deno.test("An answer that the SFU refuses ends that connection, and the speaker is asked for again", () =>
  withRooms(async ({ call, host, clock, meter, log }) => {
    const connection = await call();
    for (let time = 0; time < 3; time++) {
      connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: `${time}`, sdp: "v=0" } });
      await settle();
      connection.onEvent({ type: "answer_refused", sessionId: "hpb-s", sid: `${time}` });
      connection.onEvent({ type: "answer_refused", sessionId: "nobody", sid: `${time}` });
      await clock.advance(4_000);
    }
    assert.deepEqual(host.get("hpb-s").hungUp, ["0", "1", "2"]);
    assert.equal(connection.offersRequested.length, 4);
    assert.equal(host.opened.length, 1, "the utterance goes on");
    assert.equal(meter.counted("transcription_errors_total", "answer_refused"), 3);
    const warnings = log.lines.filter(({ level, message }) =>
      level === "warn" && message.startsWith("answer")
    );
    assert.equal(warnings.length, 1);
  }));

Deno.test("An offer that waits for a pipeline that broke is forgotten with it", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    const broken = host.get("hpb-s");
    const answers = new SlowAnswers(broken);
    for (const sdp of ["first", "second"]) {
      connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: "1", sdp } });
      await settle();
    }
    broken.events.failed(new Error("worker lost"));
    await answers.release();
    await clock.advance(10_000);
    const replaced = new SlowAnswers(host.get("hpb-s"));
    assert.notEqual(host.get("hpb-s"), broken);
    connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: "2", sdp: "third" } });
    await settle();
    assert.deepEqual(sidsOf(answers), ["first"]);
    assert.deepEqual(sidsOf(replaced), ["third"]);
    await replaced.release();
  }));

Deno.test("What waits to renegotiate a connection goes with it when its answer is refused", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    const answers = new SlowAnswers(host.get("hpb-s"));
    for (const sdp of ["first", "second", "third"]) {
      connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: "1", sdp } });
      await settle();
      if (sdp === "first") await answers.release();
    }
    connection.onEvent({ type: "answer_refused", sessionId: "hpb-s", sid: "1" });
    await answers.release();
    await clock.advance(60_000);
    assert.deepEqual(sidsOf(answers), ["first", "second"]);
  }));

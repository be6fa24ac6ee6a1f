/** Who is subscribed to when, and who is not taken: the line of all rooms, and admission. */
import assert from "@std/assert";
import { LIMITS, type Refusal } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { type FakeSignaling, type makeRooms, unreachable, withRooms } from "./testing_test.ts";

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

/** The order in which a crowd of one call is asked for, of which so many are under way at once. */
function byTurns(crowd: readonly string[], atOnce: number): string[] {
  const rest = crowd.slice(atOnce);
  const turns = crowd.slice(atOnce).map((_, at) => at % 2 === 0 ? rest.shift()! : rest.pop()!);
  return [...crowd.slice(0, atOnce), ...turns];
}

const CROWD = { speakersPerRoomMax: 500 };

Deno.test("Of a hundred who join at once twenty are subscribed to at a time, one after the other, and in the end all", () =>
  withRooms(async ({ call, host, meter }) => {
    const connection = await call();
    host.get("hpb-s").events.receiving();
    const crowd = names("s", 100);
    connection.inCall("hpb-s", ...crowd);
    const waiting = meter.gauges.get("tiro_joins_waiting")!;
    const underWay = meter.gauges.get("tiro_joins_under_way")!;
    assert.deepEqual([underWay(), waiting()], [LIMITS.joinsAtOnce, 100 - LIMITS.joinsAtOnce]);
    assert.equal(host.opened.length, 1 + LIMITS.joinsAtOnce, "who waits costs nothing yet");
    const order = byTurns(crowd, LIMITS.joinsAtOnce);
    for (const id of order) {
      connection.onEvent({ type: "offer", from: id, offer: { sid: id, sdp: "offer" } });
      await settle();
      assert.ok(underWay() <= LIMITS.joinsAtOnce);
      host.get(id).events.receiving();
      await settle();
    }
    assert.deepEqual(connection.offersRequested, ["hpb-s", ...order]);
    assert.deepEqual(connection.answers, order.map((id) => `${id}/${id}`));
    assert.deepEqual([underWay(), waiting()], [0, 0]);
  }, CROWD));

Deno.test("All calls share one queue, and alternate in it", () =>
  withRooms(async ({ call, host }) => {
    const small = await call("small");
    host.get("hpb-s").events.receiving();
    const large = await call("large");
    large.inCall("hpb-s", ...names("l", 30));
    small.inCall("hpb-s", "late");
    assert.deepEqual(small.offersRequested, ["hpb-s"]);
    assert.equal(large.offersRequested.length, LIMITS.joinsAtOnce);
    host.get("l0").events.receiving();
    await settle();
    assert.equal(large.offersRequested.length, LIMITS.joinsAtOnce + 1);
    host.get("l1").events.receiving();
    await settle();
    assert.deepEqual(small.offersRequested, ["hpb-s", "late"], "nine of the other call were there before");
  }, CROWD));

Deno.test("A speaker who leaves while queued is not requested, and one who leaves while joining frees a slot", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    const crowd = names("s", 30);
    connection.inCall("hpb-s", ...crowd);
    const asked = connection.offersRequested.length;
    const stay = crowd.filter((id) => id !== "s25" && id !== "s3");
    connection.inCall("hpb-s", ...stay);
    await settle();
    assert.equal(connection.offersRequested.length, asked + 1);
    for (let joined = 0; joined < stay.length; joined++) {
      host.get(connection.offersRequested.filter((id) => stay.includes(id))[joined]).events.receiving();
      await settle();
    }
    assert.ok(!connection.offersRequested.includes("s25"));
    const [first, ...others] = connection.offersRequested;
    assert.equal(first, "hpb-s");
    assert.deepEqual(others.toSorted(), crowd.filter((id) => id !== "s25").toSorted());
  }, CROWD));

Deno.test("Nobody is asked for on the way out of a call, and the others' speakers are", () =>
  withRooms(async ({ call, rooms, signaling }) => {
    const left = await call("left");
    left.inCall("hpb-s", ...names("s", 50));
    const other = await call("other");
    assert.deepEqual(other.offersRequested, []);
    rooms.leave("left");
    await settle();
    assert.equal(signaling[0].offersRequested.length, LIMITS.joinsAtOnce);
    assert.deepEqual(other.offersRequested, ["hpb-s"]);
  }, CROWD));

Deno.test("Who is leaving is not asked for any more, whatever happens while the last words come", () =>
  withRooms(async ({ call, clock, host }) => {
    const connection = await call();
    const speech = Promise.withResolvers<void>();
    const speaker = host.get("hpb-s");
    speaker.lastWords = speech.promise;
    connection.inCall();
    speaker.events.source({ type: "needs_offer", reason: "rtp_silent" });
    await clock.advance(60_000 - 1);
    assert.deepEqual(connection.offersRequested, ["hpb-s"]);
    speech.resolve();
    await settle();
    assert.ok(speaker.disposed);
  }));

Deno.test("Speakers the SFU never offers, and those who never connect, delay no other for long", () =>
  withRooms(async ({ call, clock, meter }) => {
    const connection = await call();
    const crowd = names("s", 59);
    connection.inCall("hpb-s", ...crowd);
    for (const id of ["hpb-s", ...crowd].slice(0, LIMITS.joinsAtOnce)) {
      connection.onEvent({ type: "offer", from: id, offer: { sid: id, sdp: "offer" } });
    }
    await clock.advance(LIMITS.joinConnectMs - 1);
    assert.equal(connection.offersRequested.length, LIMITS.joinsAtOnce);
    await clock.advance(1);
    assert.equal(connection.offersRequested.length, 2 * LIMITS.joinsAtOnce);
    await clock.advance(LIMITS.joinOfferMs);
    assert.deepEqual(
      connection.offersRequested,
      byTurns(["hpb-s", ...crowd], LIMITS.joinsAtOnce),
      "each once: they are late, not refused",
    );
    await clock.advance(LIMITS.joinOfferMs);
    assert.equal(meter.gauges.get("tiro_joins_under_way")!(), 0);
  }, CROWD));

Deno.test("A speaker requested again after a failure is queued behind those never requested", () =>
  withRooms(async ({ call, clock, host }) => {
    const connection = await call();
    const crowd = names("s", 21);
    connection.inCall("hpb-s", ...crowd);
    connection.onEvent({ type: "offer_failed", sessionId: "hpb-s", code: "client_not_found" });
    await settle();
    assert.equal(connection.offersRequested.at(-1), "s19", "its place is free while it waits to ask again");
    await clock.advance(510);
    assert.equal(connection.offersRequested.length, 21);
    host.get("s0").events.source({ type: "needs_offer", reason: "transport_failed" });
    host.get("s1").events.receiving();
    await settle();
    assert.deepEqual(connection.offersRequested.slice(-2), ["s20", "hpb-s"]);
    await clock.advance(510);
    host.get("s2").events.receiving();
    await settle();
    assert.equal(connection.offersRequested.at(-1), "s0");
  }, CROWD));

Deno.test("Who could not be asked for, since too many are, waits as before", () =>
  withRooms(async ({ call, clock, host }) => {
    const connection = await call();
    connection.inCall("hpb-s", ...names("s", 21));
    connection.onEvent({ type: "offer_failed", sessionId: "hpb-s", code: "busy" });
    await clock.advance(510);
    assert.equal(connection.offersRequested.at(-1), "s19");
    host.get("s1").events.receiving();
    await settle();
    assert.equal(connection.offersRequested.at(-1), "hpb-s", "the newest by turns, before s20");
  }, CROWD));

Deno.test("A failure, a refusal or a broken pipeline while queued costs no place in the queue", () =>
  withRooms(async ({ call, clock, host }) => {
    const connection = await call();
    const crowd = ["hpb-s", ...names("s", 24)];
    connection.inCall(...crowd);
    for (const id of crowd) {
      host.get(id).events.receiving();
      await settle();
    }
    connection.join(false); // all are to be subscribed to again
    connection.inCall(...crowd);
    assert.deepEqual(connection.offersRequested.slice(25), crowd.slice(0, 20));
    host.get("s19").events.source({ type: "needs_offer", reason: "rtp_silent" });
    host.get("s20").events.failed(new Error("broken"));
    connection.onEvent({ type: "offer_failed", sessionId: "s21", code: "timeout" });
    await clock.advance(1_000);
    for (const id of crowd.slice(0, 5)) host.get(id).events.receiving();
    await settle();
    assert.deepEqual(connection.offersRequested.slice(45), ["s19", "s23", "s20", "s22", "s21"]);
    assert.deepEqual(host.opened.slice(25).map(({ id }) => id), ["s20"], "opened anew when its turn came");
  }, CROWD));

Deno.test("A crowd the host has no place for passes through the queue, and each speaker is logged once", () =>
  withRooms(async ({ call, clock, host, meter, log }) => {
    const connection = await call();
    host.get("hpb-s").events.receiving();
    host.isFull = true;
    connection.inCall("hpb-s", ...names("s", 100));
    assert.equal(meter.gauges.get("tiro_joins_waiting")!(), 0);
    assert.equal(meter.counted("transcription_errors_total", "busy"), 100);
    await clock.advance(2_000);
    assert.equal(meter.counted("transcription_errors_total", "busy"), 300);
    assert.equal(log.lines.filter(({ level }) => level === "warn").length, 100);
    assert.deepEqual(connection.offersRequested, ["hpb-s"]);
    host.isFull = false;
    await clock.advance(16_000);
    assert.equal(new Set(connection.offersRequested).size, 101);
  }, CROWD));

Deno.test("A host that fails for one speaker does not affect others in the queue, and is logged", () =>
  withRooms(async ({ call, clock, host, status, log }) => {
    const connection = await call();
    host.fault = new Error("broken");
    connection.inCall("hpb-s", "hpb-t");
    assert.deepEqual(log.lines.filter(({ level }) => level === "error").map(({ error }) => error), [
      host.fault,
    ]);
    assert.equal(status().speakers, 2);
    host.fault = undefined;
    await clock.advance(510);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-t"]);
  }));

const TIGHT: Refusal = { code: "memory", cause: "memory is short; wait" };

Deno.test("While no speaker is taken no new call is joined, and those there are go on", () =>
  withRooms(async ({ call, ask, admission, status, host, signaling }) => {
    const connection = await call();
    admission.refusal = TIGHT;
    const refused = { code: "memory", message: "Cannot join the call: memory is short; wait" };
    assert.throws(() => ask("other", "nc-2"), refused);
    assert.equal(signaling.length, 1);
    assert.equal(status().refusal, "memory");
    ask("room", "nc-2");
    connection.session("hpb-2", "nc-2");
    host.get("hpb-s").say("on");
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:on", "hpb-2<hpb-s:on"]);
    ask("other", "nc-2", { enable: false });
    admission.refusal = undefined;
    assert.equal(status().refusal, undefined);
    ask("other", "nc-2");
    assert.equal(signaling.length, 2);
    await settle();
  }));

Deno.test("A call that goes elsewhere, or was lost with the HPB, is no new one", () =>
  withRooms(async ({ call, ask, admission, clock, signaling }) => {
    const connection = await call();
    admission.refusal = TIGHT;
    connection.onEvent({ type: "switch_to", roomToken: "breakout" });
    await settle();
    const tokens = () => signaling.map(({ roomToken }) => roomToken);
    assert.deepEqual(tokens(), ["room", "breakout"]);
    signaling[1].onEvent({ type: "closed", error: unreachable() });
    await clock.advance(30_000);
    assert.deepEqual(tokens(), ["room", "breakout", "breakout"]);
    signaling[2].onEvent({ type: "closed", error: unreachable() });
    await settle();
    ask("breakout", "nc-l");
    assert.equal(signaling.length, 4);
  }));

Deno.test("An established connection frees its slot for the next, whether audio arrives on it or not", () =>
  withRooms(async ({ call, host, meter }) => {
    const connection = await call();
    connection.inCall("hpb-s", ...names("s", 60));
    for (let at = 0; at < 61; at++) {
      const id = connection.offersRequested[at];
      connection.onEvent({ type: "offer", from: id, offer: { sid: id, sdp: "offer" } });
      await settle();
      host.get(id).events.source({ type: "connected" });
      await settle();
    }
    assert.equal(new Set(connection.offersRequested).size, 61);
    assert.equal(meter.gauges.get("tiro_joins_under_way")!(), 0);
  }, CROWD));

/** Publishers the SFU offers and connects, and who send nothing, in steps of 100 ms. */
class SilentCrowd {
  readonly #due: { inSteps: number; act: () => void }[] = [];
  #seen: number;

  constructor(
    private readonly world: ReturnType<typeof makeRooms>,
    private readonly connection: FakeSignaling,
  ) {
    this.#seen = connection.offersRequested.length;
  }

  async pass(steps: number, isOver: () => boolean = () => false): Promise<void> {
    const { clock, host } = this.world;
    for (let step = 0; step < steps && !isOver(); step++) {
      for (const id of this.connection.offersRequested.slice(this.#seen)) {
        const offer = { type: "offer" as const, from: id, offer: { sid: id, sdp: "offer" } };
        this.#due.push({ inSteps: 1, act: () => this.connection.onEvent(offer) });
        this.#due.push({ inSteps: 3, act: () => host.get(id).events.source({ type: "connected" }) });
        this.#due.push({
          inSteps: 53,
          act: () => host.get(id).events.source({ type: "needs_offer", reason: "rtp_silent" }),
        });
      }
      this.#seen = this.connection.offersRequested.length;
      await clock.advance(100);
      const now = this.#due.splice(0).filter((each) => --each.inSteps === 0 || !this.#due.push(each));
      for (const { act } of now) act();
      await settle();
    }
  }
}

for (const where of ["another call", "their own call"]) {
  Deno.test(`Five hundred who publish and send nothing let a newcomer to ${where} go before them`, () =>
    withRooms(async (world) => {
      const { call, host } = world;
      const crowded = await call("crowded");
      host.get("hpb-s").events.receiving();
      const silent = new SilentCrowd(world, crowded);
      const other = where === "another call" ? await call("other") : crowded;
      host.get("hpb-s").events.receiving();
      const names500 = names("silent", 490);
      crowded.inCall("hpb-s", ...names500);
      const present = other === crowded ? ["hpb-s", ...names500] : ["hpb-s"];
      /** At most three of the crowd have a turn before them. */
      const assertGoesBefore = async (newcomer: string, when: string): Promise<void> => {
        let turns = NaN;
        const before = crowded.offersRequested.length;
        other.requestOffer = (id) => {
          if (id === newcomer) turns = crowded.offersRequested.length - before;
          other.offersRequested.push(id);
        };
        present.push(newcomer);
        other.inCall(...present);
        await silent.pass(50, () => !Number.isNaN(turns));
        assert.ok(turns <= 3, `${when}: ${turns}`);
        host.get(newcomer).events.receiving();
      };
      await assertGoesBefore("early", "while each of the crowd waits for the first turn");
      await silent.pass(1_000);
      assert.ok(crowded.offersRequested.length > 490 * 4, "each was asked for again and again");
      await assertGoesBefore("late", "while the crowd is asked for again");
    }, CROWD));
}

Deno.test("When all places are taken, a silent speaker releases one for a speaker never requested, and not before", () =>
  withRooms(async ({ ask, call, clock, host, meter, admission, signaling }) => {
    host.placesMax = 4;
    const crowded = await call("crowded");
    host.get("hpb-s").events.receiving();
    const silent = names("silent", 3);
    crowded.inCall("hpb-s", ...silent);
    for (const id of silent) host.get(id).events.source({ type: "needs_offer", reason: "rtp_silent" });
    await settle();
    const disposed = () => host.opened.filter(({ disposed }) => disposed).map(({ id }) => id);
    assert.deepEqual(disposed(), [], "what they may send arrives at once");

    admission.refusal = { code: "speakers_max", cause: "all places are taken" };
    const other = await call("other");
    assert.equal(signaling.length, 2, "a new call is joined: there is room to be made");
    await clock.advance(1_000);
    assert.deepEqual(disposed(), ["silent0"]);
    assert.deepEqual(other.offersRequested, ["hpb-s"]);
    host.get("hpb-s").events.receiving();
    assert.equal(meter.counted("tiro_places_given_up_total", "silent"), 1);

    for (const id of ["silent1", "silent2"]) host.get(id).events.receiving();
    crowded.inCall("hpb-s", ...silent, "late");
    await clock.advance(60_000);
    assert.deepEqual(disposed(), ["silent0"], "who is received keeps the place");
    assert.ok(!crowded.offersRequested.includes("late"));
    assert.throws(() => ask("third", "nc-l"), { code: "speakers_max" });
    admission.refusal = undefined;
    host.placesMax = 6;
    await clock.advance(20_000);
    assert.ok(crowded.offersRequested.includes("late"));
    assert.deepEqual(host.opened.filter(({ id }) => id === "silent0").length, 2, "and asks again");
  }, CROWD));

Deno.test("More silent speakers than places use the places in rotation", () =>
  withRooms(async (world) => {
    const { call, host } = world;
    host.placesMax = 5;
    const connection = await call();
    host.get("hpb-s").events.receiving();
    const silent = names("silent", 8);
    const crowd = new SilentCrowd(world, connection);
    connection.inCall("hpb-s", ...silent);
    await crowd.pass(1_200);
    for (const id of silent) {
      assert.ok(connection.offersRequested.filter((each) => each === id).length >= 2, `${id} had turns`);
    }
    assert.ok(!host.get("hpb-s").disposed, "who is received keeps the place");
  }, CROWD));

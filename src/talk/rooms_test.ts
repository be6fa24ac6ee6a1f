import assert from "@std/assert";
import {
  type Caption,
  type HostedSpeaker,
  type IceCandidate,
  type IceServer,
  InvalidRequestError,
  LIMITS,
  NotFoundError,
  PreconditionError,
  type Refusal,
  type SdpOffer,
  SignalingError,
  type SpeakerEvents,
  type SpeakerHost,
  type SpeakerOptions,
  TranslationError,
  type TranslationRequest,
  type Translations,
  UnavailableError,
} from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import type { RoomSignaling } from "./room.ts";
import { TalkRooms } from "./rooms.ts";
import type { SignalingEvent } from "./signaling/mod.ts";

class FakeSignaling implements RoomSignaling {
  isJoined = false;
  isFull = false;
  started = false;
  saidBye = false;
  readonly offersRequested: string[] = [];
  readonly answers: string[] = [];
  readonly transcripts: string[] = [];
  byeFault: Error | undefined;

  constructor(
    readonly roomToken: string,
    readonly scope: Scope,
    readonly onEvent: (event: SignalingEvent) => void,
  ) {}
  get canSend() {
    return this.isJoined && !this.isFull;
  }
  start() {
    this.started = true;
  }
  join(resumed = false) {
    this.isJoined = true;
    this.onEvent({ type: "joined", resumed });
  }
  session(sessionId: string, ncSessionId: string) {
    this.onEvent({ type: "sessions_joined", sessions: [{ sessionId, ncSessionId, internal: false }] });
  }
  inCall(...sessionIds: string[]) {
    const users = sessionIds.map((sessionId) => ({ sessionId, inCall: 3, internal: false }));
    this.onEvent({ type: "participants", users });
  }
  requestOffer(sessionId: string) {
    this.offersRequested.push(sessionId);
  }
  sendAnswer(sessionId: string, sid: string) {
    this.answers.push(`${sessionId}/${sid}`);
  }
  sendTranscript(to: string, transcript: { text: string; speakerSessionId: string; final: boolean }) {
    this.transcripts.push(
      `${to}<${transcript.speakerSessionId}:${transcript.text}${transcript.final ? "!" : ""}`,
    );
    return true;
  }
  bye() {
    this.saidBye = true;
    return this.byeFault ? Promise.reject(this.byeFault) : Promise.resolve();
  }
}

class FakeSpeaker implements HostedSpeaker {
  drained = false;
  disposed = false;
  languageId: string;
  refuseOffers = false;
  disposeFault: Error | undefined;
  /** What draining waits for. */
  lastWords: Promise<void> = Promise.resolve();

  constructor(readonly id: string, options: SpeakerOptions, readonly events: SpeakerEvents) {
    this.languageId = options.languageId;
  }
  iceServers: readonly IceServer[] = [];
  answer(_offer: SdpOffer, iceServers: readonly IceServer[]): Promise<{ sdp: string }> {
    this.iceServers = iceServers;
    return this.refuseOffers ? Promise.reject(new Error("no")) : Promise.resolve({ sdp: "answer" });
  }
  readonly candidates: string[] = [];
  addCandidate(sid: string, { candidate }: IceCandidate) {
    this.candidates.push(`${sid} ${candidate}`);
  }
  setLanguage(languageId: string) {
    this.languageId = languageId;
  }
  async drain(): Promise<void> {
    this.drained = true;
    await this.lastWords;
    this.say("last words", true);
  }
  [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true;
    return this.disposeFault ? Promise.reject(this.disposeFault) : Promise.resolve();
  }
  say(text: string, final = false) {
    const caption: Caption = {
      speakerId: this.id,
      utterance: 0,
      revision: 0,
      languageId: this.languageId,
      text,
      final,
      spoken: { startMs: 0, endMs: 0 },
      heardAtMs: 0,
    };
    this.events.caption(caption);
  }
}

class FakeHost implements SpeakerHost {
  readonly opened: FakeSpeaker[] = [];
  isFull = false;
  fault: Error | undefined;
  open(options: SpeakerOptions, events: SpeakerEvents): HostedSpeaker {
    if (this.fault) throw this.fault;
    if (this.isFull) throw new UnavailableError("Cannot caption a speaker: full", "busy");
    const speaker = new FakeSpeaker(options.speaker.id, options, events);
    this.opened.push(speaker);
    return speaker;
  }
  get(id: string): FakeSpeaker {
    return this.opened.findLast((speaker) => speaker.id === id)!;
  }
}

/** Knows German and Arabic; answers when the test says so. */
class FakeTranslations implements Translations {
  fault: TranslationError | undefined;
  readonly requests: (TranslationRequest & PromiseWithResolvers<string>)[] = [];
  get isAvailable() {
    return !this.fault;
  }
  languages() {
    if (this.fault) throw this.fault;
    return { origin: [language("en")], target: [language("de"), language("ar")] };
  }
  checkPair(originId: string, targetId: string) {
    const { target } = this.languages();
    if (originId === targetId || !target.some(({ id }) => id === targetId)) {
      throw new InvalidRequestError("langId: no", "langId");
    }
  }
  translate(request: TranslationRequest) {
    const answer = Promise.withResolvers<string>();
    this.requests.push({ ...request, ...answer });
    return answer.promise;
  }
  async answer() {
    for (const { text, targetId, resolve } of this.requests) resolve(`${text}-${targetId}`);
    await settle();
  }
}

const language = (id: string) => ({ id, name: id, metadata: { separator: " ", rtl: false } });

async function withRooms(
  test: (world: ReturnType<typeof makeRooms>) => Promise<void>,
  options: Options = {},
) {
  const world = makeRooms(options);
  await test(world);
  await world.scope[Symbol.asyncDispose]();
  assert.equal(world.clock.pending, 0, "no timer outlives the rooms");
  assert.ok(world.host.opened.every(({ disposed }) => disposed), "every speaker is disposed");
  assert.equal(world.scope.size, 0);
}

interface Options {
  translates?: boolean;
  speakersPerRoomMax?: number;
}

function makeRooms({ translates = true, speakersPerRoomMax = 3 }: Options) {
  const translations = new FakeTranslations();
  const clock = new FakeClock();
  const scope = new Scope("server");
  const host = new FakeHost();
  const meter = new FakeMeter();
  const log = new FakeLog();
  const signaling: FakeSignaling[] = [];
  const admission: { refusal: Refusal | undefined } = { refusal: undefined };
  const rooms = new TalkRooms({
    hpbUrl: "ws://unused",
    internalSecret: "unused",
    nextcloudUrl: "http://unused",
    tls: {},
    languages: [language("en"), language("fr"), language("de")],
    translations: translates ? translations : undefined,
    host,
    admission,
    settings: { iceServers: () => Promise.resolve([]) },
    roomsMax: 2,
    speakersPerRoomMax,
    emptyRoomMs: 60_000,
    scope,
    clock,
    log,
    meter,
    connect: (roomToken, scope, onEvent) => {
      const connection = new FakeSignaling(roomToken, scope, onEvent);
      signaling.push(connection);
      return connection;
    },
  });
  const ask = (roomToken: string, ncSessionId: string, more = {}) =>
    rooms.transcribe({ roomToken, ncSessionId, enable: true, languageId: "en", turnServers: [], ...more });
  /** A room with a listener who is here and one speaker. */
  const call = async (roomToken = "room") => {
    ask(roomToken, "nc-l");
    const connection = signaling.at(-1)!;
    connection.join();
    connection.session("hpb-l", "nc-l");
    connection.session("hpb-s", "nc-s");
    connection.inCall("hpb-s");
    await settle();
    return connection;
  };
  return { admission, clock, scope, host, meter, log, signaling, rooms, translations, ask, call };
}

Deno.test("The first request joins, the second one for the room does not", () =>
  withRooms(async ({ ask, signaling, rooms }) => {
    ask("room", "nc-1");
    ask("room", "nc-2");
    assert.equal(signaling.length, 1);
    assert.ok(signaling[0].started);
    assert.equal(rooms.status().rooms, 1);
    await settle();
  }));

Deno.test("Someone in the call with audio is heard, others and internal clients are not", () =>
  withRooms(async ({ ask, signaling, host }) => {
    ask("room", "nc-1");
    signaling[0].join();
    signaling[0].onEvent({
      type: "participants",
      users: [
        { sessionId: "talks", inCall: 7, internal: false },
        { sessionId: "no-audio", inCall: 1, internal: false },
        { sessionId: "lobby", inCall: 0, internal: false },
        { sessionId: "us", inCall: 3, internal: true },
      ],
    });
    await settle();
    assert.deepEqual(host.opened.map(({ id }) => id), ["talks"]);
    assert.deepEqual(signaling[0].offersRequested, ["talks"]);
  }));

Deno.test("An offer is answered on its sid and captions reach the listener with the speaker's session", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: "7", sdp: "offer" } });
    await settle();
    assert.deepEqual(connection.answers, ["hpb-s/7"]);
    host.get("hpb-s").say("hello");
    host.get("hpb-s").say("hello.", true);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:hello", "hpb-l<hpb-s:hello.!"]);
  }));

Deno.test("A listener taken off gets no more captions, one who joins later does", () =>
  withRooms(async ({ call, host, ask }) => {
    const connection = await call();
    ask("room", "nc-l", { enable: false });
    ask("room", "nc-late");
    host.get("hpb-s").say("one");
    connection.session("hpb-late", "nc-late");
    host.get("hpb-s").say("two");
    assert.deepEqual(connection.transcripts, ["hpb-late<hpb-s:two"]);
  }));

Deno.test("A speaker who leaves the call is drained, their last words sent, and comes back as new", () =>
  withRooms(async ({ call, host, rooms }) => {
    const connection = await call();
    connection.inCall();
    await settle();
    assert.ok(host.opened[0].drained && host.opened[0].disposed);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:last words!"]);
    assert.equal(rooms.status().speakers, 0);
    connection.inCall("hpb-s");
    assert.equal(host.opened.length, 2);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-s"]);
  }));

Deno.test("A speaker whose audio goes away is asked for again after 500 ms, then ever more slowly", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    const { events } = host.get("hpb-s");
    events.needsOffer("rtp_silent");
    await clock.advance(490);
    assert.equal(connection.offersRequested.length, 1);
    await clock.advance(20);
    assert.equal(connection.offersRequested.length, 2);
    connection.onEvent({ type: "offer_failed", sessionId: "hpb-s", code: "client_not_found" });
    await clock.advance(900);
    assert.equal(connection.offersRequested.length, 2);
    await clock.advance(200);
    assert.equal(connection.offersRequested.length, 3);
    events.heard();
    events.needsOffer("transport_failed");
    await clock.advance(510);
    assert.equal(connection.offersRequested.length, 4);
  }));

Deno.test("A speaker whose audio is back before the wait is over is not asked for again", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    const { events } = host.get("hpb-s");
    events.heard();
    events.needsOffer("rtp_silent");
    await clock.advance(490);
    events.heard();
    await clock.advance(60_000);
    assert.deepEqual(connection.offersRequested, ["hpb-s"], "a new offer would replace what works");
    events.needsOffer("rtp_silent");
    await clock.advance(510);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-s"]);
  }));

Deno.test("A speaker the host has no room for is tried again, and costs the call nothing", () =>
  withRooms(async ({ call, host, clock, meter }) => {
    host.isFull = true;
    const connection = await call();
    assert.deepEqual(connection.offersRequested, [], "nobody could answer an offer");
    assert.equal(meter.counted("transcription_errors_total", "busy"), 1);
    await clock.advance(510);
    assert.equal(meter.counted("transcription_errors_total", "busy"), 2);
    host.isFull = false;
    await clock.advance(1_010);
    assert.deepEqual(connection.offersRequested, ["hpb-s"]);
    assert.equal(host.opened.length, 1);
  }));

Deno.test("An offer that cannot be answered is asked for again and costs nothing else", () =>
  withRooms(async ({ call, host, clock, meter }) => {
    const connection = await call();
    host.get("hpb-s").refuseOffers = true;
    connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: "7", sdp: "bad" } });
    await clock.advance(510);
    assert.equal(connection.offersRequested.length, 2);
    assert.equal(meter.counted("transcription_errors_total", "unexpected"), 1);
  }));

Deno.test("A pipeline that breaks is replaced for its speaker alone", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t");
    host.get("hpb-s").events.failed(new Error("broken"));
    await clock.advance(510);
    assert.deepEqual(host.opened.map(({ id }) => id), ["hpb-s", "hpb-t", "hpb-s"]);
    assert.ok(host.opened[0].disposed && !host.opened[1].disposed);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-t", "hpb-s"]);
    host.get("hpb-s").say("back");
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:back"]);
  }));

Deno.test("A pipeline that breaks as soon as it is opened is opened again ever more slowly", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    const breaks = async (seconds: number) => {
      for (let ms = 0; ms < seconds * 1000; ms += 50) {
        const { events, disposed } = host.get("hpb-s");
        if (!disposed) events.failed(new Error("broken"));
        await clock.advance(50);
      }
    };
    await breaks(10);
    assert.equal(host.opened.length, 5, "after 0.5, 1, 2 and 4 s");
    connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: "7", sdp: "void" } });
    await settle();
    assert.deepEqual(connection.answers, [], "nobody is there to answer");
    await clock.advance(16_000);
    host.get("hpb-s").events.heard();
    host.get("hpb-s").say("back");
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:back"]);
  }));

Deno.test("A pipeline that cannot be closed cleanly costs its speaker nothing", () =>
  withRooms(async ({ call, host, clock, rooms }) => {
    const connection = await call();
    const broken = host.get("hpb-s");
    broken.disposeFault = new Error("unclean");
    broken.events.failed(new Error("broken"));
    await clock.advance(510);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-s"]);
    host.get("hpb-s").disposeFault = new Error("unclean");
    connection.inCall();
    await settle();
    connection.inCall("hpb-t");
    assert.equal(rooms.status().rooms, 1);
    assert.equal(rooms.status().speakers, 1);
  }));

Deno.test("After a full re-join speakers still in the call are subscribed again, the others closed", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t");
    connection.onEvent({ type: "disconnected" });
    connection.isJoined = false;
    host.get("hpb-s").say("while away", true);
    connection.join(false);
    connection.session("hpb-l", "nc-l");
    connection.inCall("hpb-s");
    await settle();
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-t", "hpb-s"]);
    assert.ok(host.get("hpb-t").disposed && !host.get("hpb-s").disposed);
  }));

Deno.test("Subscribed again after a full re-join, speakers are left alone by the lists that follow", () =>
  withRooms(async ({ call }) => {
    const connection = await call();
    connection.join(false);
    connection.inCall("hpb-s");
    connection.inCall("hpb-s", "hpb-t");
    connection.inCall("hpb-s", "hpb-t");
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-s", "hpb-t"]);
  }));

Deno.test("After a full re-join nothing is sent to sessions of before", () =>
  withRooms(async ({ call, host, rooms }) => {
    const connection = await call();
    connection.join(false);
    assert.equal(rooms.status().listeners, 0);
    connection.session("hpb-x", "nc-x");
    host.get("hpb-s").say("one", true);
    assert.deepEqual(connection.transcripts, []);
  }));

Deno.test("A speaker who leaves the room is closed without waiting for a list", () =>
  withRooms(async ({ call, host, rooms }) => {
    const connection = await call();
    connection.onEvent({ type: "sessions_left", sessionIds: ["hpb-s"] });
    await settle();
    assert.ok(host.get("hpb-s").drained && host.get("hpb-s").disposed);
    assert.equal(rooms.status().speakers, 0);
  }));

Deno.test("The SFU's candidates reach their speaker, with their sid", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t");
    const candidate = { candidate: "c", sdpMLineIndex: 0 };
    connection.onEvent({ type: "candidate", from: "hpb-t", sid: "7", candidate });
    connection.onEvent({ type: "candidate", from: "stranger", sid: "8", candidate });
    assert.deepEqual(host.get("hpb-t").candidates, ["7 c"]);
    assert.deepEqual(host.get("hpb-s").candidates, []);
  }));

Deno.test("Only speakers whose audio arrives count as heard", () =>
  withRooms(async ({ call, host, meter }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t");
    const heard = meter.gauges.get("tiro_speakers_heard")!;
    assert.equal(heard(), 0);
    host.get("hpb-s").events.heard();
    assert.equal(heard(), 1);
    host.get("hpb-s").events.needsOffer("rtp_silent");
    assert.equal(heard(), 0);
  }));

Deno.test("Captions wait while signalling is away and come in order when it is resumed", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.isJoined = false;
    connection.onEvent({ type: "disconnected" });
    host.get("hpb-s").say("one.", true);
    host.get("hpb-s").say("two");
    assert.deepEqual(connection.transcripts, []);
    connection.join(true);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:one.!", "hpb-l<hpb-s:two"]);
  }));

Deno.test("Captions wait while the HPB takes none, and leave soon after it does", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    connection.isFull = true;
    host.get("hpb-s").say("one", true);
    host.get("hpb-s").say("two");
    host.get("hpb-s").say("two three");
    await clock.advance(1_000);
    assert.deepEqual(connection.transcripts, []);
    connection.isFull = false;
    await clock.advance(200);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:one!", "hpb-l<hpb-s:two three"]);
  }));

Deno.test("Captions that waited through a full re-join leave once the HPB has told who is here", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.isJoined = false;
    connection.onEvent({ type: "disconnected" });
    host.get("hpb-s").say("while away.", true);
    connection.join(false);
    assert.deepEqual(connection.transcripts, []);
    connection.session("hpb-l", "nc-l");
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:while away.!"]);
  }));

Deno.test("A room is left 60 s after its last listener has gone, not when one comes back in time", () =>
  withRooms(async ({ call, clock, rooms }) => {
    const connection = await call();
    connection.onEvent({ type: "sessions_left", sessionIds: ["hpb-l"] });
    await clock.advance(59_000);
    connection.session("hpb-l2", "nc-l");
    await clock.advance(120_000);
    assert.equal(rooms.status().rooms, 1);
    connection.onEvent({ type: "sessions_left", sessionIds: ["hpb-l2"] });
    await clock.advance(60_100);
    assert.equal(rooms.status().rooms, 0);
    assert.ok(connection.saidBye);
  }));

Deno.test("A room nobody ever comes to is left too, and so is one whose last listener is taken off", () =>
  withRooms(async ({ ask, call, clock, rooms }) => {
    ask("empty", "nc-nobody");
    await call();
    await clock.advance(60_100);
    assert.equal(rooms.status().rooms, 1);
    ask("room", "nc-l", { enable: false });
    await clock.advance(59_000);
    assert.equal(rooms.status().rooms, 1);
    ask("room", "nc-l");
    await clock.advance(120_000);
    assert.equal(rooms.status().rooms, 1);
    ask("room", "nc-l", { enable: false });
    await clock.advance(60_100);
    assert.equal(rooms.status().rooms, 0);
  }));

Deno.test("A call lost to signalling is counted and told with its error; one that ends by itself is no error", () =>
  withRooms(async ({ call, meter, log }) => {
    const error = new Error("gone");
    const ended = await call();
    ended.onEvent({ type: "call_ended" });
    await settle();
    assert.equal(meter.counted("transcription_errors_total", "signaling"), 0);
    (await call()).onEvent({ type: "closed", error: error as never });
    await settle();
    assert.equal(meter.counted("transcription_errors_total", "signaling"), 1);
    assert.deepEqual(log.lines.filter(({ level }) => level === "error").map(({ error }) => error), [error]);
  }));

for (
  const event of [
    { type: "call_ended" },
    { type: "room_deleted" },
    { type: "closed" },
  ] satisfies SignalingEvent[]
) {
  Deno.test(`The event ${event.type} cleans the room up`, () =>
    withRooms(async ({ call, host, rooms, scope }) => {
      const connection = await call();
      connection.onEvent(event);
      await settle();
      assert.equal(rooms.status().rooms, 0);
      assert.ok(host.get("hpb-s").disposed && connection.saidBye);
      assert.equal(scope.size, 0);
    }));
}

const unreachable = () =>
  new SignalingError("Cannot reach the HPB: test", { code: "unreachable", retryable: true });

Deno.test("A call lost with the HPB is brought back for its listeners once the HPB is there again", () =>
  withRooms(async ({ call, clock, rooms, signaling, host }) => {
    const connection = await call();
    rooms.setLanguage("room", "fr");
    connection.onEvent({ type: "closed", error: unreachable() });
    await settle();
    assert.equal(rooms.status().rooms, 0);
    await clock.advance(30_000);
    signaling[1].onEvent({ type: "closed", error: unreachable() });
    await clock.advance(30_000);
    signaling[2].join();
    signaling[2].session("hpb-l", "nc-l");
    signaling[2].inCall("hpb-s");
    host.get("hpb-s").say("back");
    assert.deepEqual(signaling[2].transcripts, ["hpb-l<hpb-s:back"]);
    assert.equal(host.get("hpb-s").languageId, "fr");
  }));

Deno.test("A lost call is not brought back without listeners, after leaving, after a final error, or for ever", () =>
  withRooms(async ({ call, ask, clock, rooms, signaling }) => {
    (await call("a")).onEvent({ type: "closed", error: unreachable() });
    ask("a", "nc-l", { enable: false });
    await clock.advance(30_000);
    (await call("b")).onEvent({ type: "closed", error: unreachable() });
    rooms.leave("b");
    await clock.advance(30_000);
    const final = new SignalingError("Cannot say hello: test", { code: "invalid_token", retryable: false });
    (await call("c")).onEvent({ type: "closed", error: final });
    await clock.advance(60_000);
    assert.deepEqual(signaling.slice(1).map(({ roomToken }) => roomToken), ["b", "c"]);

    (await call("d")).onEvent({ type: "closed", error: unreachable() });
    for (let i = 0; i < 40; i++) {
      await clock.advance(30_000);
      signaling.at(-1)!.onEvent({ type: "closed", error: unreachable() });
    }
    assert.equal(signaling.filter(({ roomToken }) => roomToken === "d").length, 21);
  }));

Deno.test("A lost call that is asked for again is opened at once for all who listened, and once", () =>
  withRooms(async ({ call, ask, clock, signaling, host }) => {
    (await call()).onEvent({ type: "closed", error: unreachable() });
    ask("room", "nc-2");
    signaling[1].join();
    signaling[1].session("hpb-l", "nc-l");
    signaling[1].session("hpb-2", "nc-2");
    signaling[1].inCall("hpb-s");
    host.get("hpb-s").say("hello");
    assert.deepEqual(signaling[1].transcripts, ["hpb-l<hpb-s:hello", "hpb-2<hpb-s:hello"]);
    await clock.advance(40_000);
    assert.equal(signaling.length, 2);
  }));

Deno.test("A breakout room is followed with the listeners and the language", () =>
  withRooms(async ({ call, rooms, signaling }) => {
    const connection = await call();
    rooms.setLanguage("room", "fr");
    connection.onEvent({ type: "switch_to", roomToken: "breakout" });
    await settle();
    assert.equal(rooms.status().rooms, 1);
    assert.equal(signaling[1].roomToken, "breakout");
    signaling[1].join();
    signaling[1].session("hpb-l", "nc-l");
    assert.equal(rooms.status().listeners, 1);
  }));

Deno.test("A room in which something breaks is over, told, and opened anew by the next request; others go on", () =>
  withRooms(async ({ call, ask, rooms, signaling, host, meter, log }) => {
    const broken = await call("broken");
    await call("sound");
    broken.scope.run(() => Promise.reject(new Error("broken invariant")));
    await settle();
    assert.equal(rooms.status().rooms, 1);
    assert.ok(host.opened[0].disposed && !host.opened[1].disposed);
    assert.equal(meter.counted("transcription_errors_total", "unexpected"), 1);
    assert.equal(log.lines.filter(({ message }) => message === "call lost").length, 1);
    ask("broken", "nc-l");
    assert.deepEqual(signaling.map(({ roomToken }) => roomToken), ["broken", "sound", "broken"]);
    assert.ok(signaling[2].started);
  }));

Deno.test("A room that cannot be left cleanly costs the other rooms nothing", () =>
  withRooms(async ({ call, rooms, scope, host, meter }) => {
    const unclean = await call("unclean");
    await call("sound");
    unclean.byeFault = new Error("broken");
    rooms.leave("unclean");
    await settle();
    assert.ok(!scope.signal.aborted);
    assert.ok(host.opened[0].disposed && !host.opened[1].disposed);
    assert.equal(meter.counted("transcription_errors_total", "unexpected"), 1);
    await call("another");
    assert.equal(rooms.status().rooms, 2);
  }));

Deno.test("Listeners sent to a room that is captioned already join those who listen there, in their language", () =>
  withRooms(async ({ call, ask, rooms, host, signaling, translations }) => {
    const main = await call("main");
    const breakout = await call("breakout");
    ask("breakout", "nc-m", { translationTargetId: "de" });
    breakout.onEvent({ type: "switch_to", roomToken: "main" });
    await settle();
    assert.equal(signaling.length, 2);
    assert.equal(rooms.status().rooms, 1);
    main.session("hpb-m2", "nc-m");
    host.opened[0].say("together", true);
    await translations.answer();
    assert.deepEqual(main.transcripts, ["hpb-l<hpb-s:together!", "hpb-m2<hpb-s:together-de!"]);
  }));

Deno.test("The newest TURN servers Talk gave for a call are used: the passwords of older ones run out", () =>
  withRooms(async ({ call, ask, host }) => {
    const turn = (password: string) => [{ urls: ["turn:a"], username: "1", credential: password }];
    const connection = await call();
    const offer = async (from: string) => {
      connection.onEvent({ type: "offer", from, offer: { sid: "1", sdp: "sdp" } });
      await settle();
      return host.get(from).iceServers;
    };
    ask("room", "nc-2", { turnServers: turn("old") });
    assert.deepEqual(await offer("hpb-s"), turn("old"));
    ask("room", "nc-3", { turnServers: turn("new") });
    ask("room", "nc-4");
    assert.deepEqual(await offer("hpb-s"), turn("new"));
  }));

Deno.test("A breakout room there is no place for is told, and ends the room it is left for like any other", () =>
  withRooms(async ({ call, rooms, meter, log, signaling }) => {
    await call("other");
    const connection = await call("main");
    connection.onEvent({ type: "switch_to", roomToken: "breakout" });
    await settle();
    assert.deepEqual(signaling.map(({ roomToken }) => roomToken), ["other", "main"]);
    assert.ok(connection.saidBye);
    assert.equal(rooms.status().rooms, 1);
    assert.equal(meter.counted("transcription_errors_total", "busy"), 1);
    assert.ok(log.lines.some(({ message }) => message === "call not followed"));
  }));

Deno.test("Leaving a room twice, or one that is not there, is fine", () =>
  withRooms(async ({ call, rooms }) => {
    await call();
    rooms.leave("room");
    rooms.leave("room");
    rooms.leave("elsewhere");
    await settle();
    assert.equal(rooms.status().rooms, 0);
  }));

Deno.test("A language is set for running speakers, checked, and needs a room", () =>
  withRooms(async ({ call, rooms, host }) => {
    await call();
    rooms.setLanguage("room", "fr");
    assert.equal(host.get("hpb-s").languageId, "fr");
    assert.throws(() => rooms.setLanguage("room", "xx"), InvalidRequestError);
    assert.throws(() => rooms.setLanguage("elsewhere", "fr"), NotFoundError);
  }));

Deno.test("Whoever comes later, and whose pipeline is replaced, is heard in the room's language", () =>
  withRooms(async ({ ask, signaling, rooms, host, clock }) => {
    ask("room", "nc-l", { languageId: "fr" });
    signaling[0].join();
    signaling[0].inCall("a");
    assert.equal(host.get("a").languageId, "fr");
    rooms.setLanguage("room", "de");
    signaling[0].inCall("a", "b");
    assert.equal(host.get("b").languageId, "de");
    host.get("a").events.failed(new Error("broken"));
    await clock.advance(510);
    assert.deepEqual(host.opened.map(({ id, languageId }) => id + languageId), ["ade", "bde", "ade"]);
  }));

Deno.test("A language nobody recognises starts nothing", () =>
  withRooms(async ({ ask, signaling }) => {
    assert.throws(() => ask("room", "nc-1", { languageId: "tlh" }), InvalidRequestError);
    assert.equal(signaling.length, 0);
    await settle();
  }));

Deno.test("Rooms and speakers are bounded, with an error that says so", () =>
  withRooms(async ({ ask, call, host, log }) => {
    const connection = await call();
    connection.inCall("a", "b", "c", "d", "e");
    assert.equal(host.opened.filter(({ disposed }) => !disposed).length, 3);
    assert.ok(log.lines.some(({ message }) => message.includes("room is full")));
    ask("room-2", "nc-2");
    assert.throws(() => ask("room-3", "nc-3"), UnavailableError);
    await settle();
  }));

Deno.test("Draining delivers last words, says bye everywhere and takes no new room", () =>
  withRooms(async ({ call, rooms, ask, host }) => {
    const connection = await call();
    await rooms.drain(AbortSignal.timeout(1_000));
    assert.ok(host.get("hpb-s").drained);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:last words!"]);
    assert.ok(connection.saidBye);
    assert.throws(() => ask("other", "nc-1"), UnavailableError);
  }));

Deno.test("The last words of a speaker who has just left, or of a room just left, are waited for by who ends more", () =>
  withRooms(async ({ call, rooms, host }) => {
    const speech = Promise.withResolvers<void>();
    const first = await call("first");
    const second = await call("second");
    for (const speaker of host.opened) speaker.lastWords = speech.promise;
    second.inCall();
    rooms.leave("first");
    const drained = rooms.drain(new AbortController().signal);
    await settle();
    assert.ok(!first.saidBye && !second.saidBye);
    speech.resolve();
    await drained;
    assert.deepEqual(first.transcripts, ["hpb-l<hpb-s:last words!"]);
    assert.deepEqual(second.transcripts, ["hpb-l<hpb-s:last words!"]);
    assert.ok(first.saidBye && second.saidBye);
  }));

Deno.test("Draining gives up on rooms and speakers that do not end when told to", () =>
  withRooms(async ({ call, rooms, host }) => {
    const speech = Promise.withResolvers<void>();
    await call("first");
    const second = await call("second");
    for (const speaker of host.opened) speaker.lastWords = speech.promise;
    second.inCall();
    rooms.leave("first");
    const enough = new AbortController();
    const drained = rooms.drain(enough.signal);
    await settle();
    enough.abort();
    await drained;
    speech.resolve();
  }));

Deno.test("Talk's order: a language asked for at once after enabling, before the session is known, is honoured", () =>
  withRooms(async ({ ask, rooms, signaling, host, translations }) => {
    ask("room", "nc-de");
    rooms.setTranslationTarget("room", "nc-de", "de");
    const [connection] = signaling;
    connection.join();
    connection.session("hpb-de", "nc-de");
    connection.inCall("hpb-s");
    await settle();
    host.get("hpb-s").say("hel");
    host.get("hpb-s").say("hello", true);
    assert.deepEqual(connection.transcripts, []);
    await translations.answer();
    assert.deepEqual(connection.transcripts, ["hpb-de<hpb-s:hello-de!"]);
  }));

Deno.test("A language may come with the request, be changed, and be taken back: then originals come at once", () =>
  withRooms(async ({ call, ask, rooms, host, translations }) => {
    const connection = await call();
    ask("room", "nc-l", { translationTargetId: "de" });
    host.get("hpb-s").say("one", true);
    ask("room", "nc-l");
    host.get("hpb-s").say("two", true);
    await translations.answer();
    ask("room", "nc-l", { translationTargetId: null });
    host.get("hpb-s").say("thr");
    rooms.setTranslationTarget("room", "nc-l", "ar");
    host.get("hpb-s").say("three", true);
    rooms.setTranslationTarget("room", "nc-l", null);
    await translations.answer();
    assert.deepEqual(connection.transcripts, [
      "hpb-l<hpb-s:one-de!",
      "hpb-l<hpb-s:two-de!",
      "hpb-l<hpb-s:thr",
      "hpb-l<hpb-s:three!",
    ]);
  }));

Deno.test("A language makes nobody in the room a listener", () =>
  withRooms(async ({ call, rooms, host, translations, ask }) => {
    const connection = await call();
    ask("room", "nc-l", { enable: false });
    rooms.setTranslationTarget("room", "nc-s", "de");
    host.get("hpb-s").say("one", true);
    await translations.answer();
    assert.deepEqual([connection.transcripts.length, translations.requests.length], [0, 0]);
    ask("room", "nc-s");
    host.get("hpb-s").say("two", true);
    await translations.answer();
    assert.deepEqual(connection.transcripts, ["hpb-s<hpb-s:two-de!"]);
  }));

Deno.test("A language needs a room, a participant, a translatable pair and a provider, in this order", () =>
  withRooms(async ({ call, rooms, ask, translations, signaling }) => {
    assert.throws(() => rooms.setTranslationTarget("room", "nc-l", "de"), NotFoundError);
    await call();
    assert.throws(() => rooms.setTranslationTarget("room", "nc-nobody", "de"), PreconditionError);
    assert.throws(() => rooms.setTranslationTarget("room", "nc-nobody", null), PreconditionError);
    for (const targetId of ["en", "tlh"]) {
      assert.throws(() => rooms.setTranslationTarget("room", "nc-l", targetId), InvalidRequestError);
      assert.throws(() => ask("room-2", "nc-2", { translationTargetId: targetId }), InvalidRequestError);
    }
    translations.fault = new TranslationError("off", { code: "off", retryable: false });
    assert.throws(() => rooms.setTranslationTarget("room", "nc-l", "de"), TranslationError);
    assert.throws(() => ask("room-2", "nc-2", { translationTargetId: "de" }), TranslationError);
    assert.equal(signaling.length, 1, "what is refused starts nothing");
    rooms.setTranslationTarget("room", "nc-l", null);
  }));

Deno.test("Without a provider nobody can ask for a language, and everybody for none", () =>
  withRooms(async ({ call, rooms, ask }) => {
    await call();
    const fatal = { code: "translation_no_provider", retryable: false };
    assert.throws(() => rooms.setTranslationTarget("room", "nc-l", "de"), fatal);
    assert.throws(() => ask("room", "nc-l", { translationTargetId: "de" }), fatal);
    rooms.setTranslationTarget("room", "nc-l", null);
    ask("room", "nc-l", { translationTargetId: null });
  }, { translates: false }));

Deno.test("Once the room speaks a listener's language, they get the originals, after what was being translated", () =>
  withRooms(async ({ call, rooms, host, translations }) => {
    const connection = await call();
    rooms.setTranslationTarget("room", "nc-l", "de");
    host.get("hpb-s").say("one", true);
    rooms.setLanguage("room", "de");
    host.get("hpb-s").say("zwei");
    await translations.answer();
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:one!", "hpb-l<hpb-s:zwei"]);
    rooms.setLanguage("room", "en");
    host.get("hpb-s").say("three", true);
    await translations.answer();
    assert.deepEqual(connection.transcripts.slice(2), ["hpb-l<hpb-s:three-de!"]);
  }));

Deno.test("A breakout room is followed in the listeners' languages", () =>
  withRooms(async ({ call, rooms, signaling, host, translations }) => {
    const connection = await call();
    rooms.setTranslationTarget("room", "nc-l", "de");
    connection.onEvent({ type: "switch_to", roomToken: "breakout" });
    await settle();
    await translations.answer();
    signaling[1].join();
    signaling[1].session("hpb-l", "nc-l");
    signaling[1].inCall("hpb-s");
    host.get("hpb-s").say("hello", true);
    await translations.answer();
    assert.deepEqual(signaling[1].transcripts, ["hpb-l<hpb-s:hello-de!"]);
  }));

Deno.test("Leaving a room waits for the last translations, and sends the originals of those that are late", () =>
  withRooms(async ({ call, rooms, host, translations }) => {
    const connection = await call();
    rooms.setTranslationTarget("room", "nc-l", "de");
    host.get("hpb-s").say("one", true);
    const late = new AbortController();
    const drained = rooms.drain(late.signal);
    await settle();
    translations.requests[0].resolve("eins");
    await settle();
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:eins!"]);
    assert.equal(connection.saidBye, false);
    late.abort();
    await drained;
    assert.deepEqual(connection.transcripts.slice(1), ["hpb-l<hpb-s:last words!"]);
    assert.ok(connection.saidBye);
  }));

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const CROWD = { speakersPerRoomMax: 500 };

Deno.test("Of a hundred who join at once twenty are subscribed to at a time, in order, and in the end all", () =>
  withRooms(async ({ call, host, meter }) => {
    const connection = await call();
    host.get("hpb-s").events.heard();
    const crowd = names("s", 100);
    connection.inCall("hpb-s", ...crowd);
    const waiting = meter.gauges.get("tiro_joins_waiting")!;
    const underWay = meter.gauges.get("tiro_joins_under_way")!;
    assert.deepEqual([underWay(), waiting()], [LIMITS.joinsAtOnce, 100 - LIMITS.joinsAtOnce]);
    assert.equal(host.opened.length, 1 + LIMITS.joinsAtOnce, "who waits costs nothing yet");
    for (const id of crowd) {
      connection.onEvent({ type: "offer", from: id, offer: { sid: id, sdp: "offer" } });
      await settle();
      assert.ok(underWay() <= LIMITS.joinsAtOnce);
      host.get(id).events.heard();
      await settle();
    }
    assert.deepEqual(connection.offersRequested, ["hpb-s", ...crowd]);
    assert.deepEqual(connection.answers, crowd.map((id) => `${id}/${id}`));
    assert.deepEqual([underWay(), waiting()], [0, 0]);
  }, CROWD));

Deno.test("All calls share one line", () =>
  withRooms(async ({ call, host }) => {
    const small = await call("small");
    host.get("hpb-s").events.heard();
    const large = await call("large");
    large.inCall("hpb-s", ...names("l", 30));
    small.inCall("hpb-s", "late");
    assert.deepEqual(small.offersRequested, ["hpb-s"]);
    assert.equal(large.offersRequested.length, LIMITS.joinsAtOnce);
    for (const id of names("l", 11)) host.get(id).events.heard();
    await settle();
    assert.deepEqual(small.offersRequested, ["hpb-s"], "eleven of the other call were there before");
    host.get("l11").events.heard();
    await settle();
    assert.deepEqual(small.offersRequested, ["hpb-s", "late"]);
  }, CROWD));

Deno.test("Who leaves while waiting is not asked for, and who leaves while joining makes room", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    const crowd = names("s", 30);
    connection.inCall("hpb-s", ...crowd);
    const asked = connection.offersRequested.length;
    const stay = crowd.filter((id) => id !== "s25" && id !== "s3");
    connection.inCall("hpb-s", ...stay);
    await settle();
    assert.equal(connection.offersRequested.length, asked + 1);
    for (const id of stay) {
      host.get(id).events.heard();
      await settle();
    }
    assert.ok(!connection.offersRequested.includes("s25"));
    assert.deepEqual(connection.offersRequested, ["hpb-s", ...crowd.filter((id) => id !== "s25")]);
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
    speaker.events.needsOffer("rtp_silent");
    await clock.advance(60_000 - 1);
    assert.deepEqual(connection.offersRequested, ["hpb-s"]);
    speech.resolve();
    await settle();
    assert.ok(speaker.disposed);
  }));

Deno.test("Those the SFU never offers, and those who never connect, keep nobody waiting for long", () =>
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
      ["hpb-s", ...crowd],
      "each once: they are late, not refused",
    );
    await clock.advance(LIMITS.joinOfferMs);
    assert.equal(meter.gauges.get("tiro_joins_under_way")!(), 0);
  }, CROWD));

Deno.test("Who is asked for again after trouble goes behind those who wait for their first time", () =>
  withRooms(async ({ call, clock, host }) => {
    const connection = await call();
    const crowd = names("s", 21);
    connection.inCall("hpb-s", ...crowd);
    connection.onEvent({ type: "offer_failed", sessionId: "hpb-s", code: "client_not_found" });
    await settle();
    assert.equal(connection.offersRequested.at(-1), "s19", "its place is free while it waits to ask again");
    await clock.advance(510);
    assert.equal(connection.offersRequested.length, 21);
    host.get("s0").events.needsOffer("transport_failed");
    host.get("s1").events.heard();
    await settle();
    assert.deepEqual(connection.offersRequested.slice(-2), ["s20", "hpb-s"]);
    await clock.advance(510);
    host.get("s2").events.heard();
    await settle();
    assert.equal(connection.offersRequested.at(-1), "s0");
  }, CROWD));

Deno.test("Trouble, a refusal and a broken pipeline while waiting cost nobody the place", () =>
  withRooms(async ({ call, clock, host }) => {
    const connection = await call();
    const crowd = ["hpb-s", ...names("s", 24)];
    connection.inCall(...crowd);
    for (const id of crowd) {
      host.get(id).events.heard();
      await settle();
    }
    connection.join(false); // all are to be subscribed to again
    connection.inCall(...crowd);
    assert.deepEqual(connection.offersRequested.slice(25), crowd.slice(0, 20));
    host.get("s19").events.needsOffer("rtp_silent");
    host.get("s20").events.failed(new Error("broken"));
    connection.onEvent({ type: "offer_failed", sessionId: "s21", code: "timeout" });
    await clock.advance(1_000);
    for (const id of crowd.slice(0, 3)) host.get(id).events.heard();
    await settle();
    assert.deepEqual(connection.offersRequested.slice(45), ["s19", "s20", "s21"]);
    assert.deepEqual(host.opened.slice(25).map(({ id }) => id), ["s20"], "opened anew when its turn came");
  }, CROWD));

Deno.test("A crowd the host has no room for passes through the line, and is told of once each", () =>
  withRooms(async ({ call, clock, host, meter, log }) => {
    const connection = await call();
    host.get("hpb-s").events.heard();
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

Deno.test("A host that breaks on one speaker costs the others of the line nothing, and is told", () =>
  withRooms(async ({ call, clock, host, rooms, log }) => {
    const connection = await call();
    host.fault = new Error("broken");
    connection.inCall("hpb-s", "hpb-t");
    assert.deepEqual(log.lines.filter(({ level }) => level === "error").map(({ error }) => error), [
      host.fault,
    ]);
    assert.equal(rooms.status().speakers, 2);
    host.fault = undefined;
    await clock.advance(510);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-t"]);
  }));

const TIGHT: Refusal = { code: "memory", cause: "memory is short; wait" };

Deno.test("While no speaker is taken no new call is joined, and those there are go on", () =>
  withRooms(async ({ call, ask, admission, rooms, host, signaling }) => {
    const connection = await call();
    admission.refusal = TIGHT;
    const refused = { code: "memory", message: "Cannot join the call: memory is short; wait" };
    assert.throws(() => ask("other", "nc-2"), refused);
    assert.equal(signaling.length, 1);
    assert.equal(rooms.status().refusal, "memory");
    ask("room", "nc-2");
    connection.session("hpb-2", "nc-2");
    host.get("hpb-s").say("on");
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:on", "hpb-2<hpb-s:on"]);
    ask("other", "nc-2", { enable: false });
    admission.refusal = undefined;
    assert.equal(rooms.status().refusal, undefined);
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

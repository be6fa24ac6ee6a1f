/** Rooms with everything around them in a test's hands: signalling, speakers, translations, time. */
import { SignalingError } from "./signaling/mod.ts";
import assert from "@std/assert";
import {
  type Caption,
  type ExpectedWords,
  foldLanguage,
  type HostedSpeaker,
  type IceServer,
  InvalidRequestError,
  isSameLanguage,
  type Refusal,
  type SessionObserver,
  type SourceKind,
  type SourceMessage,
  type SourceRequest,
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
import { Sessions, SpokenLanguages } from "../sessions/mod.ts";
import type { Participant, SignalingEvent } from "./signaling/mod.ts";

export class FakeSignaling implements RoomSignaling {
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
  disconnect() {
    this.isJoined = false;
    this.onEvent({ type: "disconnected" });
  }
  session(sessionId: string, ncSessionId: string) {
    this.onEvent({ type: "sessions_joined", sessions: [{ sessionId, ncSessionId, internal: false }] });
  }
  named(...names: string[]) {
    this.onEvent({ type: "names", names });
  }
  /** Those in the call with audio, all that is known of it. */
  inCall(...sessionIds: string[]) {
    this.participants(...sessionIds.map((sessionId) => ({ sessionId })));
  }
  /** All that is known of the call; in it with audio unless said otherwise. */
  participants(...users: (Partial<Participant> & { sessionId: string })[]) {
    const plain = { joined: true, inCall: 3, internal: false, virtual: false, stale: false };
    this.onEvent({ type: "participants", users: users.map((user) => ({ ...plain, ...user })) });
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

export class FakeSpeaker implements HostedSpeaker<"webrtc"> {
  drained = false;
  disposed = false;
  refuseOffers = false;
  answerFault: Error | undefined;
  disposeFault: Error | undefined;
  /** What draining waits for. */
  lastWords: Promise<void> = Promise.resolve();

  constructor(
    readonly id: string,
    public languageId: string,
    public words: ExpectedWords | undefined,
    readonly events: SpeakerEvents<"webrtc">,
  ) {}
  readonly closed = Promise.resolve(undefined);
  iceServers: readonly IceServer[] = [];
  request({ iceServers }: SourceRequest<"webrtc">): Promise<{ sdp: string }> {
    this.iceServers = iceServers;
    if (this.answerFault) return Promise.reject(this.answerFault);
    return this.refuseOffers ? Promise.reject(new Error("no")) : Promise.resolve({ sdp: "answer" });
  }
  readonly candidates: string[] = [];
  readonly hungUp: string[] = [];
  send(message: SourceMessage<"webrtc">) {
    if (message.type === "hang_up") this.hungUp.push(message.sid);
    else this.candidates.push(`${message.sid} ${message.candidate.candidate}`);
  }
  setLanguage(languageId: string) {
    this.languageId = languageId;
  }
  setWords(words: ExpectedWords) {
    this.words = words;
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
  say(text: string, final = false, more: Partial<Caption> = {}) {
    const caption: Caption = {
      speakerId: this.id,
      utterance: 0,
      revision: 0,
      languageId: this.languageId,
      text,
      final,
      spoken: { startMs: 0, endMs: 0 },
      receivedAtMs: 0,
      ...more,
    };
    this.events.caption(caption);
  }
}

export class FakeHost implements SpeakerHost {
  readonly opened: FakeSpeaker[] = [];
  isFull = false;
  placesMax = Infinity;
  fault: Error | undefined;
  open<Kind extends SourceKind>(
    options: SpeakerOptions<Kind>,
    events: SpeakerEvents<Kind>,
  ): HostedSpeaker<Kind> {
    if (this.fault) throw this.fault;
    const places = this.opened.filter(({ disposed }) => !disposed).length;
    if (this.isFull || places >= this.placesMax) {
      throw new UnavailableError("Cannot caption a speaker: full", "busy");
    }
    const speaker = new FakeSpeaker(
      options.speaker.id,
      options.languageId,
      options.words,
      events as SpeakerEvents as SpeakerEvents<"webrtc">,
    );
    this.opened.push(speaker);
    return speaker as HostedSpeaker as HostedSpeaker<Kind>;
  }
  get(id: string): FakeSpeaker {
    return this.opened.findLast((speaker) => speaker.id === id)!;
  }
}

/** Knows German, Arabic and European Portuguese; answers when the test says so. */
export class FakeTranslations implements Translations {
  fault: TranslationError | undefined;
  readonly requests: (TranslationRequest & PromiseWithResolvers<string>)[] = [];
  get isAvailable() {
    return !this.fault;
  }
  languages() {
    if (this.fault) throw this.fault;
    return { origin: [language("en")], target: ["de", "ar", "pt"].map(language) };
  }
  resolveTarget(originId: string, targetId: string) {
    const { target } = this.languages();
    const field = "translationTargetId";
    if (isSameLanguage(originId, targetId)) throw new InvalidRequestError("needs no translation", field);
    const id = foldLanguage(targetId, target.map(({ id }) => id));
    if (id === undefined) throw new InvalidRequestError("not a language the provider translates to", field);
    return id;
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

export const language = (id: string) => ({ id, name: id, metadata: { separator: " ", rtl: false } });

export async function withRooms(
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

export interface Options {
  translates?: boolean;
  /** What speech is recognised in. */
  languages?: readonly string[];
  defaultLanguage?: string;
  speakersPerRoomMax?: number;
  emptyRoomMs?: number;
  roomsMax?: number;
  listenersMax?: number;
  /** What recognisers take. */
  wordsTaken?: { words: boolean; names: boolean };
  observers?: readonly SessionObserver[];
}

export function makeRooms(
  {
    translates = true,
    languages = ["en", "fr", "de", "pt-br"],
    defaultLanguage,
    speakersPerRoomMax = 3,
    emptyRoomMs = 60_000,
    roomsMax = 2,
    listenersMax,
    wordsTaken,
    observers,
  }: Options,
) {
  const translations = new FakeTranslations();
  const clock = new FakeClock();
  const scope = new Scope("server");
  const host = new FakeHost();
  const meter = new FakeMeter();
  const log = new FakeLog();
  const signaling: FakeSignaling[] = [];
  const admission: { refusal: Refusal | undefined } = { refusal: undefined };
  const shared = { translations: translates ? translations : undefined, log, meter };
  const sessions = new Sessions({
    host,
    admission,
    wordsTaken,
    observers,
    sessionsMax: roomsMax,
    speakersPerSessionMax: speakersPerRoomMax,
    scope,
    clock,
    ...shared,
  });
  const rooms = new TalkRooms({
    hpbUrl: "ws://unused",
    internalSecret: "unused",
    nextcloudUrl: "http://unused",
    tls: {},
    languages: new SpokenLanguages({
      stt: { languages: languages.map(language) },
      wantedDefault: defaultLanguage,
      log,
      meter,
    }),
    sessions,
    settings: { iceServers: () => Promise.resolve([]) },
    emptyRoomMs,
    listenersMax,
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
  /** In Talk's words. */
  const status = () => {
    const { sessions: rooms, viewers: listeners, ...others } = sessions.status();
    return { rooms, listeners, ...others };
  };
  return {
    status,
    admission,
    clock,
    scope,
    host,
    meter,
    log,
    signaling,
    rooms,
    sessions,
    translations,
    ask,
    call,
  };
}

export const unreachable = () =>
  new SignalingError("Cannot reach the HPB: test", { code: "unreachable", retryable: true });

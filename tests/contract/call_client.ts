/**
 * The service's client of a call without the service: SignalingConnection and WebRtcReceiver, with their events kept for
 * a test to wait on. It connects to the HPB through a relay, so that a test can cut the connection.
 */
import assert from "@std/assert";
import { packetsOf } from "../fakes/packets.ts";
import { AudioLedger, type RtpPacket } from "../../src/domain/mod.ts";
import { Scope } from "../../src/flow/mod.ts";
import { type Participant, SignalingConnection, type SignalingEvent } from "../../src/talk/signaling/mod.ts";
import { WebRtcReceiver } from "../../src/webrtc/mod.ts";
import type { TestStack } from "../fakes/call.ts";
import { OpenGate } from "../fakes/open_gate.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { TcpRelay } from "../real/tcp_relay.ts";

/** The real HPB waits 10 s before it reports that a session does not publish. */
export const DEADLINE_MS = 20_000;
/** Retries at once, and several times a second. */
const BACKOFF = { baseMs: 50, maxMs: 200 };
/** Short, since a test waits for it; still ten times the delay of packets on a busy machine. */
const RTP_SILENCE_MS = 1_500;
/** A minute of packets. */
const RECEIVED_MAX = 3_000;

export type EventOf<T extends SignalingEvent["type"]> = Extract<SignalingEvent, { type: T }>;

export class CallClient implements AsyncDisposable {
  readonly events: SignalingEvent[] = [];
  /** The newest minute of audio packets of the subscribed speaker. */
  readonly received: RtpPacket[] = [];
  /** The answer to the last offer. */
  answerSdp = "";
  /** True once received audio has stopped. */
  fellSilent = false;
  readonly meter = new FakeMeter();
  readonly log = new FakeLog();
  readonly connection: SignalingConnection;
  readonly #relay: TcpRelay;
  readonly #scope = new Scope("test");
  readonly #watchers = new Set<() => void>();
  #receiver?: WebRtcReceiver;
  #listening?: Promise<void>;
  /** Events up to here have been returned by `next`. */
  #read = 0;

  /** Connects at once; `next("joined")` waits for it. */
  constructor(stack: TestStack, roomToken: string, options: { secret?: string } = {}) {
    this.#relay = new TcpRelay(Number(new URL(stack.hpbUrl).port));
    this.connection = new SignalingConnection({
      url: `http://127.0.0.1:${this.#relay.port}`,
      secret: options.secret ?? stack.internalSecret,
      nextcloudUrl: stack.nextcloudUrl,
      roomToken,
      scope: this.#scope,
      onEvent: (event) => {
        this.events.push(event);
        if (event.type === "candidate") this.#receiver?.addCandidate(event.sid, event.candidate);
        this.#changed();
      },
      gate: new OpenGate(),
      log: this.log,
      meter: this.meter,
      backoff: BACKOFF,
    });
    this.connection.start();
  }

  /** Connected, and in the room. */
  static async join(stack: TestStack, roomToken: string): Promise<CallClient> {
    const client = new CallClient(stack, roomToken);
    try {
      await client.next("joined");
      return client;
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The next event of this type that matches; earlier ones are skipped. */
  async next<T extends SignalingEvent["type"]>(
    type: T,
    matches: (event: EventOf<T>) => boolean = () => true,
  ): Promise<EventOf<T>> {
    const found = () =>
      this.events.findIndex((event, at) =>
        at >= this.#read && event.type === type && matches(event as EventOf<T>)
      );
    await this.until(type, () => found() >= 0);
    this.#read = found() + 1;
    return this.events[this.#read - 1] as EventOf<T>;
  }

  /** The next list in which everyone of `inCall` (by HPB session) has these flags; absent ones have 0. */
  async listed(inCall: Record<string, number>): Promise<Participant[]> {
    const flags = (users: readonly Participant[], sessionId: string) =>
      users.find((user) => user.sessionId === sessionId)?.inCall ?? 0;
    const { users } = await this.next(
      "participants",
      ({ users }) => Object.entries(inCall).every(([id, wanted]) => flags(users, id) === wanted),
    );
    return users;
  }

  /** Requests an offer and answers it; resolves with the first packet. */
  async listenTo(sessionId: string): Promise<void> {
    assert.equal(this.#receiver, undefined, "a client subscribes to one speaker");
    const receiver = this.#receiver = new WebRtcReceiver({
      ledger: new AudioLedger(),
      log: this.log,
      meter: this.meter,
      rtpSilenceMs: RTP_SILENCE_MS,
      onAudio: () => {},
      onAudioLost: () => {
        this.fellSilent = true;
        this.#changed();
      },
    });
    this.#listening = this.#listen(receiver);
    this.connection.requestOffer(sessionId);
    const { offer } = await this.next("offer", ({ from }) => from === sessionId);
    this.answerSdp = (await receiver.answer(offer, [])).sdp;
    this.connection.sendAnswer(sessionId, offer.sid, this.answerSdp);
    await this.until("audio", () => this.received.length > 0);
  }

  /** Cuts the connection to the HPB and refuses new ones, or accepts them again. */
  set isCutOff(cutOff: boolean) {
    this.#relay.refusing = cutOff;
  }

  /** Checked after every event and every packet. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const seen = () => this.events.map(({ type }) => type).join(" ");
    const timer = setTimeout(() => reject(new Error(`no ${what} in time, only: ${seen()}`)), DEADLINE_MS);
    const look = () => {
      if (holds()) resolve();
    };
    this.#watchers.add(look);
    look();
    try {
      await promise;
    } finally {
      this.#watchers.delete(look);
      clearTimeout(timer);
    }
  }

  /** Leaves with a bye, if it is connected. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#receiver?.[Symbol.asyncDispose]();
    await this.#listening;
    await this.connection.bye();
    await this.#scope[Symbol.asyncDispose]();
    await this.#relay[Symbol.asyncDispose]();
  }

  async #listen(receiver: WebRtcReceiver): Promise<void> {
    for await (const packet of packetsOf(receiver.source)) {
      if (this.received.length === RECEIVED_MAX) this.received.shift();
      this.received.push(packet);
      this.#changed();
    }
  }

  #changed(): void {
    for (const look of [...this.#watchers]) look();
  }
}

/**
 * Offers that a participant writes and the HPB relays, on real servers: nobody but the SFU is answered, a stranger's
 * socket receives nothing, and every word of the speakers beside it arrives. Words are those of the fake recogniser's
 * toy language.
 */
import assert from "@std/assert";
import type { TestParticipant, TestSpeaker } from "../fakes/call.ts";
import { HpbParticipant } from "../fakes/participant.ts";
import { padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { baseUrl, enable, eventually, finalText, metric, serviceFor } from "../integration/world.ts";
import { ownAddress } from "../real/janus.ts";
import { installedHpbVersions, onRealStack } from "../real/stack.ts";
import { WeriftPublisher } from "../real/werift_speaker.ts";
import { type Forged, forgedOffer, Stranger } from "./forged_offers.ts";

const DEADLINE_MS = 30_000;
const PHRASE = ["morning", "coffee", "window", "red", "north", "music", "river", "seven", "garden", "train"];
/** At once, as fast as a socket takes them. */
const OFFERS = 300;
/** Of an address that does not answer, over 3 s. */
const CHECKS = 7;
const IGNORED = 'tiro_signaling_ignored_total{reason="';

/** A call with an honest speaker, and a guest who says that they send audio. */
interface Forging {
  guest: HpbParticipant;
  /** Where the guest's offers have the service send to. */
  stranger: Stranger;
  /** Sends what the guest wrote to the service's session, or to the room. */
  forge(to: "session" | "room", forged?: Partial<Forged>): void;
  /** The honest speaker says all their words, and all of them are captioned. */
  speak(): Promise<void>;
  heard(speakers: number): Promise<void>;
  metric(line: string): Promise<number>;
}

function onCall(name: string, test: (forging: Forging) => Promise<void>): void {
  for (const hpbVersion of installedHpbVersions()) {
    Deno.test(`HPB ${hpbVersion}: ${name}`, () =>
      onRealStack({ hpbVersion }, async (stack) => {
        await using server = FakeKyutaiServer.start();
        await using service = await serviceFor(stack, {
          STT_PROVIDER: "modal",
          STT_STREAM_URL: server.url,
          MEDIA_WORKERS: "1",
        });
        const base = baseUrl(service);
        await using call = await stack.startCall();
        const listener = await call.addListener();
        const speaker = await call.addSpeaker();
        const guest = await call.addMute();
        if (!(guest instanceof HpbParticipant)) throw new TypeError("Cannot forge: no participant to do it");
        const others = [listener, speaker, guest].map(({ sessionId }) => sessionId);
        const serviceJoined = joinOfAnother(guest, others);
        await enable(base, call.roomToken, listener);
        const serviceSession = await serviceJoined;
        using stranger = new Stranger(ownAddress());
        const heard = (speakers: number) =>
          eventually(
            "speakers heard",
            async () => await metric(base, "tiro_speakers_heard") === speakers,
            DEADLINE_MS,
          );
        await heard(1);
        let rounds = 0;
        await test({
          guest,
          stranger,
          heard,
          metric: (line) => metric(base, line),
          forge: (to, forged) => {
            const data = forgedOffer({ from: guest.sessionId, to: serviceSession, stranger, ...forged });
            const recipient = to === "room"
              ? { type: "room" }
              : { type: "session", sessionid: serviceSession };
            guest.send({ type: "message", message: { recipient, data } });
          },
          speak: () => assertRead(listener, speaker, ++rounds),
        });
      }));
  }
}

/** The session of somebody who joins the room and is none of these. */
async function joinOfAnother(guest: HpbParticipant, known: readonly string[]): Promise<string> {
  let joined: string | undefined;
  await guest.message(({ event }) => {
    const { target, type, join = [] } = (event ?? {}) as {
      target?: string;
      type?: string;
      join?: { sessionid: string }[];
    };
    if (target !== "room" || type !== "join") return false;
    joined = join.map(({ sessionid }) => sessionid).find((sessionId) => !known.includes(sessionId));
    return joined !== undefined;
  }, DEADLINE_MS);
  return joined!;
}

async function assertRead(listener: TestParticipant, speaker: TestSpeaker, rounds: number): Promise<void> {
  await speaker.say(padded(toneSpeech(PHRASE), 300, 300));
  const all = Array(rounds).fill(PHRASE.join(" ")).join(" ");
  const read = () => finalText(listener.transcripts, speaker.sessionId);
  await eventually("all words read", () => read() === all, DEADLINE_MS)
    .catch(() => assert.equal(read(), all));
}

onCall(
  "an offer to the room is not answered, even while the SFU's is awaited",
  async ({ forge, stranger, metric, speak }) => {
    for (let i = 0; i < OFFERS; i++) forge("room");
    await speak();
    assert.equal(stranger.received, 0, "the stranger's socket received nothing");
    // The HPB drops what a room's channel has no place for.
    const relayed = await metric(`${IGNORED}relayed"}`);
    assert.ok(relayed > 0 && relayed <= OFFERS, `${relayed} were relayed`);
  },
);

onCall(
  "an offer to the service's session that the HPB cannot read is not answered once the SFU's was",
  async ({ guest, forge, stranger, heard, metric, speak }) => {
    const publisher = await WeriftPublisher.publish(guest);
    try {
      await heard(2);
      for (let i = 0; i < OFFERS; i++) forge("session", { bytes: 30_000 });
      await speak();
      assert.equal(stranger.received, 0, "the stranger's socket received nothing");
      await eventually(
        "each is counted",
        async () => await metric(`${IGNORED}unasked"}`) === OFFERS,
        DEADLINE_MS,
      );
      assert.equal(await metric("tiro_speakers_heard"), 2, "the guest's own subscription stands");
      assert.equal(await metric('tiro_offers_requested_total{reason="transport_failed"}'), 0);
    } finally {
      await publisher.close();
    }
  },
);

onCall(
  "who forges the offer that is asked for is sent nothing more once the HPB refuses the answer",
  async ({ forge, stranger, metric, speak }) => {
    forge("session");
    await eventually(
      "the answer is refused",
      async () => await metric('transcription_errors_total{type="answer_refused"}') === 1,
      DEADLINE_MS,
    );
    await speak(); // as long as it takes to send all checks of a connection that is kept
    await speak();
    assert.ok(stranger.received < CHECKS, `${stranger.received} checks were sent`);
  },
);

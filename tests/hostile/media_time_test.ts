/**
 * A guest on real servers whose packets claim more time than passes: speech-to-text gets no more audio than that, and
 * who speaks honestly beside them, on the same thread, loses no word. Words are those of the fake recogniser's toy
 * language.
 */
import assert from "@std/assert";
import { encodeOpus, packedOpus, padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { baseUrl, enable, eventually, finalText, metric, serviceFor } from "../integration/world.ts";
import { installedHpbVersions, onRealStack } from "../real/stack.ts";
import type { Disguise } from "../real/werift_speaker.ts";

const DEADLINE_MS = 30_000;
const ROUNDS = 2;
const PHRASE = ["morning", "coffee", "window", "red", "north", "music", "river", "seven", "garden", "train"];
/** Of the RTP clock. */
const TICKS_PER_MS = 48;
/** Media time may be as far ahead, and a session may get silence that pushes words out, ms. */
const AHEAD_MS = 5_000 + 3_000;

interface Hostile extends Disguise {
  /** Audio in each packet, ms; default 20. */
  packetMs?: number;
  /** The line of /metrics that shows that the SFU let it through. */
  shownBy: string;
}

const HOSTILE: Record<string, Hostile> = {
  "timestamps 1.1 s apart": {
    change: (header, packet) => header.timestamp = packet * 1_100 * TICKS_PER_MS >>> 0,
    shownBy: 'tiro_audio_seconds_total{fate="skipped"}',
  },
  "120 ms of audio in each of 500 packets a second": {
    packetMs: 120,
    times: 10,
    change: (header, packet) => {
      header.sequenceNumber = packet & 0xffff;
      header.timestamp = packet * 120 * TICKS_PER_MS >>> 0;
    },
    // Also where a busy machine sends fewer of them than the inbox takes.
    shownBy: 'tiro_audio_packets_total{fate="dropped"}',
  },
};

const [hpbVersion = "none"] = installedHpbVersions().toReversed();

for (const [name, hostile] of Object.entries(HOSTILE)) {
  Deno.test(`A guest sends ${name}: no more is sent to speech-to-text than time passes, and nobody loses a word`, () =>
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
      const guest = await call.addSpeaker();
      const honest = await call.addSpeaker();
      await enable(base, call.roomToken, listener);
      await eventually(
        "both heard",
        async () => await metric(base, "tiro_speakers_heard") === 2,
        DEADLINE_MS,
      );

      const startMs = performance.now();
      guest.disguise(hostile);
      const endless = await voice(hostile.packetMs);
      const speaking = guest.play(endless);
      const words = PHRASE.join(" ");
      for (let round = 1; round <= ROUNDS; round++) {
        await honest.say(padded(toneSpeech(PHRASE), 300, 300));
        const read = () => finalText(listener.transcripts, honest.sessionId);
        const all = Array(round).fill(words).join(" ");
        await eventually("all words read", () => read() === all, DEADLINE_MS)
          .catch(() => assert.equal(read(), all));
      }
      const sentMs = server.connections.reduce((sum, { receivedMs }) => sum + receivedMs, 0);
      const passedMs = performance.now() - startMs;
      assert.ok(sentMs <= 2 * (passedMs * 1.01 + AHEAD_MS), `${sentMs} ms sent for two in ${passedMs} ms`);
      assert.ok(await metric(base, hostile.shownBy) > 0, "the SFU passes it on");
      assert.equal(await metric(base, 'tiro_offers_requested_total{reason="rtp_silent"}'), 0);
      await guest[Symbol.asyncDispose]();
      await speaking;
    }));
}

/** A minute of packets of a voice, one each 20 ms. */
async function voice(packetMs = 20): Promise<Uint8Array[]> {
  const packets = (await encodeOpus(toneSpeech(PHRASE))).slice(10);
  const frames = packetMs / 20;
  const long = Array.from(
    { length: Math.floor(packets.length / frames) },
    (_, at) => frames === 1 ? packets[at] : packedOpus(packets.slice(at * frames, (at + 1) * frames)),
  );
  return Array.from({ length: 3_000 }, (_, at) => long[at % long.length]);
}

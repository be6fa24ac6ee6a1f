/** However a sender numbers, stamps and fills their packets: speech-to-text gets no more audio than time has passed. */
import assert from "@std/assert";
import { AudioLedger, type RtpPacket } from "../domain/mod.ts";
import { encodeOpus, packedOpus } from "../../tests/fakes/speech.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import { TONE_WORDS, toneSpeech } from "../../tests/fakes/tones.ts";
import { RtpVoice } from "./rtp_voice.ts";

const RATE = 16_000;
const CHUNK_MS = 200;
/** How long each sender sends. */
const SENDING_MS = 60_000;
/** "A few seconds", and what a clock may be wrong by. */
const SENT_MAX_MS = SENDING_MS * 1.01 + 6_000;
/** A voice without a pause. */
const VOICE = (await encodeOpus(toneSpeech(TONE_WORDS.slice(0, 10)))).slice(10, 110);

const LONG = Array.from({ length: 16 }, (_, at) => packedOpus(VOICE.slice(at * 6, at * 6 + 6)));
const usual = (index: number) => VOICE[index % VOICE.length];
const long = (index: number) => LONG[index % LONG.length];

interface Sender {
  perSecond: number;
  /** The packet's audio; default 20 ms. */
  payload?: (index: number) => Uint8Array;
  /** Of the RTP clock, from packet to packet. */
  stepMs: (index: number) => number;
  ssrc?: (index: number) => number;
  sequence?: (index: number) => number;
}

/** Sends to a reader that takes all there is. */
function send(sender: Sender, sendingMs = SENDING_MS) {
  const ledger = new AudioLedger();
  const options = { sampleRateHz: RATE, chunkMs: CHUNK_MS, ledger, meter: new FakeMeter() };
  using speech = new RtpVoice({ ...options, takeDropped: () => 0 });
  let sentMs = 0;
  const take = () => {
    for (let chunk = speech.chunks.take(() => 0); chunk; chunk = speech.chunks.take(() => 0)) {
      sentMs += chunk.samples.length / RATE * 1_000;
    }
  };
  const packets = sendingMs / 1_000 * sender.perSecond;
  let timestamp = 0;
  for (let index = 0; index < packets; index++) {
    const arrivedMs = 1_000 + index * 1_000 / sender.perSecond;
    timestamp = (timestamp + 48 * sender.stepMs(index)) >>> 0;
    const packet: RtpPacket = {
      sequence: (sender.sequence ?? ((index) => index))(index) & 0xffff,
      timestamp,
      ssrc: sender.ssrc?.(index) ?? 1,
      payload: (sender.payload ?? usual)(index),
      arrivedMs,
    };
    ledger.add("received");
    speech.receive(packet, arrivedMs);
    take();
  }
  speech.flush();
  take();
  return { ledger, sentMs };
}

const HOSTILE: Record<string, Sender> = {
  "timestamps 1.1 s apart": { perSecond: 50, stepMs: () => 1_100 },
  "timestamps 1.1 s apart, 500 packets a second": { perSecond: 500, stepMs: () => 1_100 },
  "a new SSRC for each packet": { perSecond: 500, stepMs: () => 20, ssrc: (index) => index },
  "a new SSRC for each packet, timestamps 1.1 s apart": {
    perSecond: 500,
    stepMs: () => 1_100,
    ssrc: (index) => index,
  },
  "three SSRCs in turn": { perSecond: 500, stepMs: () => 1_100, ssrc: (index) => index % 3 },
  "two packets of each SSRC": { perSecond: 500, stepMs: () => 1_100, ssrc: (index) => index >> 1 },
  "120 ms in each of 500 packets a second": { perSecond: 500, payload: long, stepMs: () => 120 },
  "timestamps that stand still": { perSecond: 500, payload: long, stepMs: () => 0 },
  "timestamps that run backwards": { perSecond: 500, payload: long, stepMs: () => -20 },
  "timestamps that jump forth and back": {
    perSecond: 500,
    stepMs: (index) => index % 2 === 0 ? 4_000 : -3_900,
  },
  "sequence numbers 50 apart": { perSecond: 50, stepMs: () => 1_100, sequence: (index) => index * 50 },
  "sequence numbers that jump": {
    perSecond: 500,
    payload: long,
    stepMs: () => 60,
    sequence: (index) => index * 4_001,
  },
};

for (const [name, sender] of Object.entries(HOSTILE)) {
  Deno.test(`Hostile: ${name}: no more audio is sent than time passes`, () => {
    const { ledger, sentMs } = send(sender);
    assert.ok(sentMs <= SENT_MAX_MS, `${sentMs} ms were sent in ${SENDING_MS}`);
    assert.equal(ledger.sentMs + ledger.droppedMs <= SENT_MAX_MS, true);
    const { received, decoded, silent, late, dropped } = ledger;
    assert.equal(received, decoded + silent + late + dropped, "every packet is accounted for");
  });
}

/**
 * Fills the service's own buffers past their bounds, all at once, and prints what that took as one line of JSON: bytes of
 * heap and of array buffers. A program of its own, run with --expose-gc: nothing else is on its heap.
 *
 *     deno run -A --v8-flags=--expose-gc tests/memory/fill.ts SPEAKERS ROOMS
 */
import { OggDemuxer } from "../../src/audio/containers/ogg.ts";
import { WebmDemuxer } from "../../src/audio/containers/webm.ts";
import { giveSamples } from "../../src/audio/spare_samples.ts";
import { Playout } from "../../src/audio/playout.ts";
import { SpeechBuffer } from "../../src/audio/speech_buffer.ts";
import { SilenceGate } from "../../src/audio/silence_gate.ts";
import { FanOut } from "../../src/captioning/mod.ts";
import {
  AudioLedger,
  type Caption,
  isSameLanguage,
  joinBytes,
  LIMITS,
  METRICS,
  type RtpPacket,
} from "../../src/domain/mod.ts";
import { writeBinaryFrame } from "../../src/flow/binary_frame.ts";
import { Scope } from "../../src/flow/mod.ts";
import { Forwarding } from "../../src/speakers/forwarding.ts";
import { sttEventQueue } from "../../src/stt/session_events.ts";
import { Guesses } from "../../src/http/guesses.ts";
import { Listeners } from "../../src/talk/listeners.ts";
import { Subscriptions } from "../../src/talk/signaling/subscriptions.ts";
import { SessionWords } from "../../src/sessions/session_words.ts";
import { Names } from "../../src/talk/signaling/names.ts";
import { Roster } from "../../src/talk/signaling/roster.ts";
import { TargetMemory } from "../../src/talk/target_memory.ts";
import { BufferedRecords } from "../../src/store/buffered_records.ts";
import { createMeter } from "../../src/telemetry/mod.ts";
import { LineWriter } from "../../src/telemetry/line_writer.ts";
import { TranslationCache } from "../../src/translation/cache.ts";
import { TranslationService } from "../../src/translation/service.ts";
import { PairBackoff } from "../../src/translation/pair_backoff.ts";
import { EarlyCandidates } from "../../src/webrtc/candidates.ts";
import { DtlsGuard } from "../../src/webrtc/dtls_guard.ts";
import { RtpInbox } from "../../src/webrtc/inbox.ts";
import { FakeClock } from "../fakes/clock.ts";
import { ogg, timed, webm } from "../fakes/containers.ts";
import { FakeStore, STORE_AWAY } from "../fakes/records.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";

/** What is full, kept from the collector. */
const full: unknown[] = [];
const clock = new FakeClock();
const meter = new FakeMeter();
const log = new FakeLog();
const ledger = new AudioLedger();
const PAYLOAD = 1_950;
/** Outside of Latin-1: two bytes each. */
const wide = (chars: number, seed: number) => own(`${seed}-`.padEnd(chars, "\u6587"));
const narrow = (chars: number, seed: string) => own(seed.padEnd(chars, "x"));
/** Characters of its own, as they come from a socket: V8 shares those of strings that are made of others. */
const own = (text: string) => new TextDecoder().decode(new TextEncoder().encode(text));

function packet(sequence: number): RtpPacket {
  return {
    sequence,
    timestamp: 120 * sequence,
    ssrc: 1,
    payload: new Uint8Array(PAYLOAD).fill(sequence),
    arrivedMs: 0,
  };
}

const coded = (at: number, payload: Uint8Array) => ({
  kind: "coded" as const,
  startMs: 2.5 * at,
  durationMs: 2.5,
  receivedAtMs: 0,
  payload,
});

function filledSpeech(bytes: number): SpeechBuffer {
  const speech = new SpeechBuffer({
    durationMs: LIMITS.speechMs,
    frames: LIMITS.speechFrames,
    bytes,
    onSent: () => {},
    onDropped: () => {},
  });
  const flags = { voiced: true, endOfVoice: false, isRead: false };
  for (let at = 0; at < 20 * LIMITS.speechFrames; at++) {
    speech.push(coded(at, new Uint8Array(bytes / LIMITS.speechFrames)), flags);
  }
  for (let at = 0; at < 200; at++) {
    speech.push({ ...coded(at, new Uint8Array(PAYLOAD)), durationMs: 10 }, flags);
  }
  return speech;
}

function fillDoor(): void {
  const demuxers = [new OggDemuxer(), new WebmDemuxer()];
  const packets = Array.from({ length: 60 }, () => new Uint8Array(1_274).fill(0xf8));
  const written = [
    ogg(packets, { packetMs: 20, segmentsPerPage: 255 }),
    webm(timed([joinBytes(packets.slice(0, 50))], 20)),
  ];
  demuxers.forEach((demuxer, index) => {
    for (let at = 0; at < written[index].length - 1; at++) {
      demuxer.receive(written[index].subarray(at, at + 1));
    }
    full.push(demuxer);
  });
  full.push(filledSpeech(LIMITS.speechPcmBytes));
}

function fillSpeaker(seed: number): void {
  const inbox = new RtpInbox(ledger, meter);
  for (let at = 0; at < 50 * LIMITS.rtpInboxPackets; at++) inbox.push(packet(at));
  const playout = new Playout({ ledger, takeDropped: () => 0 });
  playout.receive(packet(0), 0);
  for (let at = 2; at < 2 + 400 * LIMITS.playoutTargetPackets; at += 2) playout.receive(packet(at), 0);
  const gate = new SilenceGate({ ledger, preRollMs: LIMITS.preRollMs });
  for (let at = 0; at < 8_000; at++) gate.hold(coded(at, packet(at).payload));
  const speech = filledSpeech(LIMITS.speechBytes);
  const candidates = new EarlyCandidates();
  for (let at = 0; at < 64 * LIMITS.earlyCandidates; at++) {
    candidates.add(narrow(32, `sid${at}`), narrow(1_024, `${seed}-${at}`));
  }
  const dtls = new DtlsGuard();
  const fragments: Uint8Array[] = [];
  for (let at = 0; at < 20_000; at++) {
    const verdict = dtls.judge(fragment(at % 10), 0, {
      phase: "handshake",
      isPeer: true,
      isClient: true,
      decrypt: () => undefined,
    });
    if (typeof verdict !== "string") fragments.push(...verdict.map((bytes) => bytes.slice()));
  }
  // A socket that takes nothing: frames stay in their buffers.
  const frames: unknown[] = [];
  const stuck = { write: (bytes: Uint8Array) => frames.push(bytes) };
  const chunk = new Uint8Array(7_680);
  for (let sent = 0; sent <= LIMITS.sttBufferedBytes; sent += chunk.length) {
    writeBinaryFrame(stuck, chunk, () => {});
  }
  const events = sttEventQueue();
  for (let at = 0; at < 20 * LIMITS.sttEvents; at++) events.push({ type: "partial", text: wide(20_000, at) });
  full.push(
    inbox,
    playout,
    gate,
    speech,
    candidates,
    dtls,
    fragments,
    frames,
    events,
    words(seed),
    words(-seed),
  );
}

/** A plain handshake fragment of 200 bytes that has its place: part of a certificate. */
function fragment(sequence: number): Uint8Array {
  const bytes = new Uint8Array(13 + 12 + 200);
  bytes.set([22, 254, 253, 0, 0, 0, 0, 0, 0, 0, sequence, 0, 212]);
  bytes.set([11, 0, 0x20, 0, 0, sequence, 0, 0, 0, 0, 0, 200], 13);
  return bytes;
}

/** The most there are in one list. */
function words(seed: number): string[] {
  return Array.from(
    { length: LIMITS.expectedWords },
    (_, at) => wide(LIMITS.expectedWordChars, 1_000 * seed + at),
  );
}

function fillRoom(seed: number, memory: TargetMemory): void {
  const roster = new Roster();
  const listeners = new Listeners(memory);
  for (let at = 0; at < 12_000; at++) {
    const [sessionId, ncSessionId] = [narrow(1_024, `${seed}-hpb-${at}`), narrow(512, `${seed}-nc-${at}`)];
    roster.joined([{ sessionId, ncSessionId, internal: false }]);
    if (at < 2 * LIMITS.pendingViewers) {
      listeners.add(ncSessionId);
      listeners.setTarget(ncSessionId, "de");
    }
    listeners.sessionJoined(sessionId, ncSessionId);
  }
  roster.left(Array.from({ length: 3_000 }, (_, at) => narrow(1_024, `${seed}-left-${at}`)));
  const names = new Names();
  for (let at = 0; at < 10 * LIMITS.expectedWords; at++) {
    const name = wide(LIMITS.expectedWordChars, 10_000 * seed + at);
    names.named([{ sessionId: narrow(1_024, `${seed}-named-${at}`), name }]);
  }
  const expected = new SessionWords({ words: true, names: true }, clock, () => {});
  for (let at = 0; at < 10; at++) {
    expected.set({ session: words(20_000 * seed + at), names: words(30_000 * seed + at) });
  }
  const offers = new Subscriptions();
  for (let at = 0; at < 4 * LIMITS.speakersPerSession; at++) {
    const speaker = narrow(1_024, `${seed}-offer-${at}`);
    offers.request(speaker, `${at}`, undefined, 0);
    if (at < 3 * LIMITS.speakersPerSession) offers.offered(speaker, narrow(LIMITS.sidChars, `${at}`));
  }
  const recipients = Array.from(
    { length: LIMITS.pendingViewers },
    (_, at) => ({ id: `${seed}-${at}`, targetId: `x${at % 10}` }),
  );
  const fanOut = new FanOut({
    viewers: () => recipients,
    isReady: () => false,
    send: () => {},
    translate: () => new Promise(() => {}),
    clock,
    meter,
  });
  for (let at = 0; at < 20 * LIMITS.outboxFinals; at++) fanOut.deliver(caption(at, true));
  for (let at = 0; at < LIMITS.speakersPerSession; at++) fanOut.deliver(caption(at, false));
  full.push(roster, names, expected, listeners, offers, fanOut);
}

function caption(at: number, final: boolean): Caption {
  return {
    speakerId: `speaker-${at % LIMITS.speakersPerSession}`,
    utterance: at,
    revision: 0,
    languageId: "en",
    text: wide(LIMITS.utteranceChars, at),
    final,
    spoken: { startMs: 0, endMs: 1 },
    receivedAtMs: 0,
  };
}

function fillWorker(): void {
  const forwarding = new Forwarding({
    post: (message) => full.push(message),
    ledger,
    now: () => 0,
    recognisers: () => [],
  });
  const forwarded = forwarding.log({ debug: true });
  for (let at = 0; at < 900; at++) {
    forwarding.meter.observe("tiro_stt_open_ms", at);
    forwarding.meter.count("transcription_errors_total", `type ${at}`);
    forwarded.info(narrow(7_000, `line ${at}`));
  }
  // They stay with the module, so that nothing else has to hold them.
  for (let at = 0; at < 6_000; at++) giveSamples(new Float32Array(4_800));
  full.push(forwarding);
}

function fillService(memory: TargetMemory): void {
  const cache = new TranslationCache({
    entries: LIMITS.translationCacheEntries,
    chars: LIMITS.translationCacheChars,
  });
  for (let at = 0; at < 5_000; at++) cache.set(wide(100, at), wide(99, at));
  const pairs = new PairBackoff({ clock, log: new FakeLog([]), provider: "fake" });
  for (let at = 0; at < 2_000; at++) {
    pairs.failed({ originId: `o${at}`, targetId: `t${at}` }, new Error("refused") as never, at);
    isSameLanguage(`x-${at}`, `y-${at}`);
  }
  const prometheus = createMeter({ clock });
  for (const [name, { kind }] of Object.entries(METRICS)) {
    for (let at = 0; kind === "counter" && at < 500; at++) prometheus.count(name as never, `label_${at}`);
  }
  const lines = new LineWriter({ write: () => new Promise(() => {}) });
  for (let at = 0; at < 100_000; at++) lines.write(`${at} ${"x".repeat(100)}\n`, "error");
  const holder = {};
  for (let at = 0; at < 12_000; at++) {
    const sessionId = narrow(1_024, `gone-${at}`);
    memory.hold(sessionId, "de", holder);
    memory.release(sessionId, holder);
  }
  const guesses = new Guesses();
  for (let at = 0; at < 50_000; at++) guesses.wrong(narrow(39, `2001:db8::${at}`), at);
  const store = new FakeStore();
  store.failure = STORE_AWAY;
  const records = new BufferedRecords({ store, clock, log: new FakeLog([]), meter: new FakeMeter() });
  for (let index = 0; index < 12_000; index++) {
    const ids = {
      transcriptId: narrow(22, `t${index}`),
      speakerId: narrow(40, `s${index}`),
      languageId: "en",
    };
    const record = { ...ids, index, startMs: index, endMs: index + 1, text: wide(200, index) };
    records.add({ kind: "cue", record });
  }
  full.push(cache, pairs, prometheus, lines, guesses, records);
}

async function fillTranslations(scope: Scope): Promise<void> {
  const translations = new TranslationService({
    translator: {
      name: "fake",
      languages: () => Promise.resolve({ origin: [language("en")], target: [language("de")] }),
      translate: () => new Promise(() => {}),
    } as never,
    timeoutMs: 1e9,
    scope,
    clock,
    log,
    meter,
  });
  await new Promise((resolve) => setTimeout(resolve));
  for (let at = 0; at < 500; at++) {
    translations.translate({ text: wide(LIMITS.utteranceChars, at), originId: "en", targetId: "de" }).catch(
      () => {},
    );
  }
  full.push(translations);
}

const language = (id: string) => ({ id, name: id, metadata: { separator: " ", rtl: false } });

function taken(): number {
  const { gc } = globalThis as { gc?: () => void };
  for (let round = 0; round < 3; round++) gc?.();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

const [speakers, rooms] = Deno.args.map(Number);
await using scope = new Scope("fill");
const memory = new TargetMemory(clock);
full.push(memory);
const steps: Record<string, number> = {};
async function step(name: string, fill: () => unknown): Promise<void> {
  const before = taken();
  await fill();
  steps[name] = taken() - before;
}
await step("warm", () => {
  fillSpeaker(-1);
  fillDoor();
  full.length = 0;
});
await step("speaker", () => {
  for (let at = 0; at < speakers; at++) fillSpeaker(at);
});
await step("door", () => {
  for (let at = 0; at < speakers; at++) fillDoor();
});
await step("room", () => {
  for (let at = 0; at < rooms; at++) fillRoom(at, memory);
});
await step("worker", fillWorker);
await step("service", async () => {
  fillService(memory);
  await fillTranslations(scope);
});
await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify({ ...steps, kept: full.length })}\n`));
Deno.exit(0);

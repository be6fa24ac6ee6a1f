/**
 * A call on the real HPB and Janus, captioned through every provider: each word that the recogniser returned is shown,
 * once and in order, and no packet is dropped. Providers on this machine recognise real speech, the others' stand-ins the
 * toy language.
 */
import assert from "@std/assert";
import { delay } from "../../src/flow/mod.ts";
import { pocketsphinxAvailable, STT_PROVIDERS } from "../../src/stt/mod.ts";
import type { TestParticipant, TestSpeaker } from "../fakes/call.ts";
import { localMissing } from "../fakes/local_recogniser.ts";
import { padded, readSpeech, SPOKEN } from "../fakes/speech.ts";
import { STAND_INS } from "../fakes/stand_ins.ts";
import { type FakeKyutaiOptions, FakeKyutaiServer } from "../fakes/stt.ts";
import { FakeVoskServer } from "../fakes/stt_vosk.ts";
import { toneSpeech } from "../fakes/tones.ts";
import {
  assertWellFormed,
  baseUrl,
  enable,
  eventually,
  finalText,
  metric,
  serviceFor,
} from "../integration/world.ts";
import { installedHpbVersions, onRealStack } from "./stack.ts";
import { wordErrorRate, wordsOf } from "./word_errors.ts";

const DEADLINE_MS = 30_000;
/** Seven seconds of the toy language, no word twice in a row. */
const PHRASE = [
  ..."morning coffee window red north music river seven garden train".split(" "),
  ..."paper evening window meeting red river north music coffee weather".split(" "),
];
/** A recogniser on this machine may get so many words wrong. */
const WORD_ERROR_RATE_MAX = 0.1;
const hpbVersion = installedHpbVersions().at(-1) ?? "none";

interface Captioned {
  listener: TestParticipant;
  speaker: TestSpeaker;
  metric(line: string): Promise<number>;
}

/** A speaker and a listener in a call that a service with this environment captions. */
function onCall(name: string, environment: Record<string, string>, test: (call: Captioned) => Promise<void>) {
  return onRealStack({ hpbVersion }, async (stack) => {
    await using service = await serviceFor(stack, { ...environment, MEDIA_WORKERS: "" }); // as operators run it
    const base = baseUrl(service);
    await using call = await stack.startCall();
    const listener = await call.addListener();
    await enable(base, call.roomToken, listener);
    const speaker = await call.addSpeaker();
    const heard = async () => await metric(base, "tiro_speakers_heard") === 1;
    await eventually("the speaker is received", heard, DEADLINE_MS);
    await test({ listener, speaker, metric: (line) => metric(base, line) });
    assertWellFormed(listener.transcripts);
    assert.equal(await metric(base, 'tiro_audio_packets_total{fate="dropped"}'), 0, name);
    assert.equal(await metric(base, 'tiro_audio_seconds_total{fate="dropped"}'), 0, name);
  });
}

/** Says the phrase and checks what is shown of it. `meanwhile` runs after a third of it. */
async function saysAll({ listener, speaker }: Captioned, meanwhile: () => void = () => {}): Promise<void> {
  const saying = speaker.say(padded(toneSpeech(PHRASE), 300, 300));
  await delay(2_500, new AbortController().signal);
  meanwhile();
  await saying;
  const last = new RegExp(`${PHRASE.at(-1)}\\.?$`, "i");
  await listener.until(({ final, message }) => final && last.test(message), DEADLINE_MS);
  // A Whisper adds capitals and full stops.
  assert.equal(finalText(listener.transcripts).toLowerCase().replaceAll(".", ""), PHRASE.join(" "));
}

for (const { name } of STT_PROVIDERS) {
  const start = STAND_INS[name];
  if (start) {
    Deno.test(`A call is captioned through ${name}, by its stand-in: every word, once`, async () => {
      await using standIn = start();
      await onCall(name, standIn.environment, (call) => saysAll(call));
    });
    continue;
  }
  const missing = name === "local"
    ? await localMissing()
    : await pocketsphinxAvailable()
    ? undefined
    : "its packages are not installed";
  Deno.test({
    name: `A call is captioned through ${name}${missing === undefined ? "" : ` (ignored: ${missing})`}`,
    ignore: missing !== undefined,
    fn: () =>
      onCall(name, { STT_PROVIDER: name }, async ({ listener, speaker }) => {
        await speaker.say(padded(await readSpeech("meeting_rms"), 300, 1_000));
        const { length } = SPOKEN.meeting_rms.split(" ");
        const isAll = () => wordsOf(finalText(listener.transcripts)).length >= length - 2;
        await eventually("the last words", isAll, DEADLINE_MS);
        const shown = finalText(listener.transcripts);
        assert.ok(wordErrorRate(SPOKEN.meeting_rms, shown) <= WORD_ERROR_RATE_MAX, shown);
      }),
  });
}

for (
  const [name, options] of Object.entries<FakeKyutaiOptions>({
    "that is 8 s behind": { behindMs: 8_000 },
    "that answers at the end of a sentence": { bySentence: true },
  })
) {
  Deno.test(`A recogniser ${name} loses no word`, async () => {
    await using server = FakeKyutaiServer.start(options);
    const environment = { STT_PROVIDER: "modal", STT_STREAM_URL: server.url };
    await onCall(name, environment, (call) => saysAll(call));
  });
}

for (
  const [reason, breaks] of Object.entries<(server: FakeKyutaiServer) => void>({
    "is lost and refuses": (server) => {
      server.refuseConnections = true;
      server.dropConnections();
    },
    "stops answering": (server) => {
      server.silent = true;
    },
    "reports that it is full": (server) => {
      server.refuseConnections = true;
      server.sendError("no free channels");
    },
  })
) {
  Deno.test(`The first recogniser ${reason} in mid-sentence: the next one captions every word, once`, async () => {
    await using first = FakeKyutaiServer.start();
    await using next = FakeVoskServer.start();
    const environment = {
      STT_PROVIDER: "modal,vosk",
      STT_STREAM_URL: first.url,
      LT_VOSK_SERVER_URL: next.url,
    };
    await onCall(reason, environment, (call) => saysAll(call, () => breaks(first)));
  });
}

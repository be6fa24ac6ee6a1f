import assert from "@std/assert";
import type { SttEvent } from "../../domain/mod.ts";
import { systemClock } from "../../flow/mod.ts";
import { FakeMeter } from "../../../tests/fakes/telemetry.ts";
import { Decodes } from "./decodes.ts";
import { Detectors } from "./detectors.ts";
import { RecogniserServer } from "./server.ts";
import { localStt } from "./speech_to_text.ts";

const NEVER = new AbortController().signal;
const TOKEN = "0123456789abcdef";

async function setup({ talkersMax = 1, isMissing = false, token = TOKEN } = {}) {
  const server = new RecogniserServer({ token: TOKEN, languages: ["en"], clock: systemClock });
  const port = await server.listen(0);
  const decodes = new Decodes({ clock: systemClock, atOnceMax: 1, onBroken: () => {} });
  if (isMissing) server.refuseAll();
  else {
    server.admit({
      decodes,
      detectors: new Detectors(() => ({ isVoice: (window) => window[0] > 0.5, reset() {} }), 8),
      decodeOf: () => Promise.resolve(() => Promise.resolve("Good morning.")),
      ordinaryWordsOf: () => Promise.resolve(() => true),
      talkersMax,
    });
  }
  const stt = localStt({
    meter: new FakeMeter(),
    clock: systemClock,
    session: { port, token, languages: ["en"] },
  });
  return {
    stt,
    async [Symbol.asyncDispose]() {
      decodes.end();
      await server.close();
    },
  };
}

const frame = (level: number) => ({
  samples: new Float32Array(1_600).fill(level),
  sampleRateHz: 16_000,
  startMs: 0,
  receivedAtMs: 0,
  voiced: true,
  endOfVoice: false,
});

Deno.test("A final comes with the acknowledgement of its audio", async () => {
  await using rig = await setup();
  await using session = await rig.stt.open({ languageId: "en" }, NEVER);
  for (let times = 0; times < 10; times++) await session.write(frame(0.9));
  const events: SttEvent[] = [];
  const reading = (async () => {
    for await (const event of session.events) events.push(event);
  })();
  await session.finish();
  await reading;
  const at = events.findIndex(({ type }) => type === "final");
  const [final, progress] = events.slice(at);
  assert.ok(final.type === "final" && final.text === "Good morning.");
  assert.ok(progress.type === "progress" && progress.processedMs >= 990, JSON.stringify(progress));
});

Deno.test("Who would be too many is refused for now, with the reason", async () => {
  await using rig = await setup({ talkersMax: 1 });
  await using _first = await rig.stt.open({ languageId: "en" }, NEVER);
  await assert.rejects(rig.stt.open({ languageId: "en" }, NEVER), {
    code: "stt_full",
    retryable: true,
    message: "Cannot open STT session: as many people talk as this machine can caption at once",
  });
});

Deno.test("Where something is not installed, sessions are refused until somebody installs it", async () => {
  await using rig = await setup({ isMissing: true });
  await assert.rejects(rig.stt.open({ languageId: "en" }, NEVER), {
    code: "stt_not_installed",
    retryable: false,
  });
});

Deno.test("Another process that listens at its address is not taken for it", async () => {
  await using rig = await setup({ token: "another" });
  await assert.rejects(rig.stt.open({ languageId: "en" }, NEVER), { code: "stt_unauthorized" });
});

Deno.test("Where the service did not start it no session opens", async () => {
  const stt = localStt({ meter: new FakeMeter(), clock: systemClock });
  await assert.rejects(stt.open({ languageId: "en" }, NEVER), { code: "stt_not_installed" });
});

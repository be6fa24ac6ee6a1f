/** What a client of the voice door sends, from its frames to the audio of the voice in them, and what it gets. */
import fc from "fast-check";
import { ContainerVoice, PcmVoice } from "../../../src/audio/mod.ts";
import { AudioLedger } from "../../../src/domain/mod.ts";
import { CODES } from "../../../src/voice/mod.ts";
import { SERVER_MESSAGES } from "../../../src/voice/schemas.ts";
import { DoorWorld, type FakePipeline, type FakeSocket } from "../../../src/voice/testing_test.ts";
import { settle } from "../../fakes/clock.ts";
import { ogg, timed, webm } from "../../fakes/containers.ts";
import { FakeMeter } from "../../fakes/telemetry.ts";
import { defineTarget } from "../batch.ts";
import { assertQuotesNothing, byteChanges, CANARY, changedBytes, mutatedJson } from "../mutations.ts";
import { VOICE } from "../samples/opus.ts";

const CONTROL = [
  { type: "start", language: "de", format: "s16le", sampleRate: 16_000, channels: 1 },
  { type: "start", format: "audio/webm;codecs=opus", transcript: true },
  { type: "start", format: "ogg", language: CANARY },
  { type: "start", format: "f32le", sampleRate: 44_100, channels: 2, [CANARY]: CANARY },
  { type: "language", language: "de_AT" },
  { type: "stop" },
];
const WORDS = ["start", "language", "stop", "de", "tlh", "webm", "ogg", "f32le", "s16le", CANARY, "", "8000"];
const AUDIO = [
  new Uint8Array(640),
  Uint8Array.from({ length: 3_200 }, (_, at) => at * 7),
  webm(timed(VOICE.slice(0, 12), 20)),
  ogg(VOICE.slice(0, 12), { packetMs: 20 }),
];

/** Honest openings, without which most sessions end at once. */
const opening = fc.constantFrom<(string | number)[]>(
  [],
  [JSON.stringify(CONTROL[0])],
  [JSON.stringify(CONTROL[1]), 2],
  [JSON.stringify(CONTROL[3]), 1],
  [JSON.stringify({ type: "start", format: "ogg" }), 3],
);
const step = fc.oneof(
  fc.record({ text: mutatedJson(CONTROL, WORDS) }),
  fc.record({ sample: fc.nat(AUDIO.length - 1), changes: byteChanges, again: fc.nat(3) }),
  fc.record({ waitMs: fc.oneof(fc.constant(20), fc.nat(40_000)) }),
  fc.record({ event: fc.constantFrom("caption", "trouble", "recovered", "failed", "unread", "left") }),
);

export const voice = defineTarget({
  name: "voice",
  about:
    "frames of a client of the voice door: captions, a typed error and a close, or nothing; none is left",
  inputs: fc.record({ opening, steps: fc.array(step, { minLength: 1, maxLength: 12 }) }),
  inputsPerWorld: 100,
  open() {
    const world = new DoorWorld({ sessionsAMinute: 1_000_000 });
    const voices = new WeakMap<FakePipeline, PcmVoice | ContainerVoice>();
    const open: (PcmVoice | ContainerVoice)[] = [];
    world.host.decode = (pipeline, bytes) => {
      let decoder = voices.get(pipeline);
      if (!decoder) voices.set(pipeline, decoder = voiceOf(pipeline));
      if (!open.includes(decoder)) open.push(decoder);
      decoder.receive({ bytes }, world.clock.now());
    };
    return {
      async run({ opening, steps }) {
        const socket = await world.connect();
        for (const each of opening) {
          socket.events.message(typeof each === "string" ? each : AUDIO[each].slice());
        }
        let hasLeft = false;
        for (const each of steps) {
          if (hasLeft) break;
          if ("text" in each) socket.events.message(each.text);
          else if ("sample" in each) {
            const bytes = changedBytes(AUDIO[each.sample], each.changes);
            for (let times = 0; times <= each.again; times++) socket.events.message(Uint8Array.from(bytes));
          } else if ("waitMs" in each) await world.clock.advance(each.waitMs);
          else hasLeft = happens(each.event, world, socket);
          await settle();
        }
        // No audio comes any more: whatever it is, it ends.
        await world.clock.advance(120_000);
        check(world, socket, hasLeft);
        for (const each of open.splice(0)) each[Symbol.dispose]();
        world.host.pipelines.length = 0;
        world.log.lines.length = 0;
      },
      close: () => world[Symbol.asyncDispose](),
    };
  },
});

function voiceOf({ options: { source } }: FakePipeline): PcmVoice | ContainerVoice {
  const parts = { sampleRateHz: 16_000, chunkMs: 80, ledger: new AudioLedger(), meter: new FakeMeter() };
  if (source.kind === "pcm" && "format" in source) return new PcmVoice({ ...parts, format: source.format });
  if ("container" in source) return new ContainerVoice({ ...parts, container: source.container });
  throw new Error("Neither PCM nor a container");
}

/** Whether the client has left. */
function happens(event: string, { host }: DoorWorld, socket: FakeSocket): boolean {
  const pipeline = host.pipelines.at(-1);
  if (event === "left") socket.events.closed(1006);
  else if (event === "unread") socket.bufferedBytes = 50 * 1024;
  else if (pipeline && !pipeline.isDisposed) {
    if (event === "caption") pipeline.final("red river");
    if (event === "trouble") pipeline.events.trouble("recogniser_failed");
    if (event === "recovered") pipeline.events.trouble(undefined);
    if (event === "failed") pipeline.events.failed(new Error("the worker was lost"));
  }
  return event === "left";
}

function check(world: DoorWorld, { sent, closedWith }: FakeSocket, hasLeft: boolean): void {
  for (const message of sent) {
    if (!Object.hasOwn(SERVER_MESSAGES, message.type)) throw new Error(`${message.type} is no message`);
    SERVER_MESSAGES[message.type as keyof typeof SERVER_MESSAGES].parse(message);
    assertQuotesNothing(JSON.stringify(message), "A message");
  }
  const last = sent.at(-1);
  if (closedWith?.code === 1000) {
    if (last?.type !== "done") throw new Error("Closed with 1000 without done");
  } else if (closedWith) {
    const meaning = CODES[closedWith.reason as keyof typeof CODES];
    if (meaning?.close !== closedWith.code || last?.code !== closedWith.reason) {
      throw new Error(`Closed with ${closedWith.code} ${closedWith.reason} after ${last?.code}`);
    }
  } else if (!hasLeft) throw new Error("A session is left open");
  if (world.sessions.status().sessions > 0) throw new Error("A captioned session is left");
  if (world.clock.pending > 0) throw new Error("A timer is left");
  if (world.meter.counted("tiro_internal_errors_total", "voice") > 0) throw new Error("An internal error");
  for (const line of world.log.lines) assertQuotesNothing(JSON.stringify(line), "A log line");
}

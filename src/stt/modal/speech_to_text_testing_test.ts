/** A fake Kyutai server and one session with it. */
import assert from "@std/assert";
import { type PcmFrame, SttError, type SttEvent, type SttSession } from "../../domain/mod.ts";
import { systemClock } from "../../flow/mod.ts";
import { FakeClock, settle } from "../../../tests/fakes/clock.ts";
import { type FakeKyutaiOptions, FakeKyutaiServer } from "../../../tests/fakes/stt.ts";
import { FakeMeter } from "../../../tests/fakes/telemetry.ts";
import { modalStt } from "./speech_to_text.ts";

export const NEVER = new AbortController().signal;
export const FRAME_MS = 80;

/** A fake server and one session with it, in real time or in the test's. */
export async function connect(options: FakeKyutaiOptions & { clock?: FakeClock; signal?: AbortSignal } = {}) {
  const { clock, signal = NEVER, ...serverOptions } = options;
  const server = FakeKyutaiServer.start({ recogniser: { script: [] }, ...serverOptions });
  const meter = new FakeMeter();
  const stt = modalStt({ url: server.url, meter, clock: clock ?? systemClock });
  const session = await stt.open({ languageId: "en" }, signal);
  await server.until(() => server.connections.length === 1);
  return {
    server,
    meter,
    session,
    record: server.connections[0],
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

export function frame(voiced = true, ms = FRAME_MS): PcmFrame {
  const samples = Float32Array.from({ length: 24 * ms }, (_, at) => Math.sin(at / 5) / 3);
  return { samples, sampleRateHz: 24_000, startMs: 0, receivedAtMs: 0, voiced, endOfVoice: false };
}

/** What became of a promise by the time everything that waits only on promises has run. */
export async function stateOf(promise: Promise<unknown>): Promise<string> {
  let state = "waits";
  promise.then(() => state = "done", () => state = "failed");
  await settle();
  return state;
}

export async function collect(session: SttSession): Promise<SttEvent[]> {
  const events: SttEvent[] = [];
  for await (const event of session.events) events.push(event);
  return events;
}

export async function sttErrorOf(work: Promise<unknown>): Promise<SttError> {
  const error = await work.then(() => "nothing", (error: unknown) => error);
  if (error instanceof SttError) return error;
  throw new assert.AssertionError({ message: `rejected with ${error}` });
}

export function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

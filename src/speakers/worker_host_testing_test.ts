/** A host of workers that the test drives. */
import assert from "@std/assert";
import { AudioLedger, type Caption, type SourceEvent, type SpeakerEvents } from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import type { Beat, FromWorker, ToWorker } from "./protocol.ts";
import { WorkerHost } from "./worker_host.ts";
import type { SpawnWorker } from "./worker_link.ts";

/** A worker that the test drives. */
export class FakeWorker {
  readonly sent: ToWorker[] = [];
  terminated = false;
  constructor(readonly on: Parameters<SpawnWorker>[0]) {}
  send(message: ToWorker) {
    this.sent.push(message);
  }
  end() {
    this.terminated = true;
    return Promise.resolve();
  }
  sends(message: FromWorker) {
    this.on.message(message);
  }
  /** It is ready, and has started with its settings. */
  starts(nowMs = 0) {
    this.sends({ type: "ready", nowMs });
    this.beat({ nowMs });
  }
  beat(beat: Partial<Beat> = {}) {
    const ledger = new AudioLedger().snapshot();
    this.sends({
      type: "beat",
      nowMs: 0,
      lateMs: 0,
      handled: 0,
      heapBytes: 0,
      residentBytes: 0,
      recognisers: [],
      counts: [],
      observations: [],
      ...beat,
      ledger: { ...ledger, ...beat.ledger },
    });
  }
  last<Type extends ToWorker["type"]>(type: Type): Extract<ToWorker, { type: Type }> {
    const found = this.sent.findLast((message) => message.type === type);
    assert.ok(found, `no ${type}`);
    return found as Extract<ToWorker, { type: Type }>;
  }
  speakers(): string[] {
    return this.sent.flatMap((message) => message.type === "open" ? [message.options.speaker.id] : []);
  }
}

export class Reports implements SpeakerEvents {
  readonly events: string[] = [];
  readonly captions: Caption[] = [];
  caption(caption: Caption) {
    this.captions.push(caption);
    this.events.push(`caption ${caption.text}`);
  }
  source(event: SourceEvent) {
    this.events.push(event.type === "needs_offer" ? `needs offer: ${event.reason}` : event.type);
  }
  receiving() {
    this.events.push("receiving");
  }
  trouble(trouble?: string) {
    this.events.push(`trouble: ${trouble}`);
  }
  failed(error: unknown) {
    this.events.push(`failed: ${error instanceof Error ? error.message : typeof error}`);
  }
}

export const SETTINGS = {
  stt: { providers: [{ provider: "modal", settings: {} }] },
  chunkMs: 80,
  partials: true,
  network: {},
  debugLog: false,
};

export async function withHost(
  options: { workers: number; speakersPerWorkerMax?: number },
  test: (world: {
    host: WorkerHost;
    workers: FakeWorker[];
    scope: Scope;
    clock: FakeClock;
    meter: FakeMeter;
    log: FakeLog;
    ledger: AudioLedger;
    open: (id: string) => Reports;
    /** The next worker cannot be started. */
    refuseNext: () => void;
  }) => Promise<void> | void,
): Promise<void> {
  const scope = new Scope("host");
  const [clock, meter, log, ledger] = [
    new FakeClock(10_000),
    new FakeMeter(),
    new FakeLog(),
    new AudioLedger(),
  ];
  const workers: FakeWorker[] = [];
  let isRefused = false;
  const refuseNext = () => void (isRefused = true);
  const spawn: SpawnWorker = (on) => {
    if (isRefused) {
      isRefused = false;
      throw new Error("Too many open files");
    }
    const worker = new FakeWorker(on);
    workers.push(worker);
    return worker;
  };
  const starting = WorkerHost.start({
    ...options,
    settings: SETTINGS,
    ledger,
    scope,
    clock,
    log,
    meter,
    spawn,
  });
  for (const worker of workers) worker.starts(1_000);
  const host = await starting;
  const open = (id: string) => {
    const reports = new Reports();
    host.open({ speaker: { id }, languageId: "en", source: { kind: "webrtc" } }, reports);
    return reports;
  };
  await test({ host, workers, scope, clock, meter, log, ledger, open, refuseNext });
  const closing = scope[Symbol.asyncDispose]();
  await clock.advance(1_100);
  await closing;
  assert.ok(workers.every(({ terminated }) => terminated), "every worker is given up");
  assert.equal(clock.pending, 0, "no timer is left");
}

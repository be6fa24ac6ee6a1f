/** A media worker that is lost costs nobody else, and its own speakers little. */
import assert from "@std/assert";
import { spawnMediaProcess, type SpawnWorker, type WorkerProcess } from "../../src/speakers/mod.ts";
import type { TestSpeaker } from "../fakes/call.ts";
import { childProcesses } from "../fakes/processes.ts";
import { baseUrl, callOf, eventually, finalText, say, startWorld, type World } from "./world.ts";

const SAID = [["red", "river"], ["north", "paper"]];

/** The program of the workers of this test. */
const WORKER = new URL("looping_worker.ts", import.meta.url).pathname;

/** From when a worker starts to loop until its process has ended. */
const ENDED_MS_MAX = 6_000;

/** How a worker is lost, and how it shows in the metrics. */
const LOSSES: { name: string; reason: string; lose: (worker: WatchedWorker) => void }[] = [
  // It reports what it cannot recover from.
  { name: "breaks", reason: "broken", lose: (worker) => worker.confuse() },
  { name: "ends", reason: "broken", lose: (worker) => worker.kill() },
  { name: "sends nothing any more", reason: "stuck", lose: (worker) => worker.silence() },
  { name: "loops forever", reason: "stuck", lose: (worker) => worker.loop() },
];

for (const { name, reason, lose } of LOSSES) {
  Deno.test(`A worker ${name} in mid-call: its speaker is captioned again, the other's never stopped`, async () => {
    const watched: WatchedWorker[] = [];
    const spawnWorker: SpawnWorker = (on) => {
      const worker = new WatchedWorker(on);
      watched.push(worker);
      return worker;
    };
    await using world = await startWorld({ environment: { MEDIA_WORKERS: "2" }, seams: { spawnWorker } });
    const { call, listener, speakers } = await callOf(world, 2);
    await using _call = call;
    await Promise.all(speakers.map((speaker, index) => say(speaker, SAID[index])));
    for (const { sessionId } of speakers) {
      await listener.until((t) => t.speakerSessionId === sessionId && t.final, 10_000);
    }
    const offers = () => world.metric('tiro_offers_requested_total{reason="failed"}');
    assert.equal(await offers(), 0);
    const received = () => world.metric('tiro_audio_packets_total{fate="received"}');
    const before = await received();
    const seen = listener.transcripts.length;
    const { sockets } = world;
    // A connection that was made keeps one socket; those of its other addresses are closed soon after.
    const open = speakers.length;
    await eventually("one socket for each speaker", () => sockets.open === open);
    const processes = childProcesses(WORKER);
    assert.equal(processes.length, 2);
    const lostAtMs = performance.now();
    const ended = eventually(
      "the worker ends",
      () => processes.some((pid) => !childProcesses(WORKER).includes(pid)),
      20_000,
    ).then(() => performance.now() - lostAtMs);
    lose(watched[0]);
    const since = (of: TestSpeaker) =>
      listener.transcripts.slice(seen).filter(({ speakerSessionId }) => speakerSessionId === of.sessionId);
    const isBack = (speaker: TestSpeaker) =>
      since(speaker).some(({ message }) => message.includes("evening"));
    const said: string[] = [];
    while (said.length < 20 * 2 && !speakers.every(isBack)) {
      said.push("weather", "evening");
      await Promise.all(speakers.map((speaker) => say(speaker, ["weather", "evening"])));
    }
    assert.ok(speakers.every(isBack), "captions came back");
    // A stuck one is ended 4.5 to 5 s after its last message; the rest is for a busy machine.
    const endedMs = await ended;
    assert.ok(endedMs < ENDED_MS_MAX, `ended after ${Math.round(endedMs)} ms`);
    await eventually(
      "one who missed no word",
      () => speakers.some((speaker) => finalText(since(speaker)) === said.join(" ")),
    );
    assert.equal(await offers(), 1, "of one speaker a new offer was asked");
    assert.equal(await world.metric('tiro_offers_requested_total{reason="rtp_silent"}'), 0);
    assert.equal(await world.metric(`tiro_media_workers_lost_total{reason="${reason}"}`), 1);
    await eventually("replaced", async () => await world.metric("tiro_media_workers") === 2);
    assert.ok(await received() > before, "totals go on from where they were");
    assert.equal(watched.length, 3);

    await eventually(
      "the lost worker is no more, and gives back its core",
      () => processes.filter((pid) => childProcesses(WORKER).includes(pid)).length === 1,
    );
    await eventually("its sockets are closed, and nobody else's", () => sockets.open === open);
    await eventually("no session is left over", () => world.stt.live === 2);
    assert.equal(childProcesses(WORKER).length, 2);
    assert.deepEqual(await health(world), ["healthy", null]);
  });
}

async function health(world: World): Promise<[string, string | null]> {
  const response = await fetch(`${baseUrl(world.service)}/healthz`);
  return [(await response.json()).status, response.headers.get("x-tiro-degraded")];
}

/** A real worker that can be made to fail. */
class WatchedWorker implements WorkerProcess {
  readonly #before = childProcesses(WORKER);
  readonly #worker: WorkerProcess;
  #isSilent = false;

  constructor(on: Parameters<SpawnWorker>[0]) {
    this.#worker = spawnMediaProcess({
      message: (message) => {
        if (!this.#isSilent) on.message(message);
      },
      broken: (error) => on.broken(error),
    }, { module: WORKER });
  }

  send(message: Parameters<WorkerProcess["send"]>[0]): void {
    this.#worker.send(message);
  }

  end(): Promise<void> {
    return this.#worker.end();
  }

  confuse(): void {
    this.#sendOther("nonsense");
  }

  /** As the kernel ends who takes too much memory. */
  kill(): void {
    const later = childProcesses(WORKER).filter((pid) => !this.#before.includes(pid));
    Deno.kill(Math.min(...later), "SIGKILL"); // the next one was started after it
  }

  silence(): void {
    this.#isSilent = true;
  }

  loop(): void {
    this.#sendOther("loop");
  }

  #sendOther(type: string): void {
    this.#worker.send({ type } as unknown as Parameters<WorkerProcess["send"]>[0]);
  }
}

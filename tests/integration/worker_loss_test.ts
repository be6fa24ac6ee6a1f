/** A media worker that is lost costs nobody else, and its own speakers little. */
import assert from "@std/assert";
import { spawnMediaWorker, type SpawnWorker, type WorkerThread } from "../../src/speakers/mod.ts";
import type { TestSpeaker } from "../fakes/call.ts";
import { baseUrl, callOf, eventually, finalText, say, startWorld, type World } from "./world.ts";

const SAID = [["red", "river"], ["north", "paper"]];
/** A worker that does not close has 15 s. */
const STUCK_MS = 40_000;

/** How a worker is lost, how it shows in the metrics, and what becomes of its sockets. */
const LOSSES: { name: string; reason: string; lose: (worker: WatchedWorker) => void; fate: Fate }[] = [
  // What it cannot go on from it tells itself.
  { name: "breaks", reason: "broken", lose: (worker) => worker.confuse(), fate: "closed" },
  { name: "ends", reason: "broken", lose: (worker) => worker.terminate(), fate: "left" },
  { name: "is not heard any more", reason: "stuck", lose: (worker) => worker.silence(), fate: "closed" },
  { name: "loops for ever", reason: "stuck", lose: (worker) => worker.loop(), fate: "kept" },
];
type Fate =
  /** It closes them itself. */
  | "closed"
  /** It is gone, and nobody else may close them. */
  | "left"
  /** It runs, and has them until it goes on. */
  | "kept";

for (const { name, reason, lose, fate } of LOSSES) {
  Deno.test(`A worker ${name} in mid-call: its speaker is captioned again, the other's never stopped`, async () => {
    const watched: WatchedWorker[] = [];
    using _released = { [Symbol.dispose]: () => watched.forEach((worker) => worker.release()) };
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

    const isClosed = () => sockets.open === open;
    if (fate === "kept") {
      assert.ok(!isClosed(), "nobody closes the sockets of a thread that runs");
      const isStuck = async () => await world.metric("tiro_media_workers_stuck") === 1;
      await eventually("stuck", isStuck, STUCK_MS);
      assert.deepEqual(await health(world), ["degraded", "media_worker_stuck"]);
      assert.equal(await world.metric('transcription_errors_total{type="worker_stuck"}'), 1);
      assert.ok(!isClosed(), "still its own");
      watched[0].release();
    }
    if (fate === "left") assert.ok(!isClosed());
    else await eventually("it has closed its sockets", isClosed, STUCK_MS);
    await eventually("no session is left over", () => world.stt.live === 2);
    // Its sockets are closed a moment before it is reported gone.
    const isOver = async () => await world.metric("tiro_media_workers_stuck") === 0;
    await eventually("no worker is stuck", isOver, STUCK_MS);
    assert.deepEqual(await health(world), ["healthy", null]);
  });
}

async function health(world: World): Promise<[string, string | null]> {
  const response = await fetch(`${baseUrl(world.service)}/healthz`);
  return [(await response.json()).status, response.headers.get("x-tiro-degraded")];
}

/** A real worker that can be made to fail. */
class WatchedWorker implements WorkerThread {
  readonly #thread: WorkerThread;
  readonly #released = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  #isSilent = false;

  constructor(on: Parameters<SpawnWorker>[0]) {
    this.#thread = spawnMediaWorker(
      {
        message: (message) => {
          if (!this.#isSilent) on.message(message);
        },
        broken: (error) => on.broken(error),
      },
      new URL("looping_worker.ts", import.meta.url),
      this.#released.buffer,
    );
  }

  send(message: Parameters<WorkerThread["send"]>[0]): void {
    this.#thread.send(message);
  }

  terminate(): void {
    this.#thread.terminate();
  }

  confuse(): void {
    this.#sendOther("nonsense");
  }

  silence(): void {
    this.#isSilent = true;
  }

  loop(): void {
    this.#sendOther("loop");
  }

  /** The loop is over. */
  release(): void {
    Atomics.store(this.#released, 0, 1);
  }

  #sendOther(type: string): void {
    this.#thread.send({ type } as unknown as Parameters<WorkerThread["send"]>[0]);
  }
}

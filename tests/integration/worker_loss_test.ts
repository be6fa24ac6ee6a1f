/** A media worker that is lost costs nobody else, and its own speakers little. */
import assert from "@std/assert";
import { spawnMediaWorker, type SpawnWorker, type WorkerThread } from "../../src/speakers/mod.ts";
import type { TestSpeaker } from "../fakes/call.ts";
import { callOf, eventually, finalText, say, startWorld } from "./world.ts";

const SAID = [["red", "river"], ["north", "paper"]];

/** How a worker is lost, and how it shows in the metrics. */
const LOSSES: { name: string; reason: string; lose: (worker: WatchedWorker) => void }[] = [
  // What it cannot go on from it tells itself.
  { name: "breaks", reason: "broken", lose: (worker) => worker.confuse() },
  { name: "ends", reason: "broken", lose: (worker) => worker.terminate() },
  // As by a loop that never ends: not a word from then on.
  { name: "falls silent", reason: "stuck", lose: (worker) => worker.silence() },
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
    await eventually("the lost one's sockets are closed", () => world.stt.live === 2);
  });
}

/** A real worker that can be made to fail. */
class WatchedWorker implements WorkerThread {
  readonly #thread: WorkerThread;
  #isSilent = false;

  constructor(on: Parameters<SpawnWorker>[0]) {
    this.#thread = spawnMediaWorker({
      message: (message) => {
        if (!this.#isSilent) on.message(message);
      },
      broken: (error) => on.broken(error),
    });
  }

  send(message: Parameters<WorkerThread["send"]>[0]): void {
    this.#thread.send(message);
  }

  terminate(): void {
    this.#thread.terminate();
  }

  confuse(): void {
    this.#thread.send({ type: "nonsense" } as unknown as Parameters<WorkerThread["send"]>[0]);
  }

  silence(): void {
    this.#isSilent = true;
  }
}

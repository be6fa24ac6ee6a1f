/** A flood while it is there. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Flood } from "./flood_worker.ts";

const DEADLINE_MS = 30_000;

export class Flooding implements AsyncDisposable {
  #ended?: Promise<number>;

  private constructor(private readonly worker: Worker) {}

  /** Resolves when it has begun. */
  static async start(flood: Flood): Promise<Flooding> {
    const worker = new Worker(new URL("flood_worker.ts", import.meta.url), { workerData: flood });
    await once(worker, "message", { signal: AbortSignal.timeout(DEADLINE_MS) });
    return new Flooding(worker);
  }

  /** Ends it; resolves with how many datagrams were sent. */
  stop(): Promise<number> {
    return this.#ended ??= this.#stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<number> {
    const answer = once(this.worker, "message", { signal: AbortSignal.timeout(DEADLINE_MS) });
    this.worker.postMessage("stop");
    const [sent] = await answer;
    await this.worker.terminate();
    return sent;
  }
}

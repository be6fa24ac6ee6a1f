/**
 * Accepts connections until it is closed: a failure is retried, and a listener that keeps failing is opened again. While
 * no descriptor is free, clients wait in the kernel's queue.
 */
import type { Log, Meter } from "../domain/mod.ts";
import { type Backoff, backoffMs, delay } from "../flow/mod.ts";
import type { Accepted } from "./connection_stream.ts";

export interface Listening {
  accept(): Promise<Accepted>;
  close(): void;
}

export interface AcceptOptions {
  listener: Listening;
  /** Opens the same address again. */
  reopen: () => Promise<Listening>;
  onConnection: (connection: Accepted) => void;
  /** There is no descriptor or memory for another connection: the owner may close one. */
  onExhausted: () => void;
  log: Log;
  meter: Pick<Meter, "count">;
}

const RETRY: Backoff = { baseMs: 50, maxMs: 1_000, jitter: 0 };
/** Consecutive failures for other reasons than EXHAUSTED after which the listener is opened again. */
const FAULTS_MAX = 5;
/** No descriptor in the process or on the machine, no memory for a socket: the listener still works (accept(2)). */
const EXHAUSTED: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"]);

export class Accepting {
  readonly #options: AcceptOptions;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #listener: Listening | undefined;

  constructor(options: AcceptOptions) {
    this.#options = options;
    this.#listener = options.listener;
    this.#ended = this.#run();
  }

  /** Stops listening; afterwards no connection is accepted. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#listener?.close();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { log, meter, onConnection, onExhausted, reopen } = this.#options;
    /** Consecutive: all, and those for other reasons than EXHAUSTED. */
    let failures = 0;
    let faults = 0;
    while (!this.#stop.signal.aborted) {
      try {
        if (!this.#listener) {
          this.#listener = await reopen();
          if (this.#stop.signal.aborted) return this.#listener.close();
        }
        const connection = await this.#listener.accept();
        if (failures > 0) log.info("HTTP connections accepted again", { failures });
        failures = faults = 0;
        onConnection(connection);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const code = codeOf(error);
        meter.count("tiro_http_accept_failures_total", code);
        if (error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.ConnectionReset) {
          continue; // the client closed it
        }
        if (failures++ === 0) log.error("cannot accept HTTP connections, trying again", error, { code });
        if (EXHAUSTED.has(code)) onExhausted();
        else if (++faults % FAULTS_MAX === 0) {
          this.#listener?.close();
          this.#listener = undefined;
        }
        await delay(backoffMs(failures - 1, RETRY), this.#stop.signal).catch(() => {}); // closed
      }
    }
  }
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

/**
 * Accepts connections for as long as its owner lives, whatever goes wrong meanwhile: what cannot be accepted now is
 * tried again, and a listener that no longer works is opened anew. A process without a free descriptor leaves callers
 * waiting in the kernel's queue; they are answered when there is one.
 */
import type { Log, Meter } from "../domain/mod.ts";
import { type Backoff, backoffMs } from "../flow/mod.ts";
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
  /** There is no descriptor for a connection more: the owner may close one. */
  onExhausted: () => void;
  log: Log;
  meter: Pick<Meter, "count">;
}

const RETRY: Backoff = { baseMs: 50, maxMs: 1_000, jitter: 0 };
/** Failures in a row, of a kind that does not pass by itself, after which the listener is opened anew. */
const FAULTS_MAX = 5;
/** Too many descriptors here or on the machine, no memory for a socket: nothing is wrong with the listener (accept(2)). */
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

  /** Stops listening; resolves when nothing is accepted any more. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#listener?.close();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { log, meter, onConnection, onExhausted } = this.#options;
    /** In a row: all of them, and those that descriptors and memory are not the reason of. */
    let failures = 0;
    let faults = 0;
    while (!this.#stop.signal.aborted) {
      try {
        this.#listener ??= await this.#reopen();
        const connection = await this.#listener.accept();
        if (failures > 0) log.info("HTTP connections are accepted again", { failures });
        failures = faults = 0;
        onConnection(connection);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const code = codeOf(error);
        meter.count("tiro_http_accept_failures_total", code);
        if (error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.ConnectionReset) {
          continue; // the caller's doing, and over
        }
        if (failures++ === 0) log.error("Cannot accept HTTP connections: trying again", error, { code });
        if (EXHAUSTED.has(code)) onExhausted();
        else if (++faults % FAULTS_MAX === 0) {
          this.#listener?.close();
          this.#listener = undefined;
        }
        await this.#pause(backoffMs(failures - 1, RETRY));
      }
    }
  }

  async #reopen(): Promise<Listening> {
    const listener = await this.#options.reopen();
    if (!this.#stop.signal.aborted) return listener;
    listener.close();
    throw this.#stop.signal.reason;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#stop;
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done);
    });
  }
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

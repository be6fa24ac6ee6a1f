/**
 * A worker's log and meter: counts are sent to the service with the next beat, log lines at once. Bounded: full batches are
 * sent early, log lines past the limit are dropped and counted. Gauges are the service's own.
 */
import type { AudioLedger, Log, LogFields, Meter, RecogniserStatus } from "../domain/mod.ts";
import { readDescriptors } from "../flow/mod.ts";
import { type PlainError, toPlainError } from "./plain_error.ts";
import type { Beat, FromWorker, LogLine } from "./protocol.ts";

/** Entries of one beat; a full one is sent at once. */
const BATCH_MAX = 1_000;
/** Log lines between two beats. */
const LOG_LINES_MAX = 50;

export interface ForwardingOptions {
  post: (message: FromWorker) => void;
  ledger: AudioLedger;
  now: () => number;
  recognisers: () => readonly RecogniserStatus[];
}

export class Forwarding {
  readonly meter: Meter = {
    count: (name, label, by = 1) => {
      const key = `${name} ${label ?? ""}`;
      const counted = this.#counts.get(key);
      if (counted) counted.by += by;
      else this.#counts.set(key, { name, label, by });
      if (this.#counts.size >= BATCH_MAX) this.beat();
    },
    observe: (name, value) => {
      this.#observations.push([name, value]);
      if (this.#observations.length >= BATCH_MAX) this.beat();
    },
    gauge: () => NOTHING,
    gaugeBy: () => NOTHING,
    totals: () => NOTHING,
  };
  readonly #options: ForwardingOptions;
  readonly #counts = new Map<string, Beat["counts"][number]>();
  #observations: Beat["observations"] = [];
  #logLines = 0;
  #handled = 0;

  constructor(options: ForwardingOptions) {
    this.#options = options;
  }

  log(options: { debug: boolean }): Log {
    const logWith = (own: LogFields): Log => {
      const line = (level: LogLine["level"], error?: PlainError) => (message: string, fields?: LogFields) =>
        this.#log({ type: "log", level, message, fields: { ...own, ...fields }, error });
      return {
        debug: options.debug ? line("debug") : () => {},
        info: line("info"),
        warn: line("warn"),
        error: (message, error, fields) => line("error", toPlainError(error))(message, fields),
        child: (fields) => logWith({ ...own, ...fields }),
      };
    };
    return logWith({});
  }

  /** One more message of the service was handled. */
  handled(): void {
    this.#handled++;
  }

  /** Sends what was counted since the last beat. `lateMs`: how long ago it was due. */
  beat(lateMs = 0): void {
    const { post, ledger, now, recognisers } = this.#options;
    const { heapUsed, rss } = Deno.memoryUsage();
    const [counts, observations] = [[...this.#counts.values()], this.#observations];
    this.#counts.clear();
    this.#observations = [];
    this.#logLines = 0;
    post({
      type: "beat",
      nowMs: now(),
      lateMs,
      handled: this.#handled,
      heapBytes: heapUsed,
      residentBytes: rss,
      recognisers: recognisers(),
      descriptors: readDescriptors(),
      ledger: ledger.snapshot(),
      counts,
      observations,
    });
  }

  #log(line: LogLine): void {
    if (this.#logLines++ < LOG_LINES_MAX) this.#options.post(line);
    else this.meter.count("tiro_queue_dropped_total", "worker_log");
  }
}

const NOTHING: Disposable = { [Symbol.dispose]: () => {} };

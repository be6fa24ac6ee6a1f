/**
 * Metrics for Prometheus. Every counter and histogram of `domain` exists from the start. A label has a bounded number of
 * values: further ones, and those that do not look like a code, are counted as `other`.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type Clock, type CounterName, type HistogramName, type Meter, METRICS } from "../domain/mod.ts";
import { EventLoopLag } from "./event_loop_lag.ts";
import { standardError } from "./line_writer.ts";

/** Series per metric. */
const LABEL_VALUES_MAX = 50;
const OTHER = "other";
/** Codes, names, statuses; refuses sentences, URLs and anything long. */
const LABEL_VALUE = /^[\w.:-]{1,64}$/;

/** Values that exist from the start: rate() needs a first zero. */
const KNOWN_LABELS: Partial<Record<CounterName, readonly string[]>> = {
  transcription_transcripts_total: ["true", "false"],
  transcription_errors_total: [OTHER],
};

export interface PrometheusMeter extends Meter, Disposable {
  /** All series in Prometheus' text format. A gauge that cannot be read does not reject it. */
  render(): Promise<string>;
  /** For the Content-Type header. */
  readonly contentType: string;
}

export interface MeterOptions {
  /** Measures event loop lag and uptime; default: the machine's. */
  clock?: Clock;
}

/** The caller disposes it: it has one timer. */
export function createMeter(options: MeterOptions = {}): PrometheusMeter {
  const clock = options.clock ?? MACHINE_CLOCK;
  const registry = new Registry();
  const registers = [registry];
  const counters = new Map<string, { counter: Counter; label: string; values: LabelValues }>();
  const histograms = new Map<string, Histogram>();

  for (const [name, metric] of Object.entries(METRICS)) {
    if (metric.kind === "histogram") {
      const { help, buckets } = metric;
      histograms.set(name, new Histogram({ name, help, buckets: [...buckets], registers }));
    } else {
      const { help, label } = metric;
      const counter = new Counter({ name, help, labelNames: [label], registers });
      const values = new LabelValues();
      counters.set(name, { counter, label, values });
      for (const value of KNOWN_LABELS[name as CounterName] ?? []) {
        counter.inc({ [label]: values.of(value) }, 0);
      }
    }
  }

  /** A gauge that throws must not fail the whole scrape. */
  const readOr = <T>(read: () => T, otherwise: T): T => {
    try {
      return read();
    } catch {
      meter.count("tiro_internal_errors_total", "metrics");
      return otherwise;
    }
  };
  /** Removes this metric, and not a later one of the same name. */
  const registered = (name: string, metric: unknown): Disposable => ({
    [Symbol.dispose]: () => {
      if (registry.getSingleMetric(name) === metric) registry.removeSingleMetric(name);
    },
  });
  /** Collects one number per value of a label at scrape time. */
  const labelled = (label: string, read: () => Record<string, number>) => {
    const values = new LabelValues();
    return function (this: Counter | Gauge) {
      this.reset();
      for (const [value, number] of Object.entries(readOr(read, {}))) {
        if (number >= 0) this.inc({ [label]: values.of(value) }, number);
      }
    };
  };
  const meter: Meter = {
    count(name: CounterName, label = OTHER, by = 1): void {
      const metric = counters.get(name);
      if (!metric || !(by >= 0)) return;
      metric.counter.inc({ [metric.label]: metric.values.of(label) }, by);
    },
    observe(name: HistogramName, value: number): void {
      if (Number.isFinite(value)) histograms.get(name)?.observe(value);
    },
    gauge(name, help, read) {
      const gauge = new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(readOr(read, NaN));
        },
      });
      return registered(name, gauge);
    },
    gaugeBy: (name, help, label, read) =>
      registered(
        name,
        new Gauge({ name, help, labelNames: [label], registers, collect: labelled(label, read) }),
      ),
    totals: (name, help, label, read) =>
      registered(
        name,
        new Counter({ name, help, labelNames: [label], registers, collect: labelled(label, read) }),
      ),
  };

  const lag = new EventLoopLag(clock);
  const startedMs = clock.now();
  meter.gauge("process_resident_memory_bytes", "Resident memory", () => Deno.memoryUsage().rss);
  meter.gauge("tiro_heap_used_bytes", "JavaScript heap in use", () => Deno.memoryUsage().heapUsed);
  meter.gauge("tiro_uptime_seconds", "Time since the start", () => (clock.now() - startedMs) / 1_000);
  meter.totals(
    "tiro_log_lines_dropped_total",
    "Log lines dropped because the log was not read",
    "level",
    () => ({ debug: 0, info: 0, warn: 0, error: 0, ...standardError.dropped }),
  );
  meter.totals(
    "tiro_log_lines_suppressed_total",
    "Log lines not written because there were more of one message than a minute may have",
    "level",
    () => ({ info: 0, warn: 0, error: 0, ...standardError.suppressed }),
  );
  meter.gauge("tiro_event_loop_lag_ms", "Longest delay of the event loop lately", () => lag.worstMs());

  return {
    ...meter,
    render: () => registry.metrics(),
    contentType: registry.contentType,
    [Symbol.dispose]: () => lag[Symbol.dispose](),
  };
}

/** The values of one label so far, at most `LABEL_VALUES_MAX`. */
class LabelValues {
  readonly #seen = new Set<string>([OTHER]);

  of(value: string): string {
    if (this.#seen.has(value)) return value;
    if (this.#seen.size >= LABEL_VALUES_MAX || !LABEL_VALUE.test(value)) return OTHER;
    this.#seen.add(value);
    return value;
  }
}

const MACHINE_CLOCK: Clock = {
  now: () => performance.now(),
  timer(delayMs, callback) {
    const id = setTimeout(callback, delayMs);
    return { [Symbol.dispose]: () => clearTimeout(id) };
  },
};

/** A meter and logs for tests. */
import type { CounterName, HistogramName, Log, LogFields, Meter } from "../../src/domain/mod.ts";

export class FakeMeter implements Meter {
  readonly #counts = new Map<string, number>();
  readonly #observed = new Map<string, number[]>();
  readonly gauges = new Map<string, () => number>();
  readonly gaugesBy = new Map<string, () => Record<string, number>>();

  count(name: CounterName, label = "", by = 1): void {
    const key = `${name}|${label}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + by);
  }

  observe(name: HistogramName, value: number): void {
    this.#observed.set(name, [...this.#observed.get(name) ?? [], value]);
  }

  gauge(name: string, _help: string, read: () => number): Disposable {
    this.gauges.set(name, read);
    return { [Symbol.dispose]: () => void this.gauges.delete(name) };
  }

  gaugeBy(name: string, _help: string, _label: string, read: () => Record<string, number>): Disposable {
    this.gaugesBy.set(name, read);
    return { [Symbol.dispose]: () => void this.gaugesBy.delete(name) };
  }

  totals(): Disposable {
    return { [Symbol.dispose]: () => {} };
  }

  counted(name: CounterName, label = ""): number {
    return this.#counts.get(`${name}|${label}`) ?? 0;
  }

  observed(name: HistogramName): readonly number[] {
    return this.#observed.get(name) ?? [];
  }
}

/** Drops every line. */
export function createSilentLog(): Log {
  const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
  return silent;
}

export interface LogLine {
  level: "debug" | "info" | "warn" | "error";
  message: string;
  fields: LogFields;
  error?: unknown;
}

export class FakeLog implements Log {
  constructor(readonly lines: LogLine[] = [], private readonly fields: LogFields = {}) {}

  debug(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "debug", message, fields: { ...this.fields, ...fields } });
  }
  info(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "info", message, fields: { ...this.fields, ...fields } });
  }
  warn(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "warn", message, fields: { ...this.fields, ...fields } });
  }
  error(message: string, error: unknown, fields: LogFields = {}): void {
    this.lines.push({ level: "error", message, error, fields: { ...this.fields, ...fields } });
  }
  child(fields: LogFields): Log {
    return new FakeLog(this.lines, { ...this.fields, ...fields });
  }
}

/**
 * `tiro serve`: runs the service until SIGTERM, SIGINT or SIGQUIT, which drain it. A second signal after half a second
 * ends it at once.
 */
import { type Seams, startService } from "../app.ts";
import { type Config, formatConfigError, loadConfig } from "../config/mod.ts";
import { ConfigError, LIMITS, type Log, type Meter } from "../domain/mod.ts";
import {
  guarded,
  IGNORED_SIGNALS,
  type InternalError,
  startHardEnd,
  STOP_SIGNALS,
  StopSignals,
  surviveInternalErrors,
  takeLibraryOutput,
} from "../flow/mod.ts";
import { createLog, standardError } from "../telemetry/mod.ts";
import { fail } from "./output.ts";

export function run(): Promise<number> {
  return serve();
}

/** Resolves with the exit code. */
export async function serve(seams: Seams = {}): Promise<number> {
  let log: Log | undefined;
  try {
    const config = loadConfig(Deno.env.toObject());
    log = createLog({ level: config.log.level });
    await serveUntilStopped(config, log, seams);
    return 0;
  } catch (error) {
    if (error instanceof ConfigError) {
      fail(formatConfigError(error));
      return 78;
    }
    if (!log) throw error;
    log.error("service failed", error);
    return 1;
  } finally {
    await standardError.flush();
  }
}

async function serveUntilStopped(config: Config, log: Log, seams: Seams): Promise<void> {
  const internalErrors = new InternalErrors(log);
  surviveInternalErrors((error) => internalErrors.add(error));
  takeLibraryOutput((what) => log.warn("a library wrote to the console", { what }));
  const stop = firstSignal(log);
  using _hardEnd = await startHardEnd({
    onLost: () =>
      log.error("lost the thread that ends the process when the main thread is blocked", undefined),
  });
  {
    await using service = await startService(config, log, seams);
    internalErrors.countIn(service.meter);
    log.info("stopping", { signal: await stop, withinMs: LIMITS.drainMs });
    await service.drain();
  }
  log.info("stopped");
}

/**
 * Resolves with the first stop signal. After drainMs the thread of hard_end.ts ends the process, or the timer here where
 * that thread has no libc.
 */
function firstSignal(log: Log): Promise<string> {
  const first = Promise.withResolvers<string>();
  const signals = new StopSignals();
  for (const signal of STOP_SIGNALS) {
    listen(signal, () => {
      const asked = signals.receive(performance.now());
      if (asked === "exit") Deno.exit(1);
      if (asked === "drain") setTimeout(() => Deno.exit(1), LIMITS.drainMs);
      first.resolve(signal);
    });
  }
  for (const signal of IGNORED_SIGNALS) {
    listen(signal, () => log.info("signal ignored", { signal }));
  }
  return first.promise;
}

/** Guarded: an exception would end the listener (Deno 2.9.6), and the next signal would have its default effect. */
function listen(signal: Deno.Signal, listener: () => void): void {
  Deno.addSignalListener(signal, guarded("signal", listener));
}

/** Counts and logs unexpected errors, also those before the meter exists. */
class InternalErrors {
  #meter: Meter | undefined;
  #before: string[] = [];

  constructor(private readonly log: Log) {}

  add(error: InternalError): void {
    if (this.#meter) this.#meter.count("tiro_internal_errors_total", error.kind);
    else if (this.#before.length < BEFORE_MAX) this.#before.push(error.kind);
    this.log.error("internal error", error);
  }

  countIn(meter: Meter): void {
    this.#meter = meter;
    for (const kind of this.#before) meter.count("tiro_internal_errors_total", kind);
    this.#before = [];
  }
}

/** Few callbacks run while the service starts. */
const BEFORE_MAX = 100;

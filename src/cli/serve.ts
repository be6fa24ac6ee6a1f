/**
 * `tiro serve`: the service until SIGTERM, SIGINT or SIGQUIT, which drain it. A second one, half a second later or more,
 * ends it at once.
 */
import { type Seams, startService } from "../app.ts";
import { type Config, formatConfigError, loadConfig } from "../config/mod.ts";
import { ConfigError, LIMITS, type Log } from "../domain/mod.ts";
import { IGNORED_SIGNALS, startHardEnd, STOP_SIGNALS } from "../flow/mod.ts";
import { createLog, standardError } from "../telemetry/mod.ts";
import { fail } from "./output.ts";

export function run(): Promise<number> {
  return serve();
}

/** Resolves with the exit code. */
export async function serve(seams: Seams = {}): Promise<number> {
  let config: Config;
  try {
    config = loadConfig(Deno.env.toObject());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    fail(formatConfigError(error));
    return 78;
  }
  const log = createLog({ level: config.log.level });
  surviveStrays(log);
  const stop = firstSignal(log);
  using _hardEnd = await startHardEnd();
  const code = await runUntil(stop, config, log, seams);
  await standardError.flush(FLUSH_MS);
  return code;
}

async function runUntil(stop: Promise<string>, config: Config, log: Log, seams: Seams): Promise<number> {
  try {
    await using service = await startService(config, log, seams);
    log.info("stopping", { signal: await stop, withinMs: LIMITS.drainMs });
    await service.drain();
  } catch (error) {
    if (error instanceof ConfigError) {
      fail(formatConfigError(error));
      return 78;
    }
    log.error("service failed", error);
    return 1;
  }
  log.info("stopped");
  return 0;
}

/** What is queued for a log that nobody reads is given up after this, within what drainMs leaves. */
const FLUSH_MS = 200;

/** Resolves with the first signal to stop. What a second one means, and the end of the time to stop in, is the other thread's. */
function firstSignal(log: Log): Promise<string> {
  const first = Promise.withResolvers<string>();
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, () => first.resolve(signal));
  for (const signal of IGNORED_SIGNALS) {
    Deno.addSignalListener(signal, () => log.info("signal ignored", { signal }));
  }
  return first.promise;
}

/**
 * The last line of defence: an error that escaped a library's callback is logged and its speaker's watchdog does the
 * rest; it must not end everyone's captions.
 */
function surviveStrays(log: Log): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("stray rejection", event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    log.error("stray error", event.error);
  });
}

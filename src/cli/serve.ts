/** `tiro serve`: the service until SIGTERM or SIGINT, which drain it. A second signal, half a second later or more, ends it at once. */
import { type Seams, startService } from "../app.ts";
import { type Config, formatConfigError, loadConfig } from "../config/mod.ts";
import { ConfigError, LIMITS, type Log } from "../domain/mod.ts";
import { createLog } from "../telemetry/mod.ts";
import { fail } from "./output.ts";
import { StopSignals } from "./stop_signals.ts";

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
  const stop = firstSignal();
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

/** What ending the process takes itself. */
const EXIT_MS = 100;

/** Resolves with the first signal to stop. A second one that is no echo of it, or the end of the time to stop in, ends the process. */
function firstSignal(): Promise<string> {
  const first = Promise.withResolvers<string>();
  const signals = new StopSignals();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => {
      const asked = signals.receive(performance.now());
      if (asked === "exit") Deno.exit(1);
      if (asked === "echo") return;
      setTimeout(() => Deno.exit(1), LIMITS.drainMs - EXIT_MS);
      first.resolve(signal);
    });
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

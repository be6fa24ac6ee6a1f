/**
 * Behind HaRP the service listens on a Unix socket that nobody reaches unless `frpc`, which is not part of it, runs
 * beside it and holds HaRP's tunnel open. Without it there is no connection to fail and nothing to log, so what does not
 * arrive is what there is to see.
 */
import type { Clock, Log } from "../domain/mod.ts";
import type { HttpApp } from "./app.ts";

/** AppAPI asks for the heartbeat every second or so while it deploys an app. */
const QUIET_MS = 60_000;
/** What the container's own health check asks for, on the same socket. */
const OWN_PATH = "/healthz";

export interface TunnelWatchOptions {
  /** Owns the timer (a Scope of `flow/`). */
  scope: { defer(cleanup: () => void): void };
  clock: Clock;
  log: Log;
}

/** The same app; a tunnel that brings no request within a minute is logged, and so is the first that comes. */
export function watchTunnel(app: HttpApp, { scope, clock, log }: TunnelWatchOptions): HttpApp {
  log.info("listening for HaRP's tunnel: frpc has to run beside the service");
  let hasArrived = false;
  const timer = clock.timer(QUIET_MS, () => {
    if (hasArrived) return;
    log.warn(
      "no request has come through HaRP's tunnel yet: is frpc running beside the service and connected? " +
        "See docs/EXAPP.md",
    );
  });
  scope.defer(() => timer[Symbol.dispose]());
  return {
    fetch(request, caller) {
      if (!hasArrived && new URL(request.url).pathname !== OWN_PATH) {
        hasArrived = true;
        timer[Symbol.dispose]();
        log.info("HaRP's tunnel works");
      }
      return app.fetch(request, caller);
    },
  };
}

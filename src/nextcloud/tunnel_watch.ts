/**
 * Behind HaRP the service listens on a Unix socket, which is reached through `frpc`, a separate program that connects
 * HaRP's tunnel. Without `frpc` no connection fails and nothing is logged, so the absence of requests is.
 */
import type { Clock, Log } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";
import type { HttpApp } from "../http/mod.ts";

/** AppAPI requests the heartbeat about every second while it deploys an app. */
const QUIET_MS = 60_000;
/** The container's health check, on the same socket. */
const OWN_PATH = "/healthz";

export interface TunnelWatchOptions {
  /** Owns the timer. */
  scope: Pick<Scope, "defer">;
  clock: Clock;
  log: Log;
}

/** Logs the first request through the tunnel, and a warning when none has come within a minute. */
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
  const arrived = ({ url }: Request) => {
    if (hasArrived || new URL(url).pathname === OWN_PATH) return;
    hasArrived = true;
    timer[Symbol.dispose]();
    log.info("first request received through HaRP's socket");
  };
  return {
    fetch(request, client) {
      arrived(request);
      return app.fetch(request, client);
    },
    socketFor(request) {
      arrived(request);
      return app.socketFor?.(request);
    },
  };
}

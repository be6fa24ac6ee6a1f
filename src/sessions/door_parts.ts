/** What the service provides to every door. */
import type { Clock, Log, Meter } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";
import type { Sessions } from "./sessions.ts";

export interface DoorParts {
  sessions: Sessions;
  /** Throws UnavailableError while the service shuts down or is disabled. */
  requireWork: () => void;
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

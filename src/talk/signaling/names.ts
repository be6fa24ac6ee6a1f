/**
 * Display names of those in the room, for recognisers on this machine. As many as one session of a recogniser takes; the
 * others are dropped. People only: services and phones have none that is spoken.
 */
import { LIMITS } from "../../domain/mod.ts";
import type { Identity } from "./codec.ts";
import type { SignalingEvent } from "./events.ts";

export class Names {
  readonly #names = new Map<string, string>();
  #ownId = "";

  reset(ownId: string): void {
    this.#ownId = ownId;
    this.#names.clear();
  }

  /** The event with all names, if one is new. */
  named(sessions: readonly Identity[] = []): SignalingEvent[] {
    let hasChanged = false;
    for (const { sessionId, name } of sessions) {
      const known = this.#names.get(sessionId);
      const isFull = known === undefined && this.#names.size >= LIMITS.expectedWords;
      if (name === undefined || sessionId === this.#ownId || known === name || isFull) continue;
      this.#names.set(sessionId, name);
      hasChanged = true;
    }
    return hasChanged ? this.#event() : [];
  }

  left(sessionIds: readonly string[]): SignalingEvent[] {
    const left = sessionIds.filter((sessionId) => this.#names.delete(sessionId));
    return left.length > 0 ? this.#event() : [];
  }

  #event(): SignalingEvent[] {
    return [{ type: "names", names: [...new Set(this.#names.values())] }];
  }
}

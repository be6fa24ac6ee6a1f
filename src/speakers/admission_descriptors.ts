/**
 * Watches the use of file descriptors. Speakers, sessions and requests are sockets: without a descriptor the next of them
 * fails, whichever it is. So some are reserved for admitted speakers and the REST API, and no new speaker is taken while
 * fewer are left.
 */
import { type Clock, LIMITS, type Log, type Meter } from "../domain/mod.ts";
import { delay, type DescriptorUse, readDescriptors, type Scope } from "../flow/mod.ts";

export interface DescriptorWatchOptions {
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
  /** The maximum of sessions and speakers, for which there should be descriptors. */
  sessions: number;
  speakers: number;
  /** Default: this process's. */
  read?: () => DescriptorUse | undefined;
}

/** A new speaker's sockets are open after this many readings. */
const READINGS_UNTIL_OPEN = Math.ceil((LIMITS.joinOfferMs + LIMITS.joinConnectMs) / LIMITS.descriptorsLookMs);

export class DescriptorWatch {
  readonly #options: DescriptorWatchOptions;
  #use: DescriptorUse | undefined;
  /** Speakers admitted before each of the last readings, newest first, whose sockets may not be open yet. */
  #taken: number[] = Array(READINGS_UNTIL_OPEN).fill(0);
  #isTight = false;

  constructor(options: DescriptorWatchOptions) {
    this.#options = options;
    const { scope, clock, log, meter, sessions, speakers } = options;
    scope.use(meter.gauge("tiro_descriptors_open", "File descriptors in use", () => this.#use?.open ?? NaN));
    scope.use(
      meter.gauge("tiro_descriptors_limit", "Limit of file descriptors", () => this.#use?.limit ?? NaN),
    );
    this.#look();
    const needed = descriptorsFor({ sessions, speakers });
    if (this.#use && this.#use.limit < needed) {
      log.warn(
        "fewer file descriptors than MAX_ROOMS and MAX_SPEAKERS may need; raise the hard limit of open files " +
          "(systemd: LimitNOFILE, Docker: --ulimit nofile)",
        { limit: this.#use.limit, needed },
      );
    }
    scope.run(async (signal) => {
      while (true) {
        await delay(LIMITS.descriptorsLookMs, signal, clock);
        this.#look();
      }
    });
  }

  /** Whether too few are left for a new speaker. */
  get isTight(): boolean {
    return this.#isTight || this.#left() < LIMITS.descriptorsPerSpeaker;
  }

  /** A speaker was admitted, and will open sockets. */
  take(): void {
    this.#taken[0]++;
  }

  /** Maximum of connections to the REST API. */
  get httpConnections(): number {
    return httpConnectionsOf(this.#use?.limit);
  }

  /** Without those reserved, and those that the latest speakers will open. */
  #left(): number {
    if (!this.#use) return Number.POSITIVE_INFINITY;
    const { open, limit } = this.#use;
    const coming = this.#taken.reduce((sum, count) => sum + count, 0) * LIMITS.descriptorsPerSpeaker;
    return limit - open - coming - LIMITS.descriptorsKeptBack - httpConnectionsOf(limit);
  }

  #look(): void {
    const { log, read = readDescriptors } = this.#options;
    this.#use = read();
    this.#taken = [0, ...this.#taken.slice(0, -1)];
    const left = this.#left();
    // Two speakers' more to end it, so that one who joins and leaves does not switch it on and off.
    const isTight = left < LIMITS.descriptorsPerSpeaker * (this.#isTight ? 3 : 1);
    if (isTight === this.#isTight) return;
    this.#isTight = isTight;
    const fields = { ...this.#use };
    if (isTight) log.warn("file descriptors low: new speakers refused", fields);
    else log.info("file descriptors available: new speakers accepted", fields);
  }
}

/** Descriptors for so many sessions and speakers, REST API and the rest included. */
export function descriptorsFor({ sessions, speakers }: { sessions: number; speakers: number }): number {
  return LIMITS.descriptorsKeptBack + LIMITS.httpConnections + sessions +
    speakers * LIMITS.descriptorsPerSpeakerIn + LIMITS.joinsAtOnce * LIMITS.descriptorsPerSpeaker;
}

/** An eighth of the limit, where that is less than the REST API's own bound. */
function httpConnectionsOf(limit = Number.POSITIVE_INFINITY): number {
  return Math.min(LIMITS.httpConnections, Math.floor(limit / 8));
}

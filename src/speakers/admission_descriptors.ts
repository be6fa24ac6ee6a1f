/**
 * Watches the use of file descriptors. Speakers, sessions and requests are sockets: without a descriptor the next of them
 * fails, whichever it is. So some are reserved for admitted speakers and the HTTP server, and no new speaker is taken while
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
  /** The same of WebSockets and of streams of events; default: none. */
  webSockets?: number;
  streams?: number;
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
    const { scope, clock, log, meter, sessions, speakers, webSockets, streams } = options;
    scope.use(meter.gauge("tiro_descriptors_open", "File descriptors in use", () => this.#use?.open ?? NaN));
    scope.use(
      meter.gauge("tiro_descriptors_limit", "Limit of file descriptors", () => this.#use?.limit ?? NaN),
    );
    this.#look();
    const needed = descriptorsFor({ sessions, speakers, webSockets, streams });
    if (this.#use && this.#use.limit < needed) {
      log.warn(
        "fewer file descriptors than MAX_ROOMS, MAX_SPEAKERS and VOICE_MAX_SESSIONS may need; raise the hard limit of open files " +
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

  /** Maxima of the HTTP server: connections to the REST API, WebSockets, and streams of events. */
  get http(): { most: number; sockets: number; streams: number } {
    const { webSockets = 0, streams = 0 } = this.#options;
    const share = shareOf(this.#use?.limit);
    return {
      most: Math.min(LIMITS.httpConnections, share),
      sockets: Math.min(webSockets, share),
      streams: Math.min(streams, share),
    };
  }

  /** Without those reserved, and those that the latest speakers will open. */
  #left(): number {
    if (!this.#use) return Number.POSITIVE_INFINITY;
    const { open, limit } = this.#use;
    const coming = this.#taken.reduce((sum, count) => sum + count, 0) * LIMITS.descriptorsPerSpeaker;
    const { most, sockets, streams } = this.http;
    return limit - open - coming - LIMITS.descriptorsKeptBack - most - sockets - streams;
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

/** Descriptors for so many of each, REST API and the rest included. */
export function descriptorsFor(
  { sessions, speakers, webSockets = 0, streams = 0 }: Pick<
    DescriptorWatchOptions,
    "sessions" | "speakers" | "webSockets" | "streams"
  >,
): number {
  return LIMITS.descriptorsKeptBack + LIMITS.httpConnections + webSockets + streams + sessions +
    speakers * LIMITS.descriptorsPerSpeakerIn + LIMITS.joinsAtOnce * LIMITS.descriptorsPerSpeaker;
}

/** Of one kind of the HTTP server's connections: an eighth of the limit at most. */
function shareOf(limit = Number.POSITIVE_INFINITY): number {
  return Math.floor(limit / 8);
}

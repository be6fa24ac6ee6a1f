/**
 * Looks at the file descriptors every now and then, for as long as its scope lives. Speakers, rooms and requests are
 * sockets: without a descriptor the next of them fails, whoever needs it. So some are kept back, for those who are in
 * and for the REST API, and no new speaker is taken while fewer are left.
 */
import { type Clock, LIMITS, type Log, type Meter } from "../domain/mod.ts";
import { delay, type DescriptorUse, readDescriptors, type Scope } from "../flow/mod.ts";

export interface DescriptorWatchOptions {
  /** The watch's own. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
  /** The most rooms and speakers there may be: what there should be descriptors for. */
  rooms: number;
  speakers: number;
  /** Default: this process's. */
  read?: () => DescriptorUse | undefined;
}

/** A new speaker's sockets are opened within this many looks: joinOfferMs and joinConnectMs. */
const LOOKS_UNTIL_OPEN = Math.ceil((LIMITS.joinOfferMs + LIMITS.joinConnectMs) / LIMITS.descriptorsLookMs);

export class DescriptorWatch {
  readonly #options: DescriptorWatchOptions;
  #use: DescriptorUse | undefined;
  /** Speakers taken before each of the last looks, the newest first: their sockets may not be among the open ones. */
  #taken: number[] = Array(LOOKS_UNTIL_OPEN).fill(0);
  #isTight = false;

  constructor(options: DescriptorWatchOptions) {
    this.#options = options;
    const { scope, clock, log, meter, rooms, speakers } = options;
    scope.use(meter.gauge("tiro_descriptors_open", "File descriptors in use", () => this.#use?.open ?? NaN));
    scope.use(
      meter.gauge("tiro_descriptors_limit", "File descriptors there may be", () => this.#use?.limit ?? NaN),
    );
    this.#look();
    const needed = descriptorsFor({ rooms, speakers });
    if (this.#use && this.#use.limit < needed) {
      log.warn(
        "fewer file descriptors than MAX_ROOMS and MAX_SPEAKERS may need: raise the hard limit of open files " +
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

  /** Whether so few are left that no new speaker should be taken. */
  get isTight(): boolean {
    return this.#isTight || this.#left() < LIMITS.descriptorsPerSpeaker;
  }

  /** A speaker was taken, and will need some. */
  take(): void {
    this.#taken[0]++;
  }

  /** Connections the REST API may have at once. */
  get httpConnections(): number {
    return httpConnectionsOf(this.#use?.limit);
  }

  /** After those kept back and those of the speakers taken lately. */
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
    // Two speakers' more than there must be: one who comes and goes does not switch it on and off.
    const isTight = left < LIMITS.descriptorsPerSpeaker * (this.#isTight ? 3 : 1);
    if (isTight === this.#isTight) return;
    this.#isTight = isTight;
    const fields = { ...this.#use };
    if (isTight) log.warn("file descriptors are few: no new speakers are taken", fields);
    else log.info("file descriptors are there again: new speakers are taken", fields);
  }
}

/** What all rooms and speakers there may be take, REST API and the rest included. */
export function descriptorsFor({ rooms, speakers }: { rooms: number; speakers: number }): number {
  return LIMITS.descriptorsKeptBack + LIMITS.httpConnections + rooms +
    speakers * LIMITS.descriptorsPerSpeakerIn + LIMITS.joinsAtOnce * LIMITS.descriptorsPerSpeaker;
}

/** An eighth of what there is, where that is less than the REST API's own bound. */
function httpConnectionsOf(limit = Number.POSITIVE_INFINITY): number {
  return Math.min(LIMITS.httpConnections, Math.floor(limit / 8));
}

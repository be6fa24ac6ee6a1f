/**
 * RTCP for one DTLS association: takes in sender reports, and tells the sender now and then what of its packets
 * arrives (RFC 3550, section 6). Owns the one timer for that; ends with the connection.
 *
 * The interval is the standard's minimum, and each is drawn anew from half to one and a half of it, so that hundreds of
 * connections do not report at once. There is no need to reconsider it (section 6.3.6), nor of the division that goes
 * with that: two participants are all there ever are, and a report of a hundred bytes is well under the share of the
 * bandwidth that reports may have. No BYE: DTLS says goodbye, and ICE.
 */
import type { Clock } from "../domain/mod.ts";
import type { Reception } from "./reception.ts";
import { readRtcp, receiverReport, REPORT_BLOCKS_MAX } from "./rtcp.ts";
import { SrtcpReceiver, type SrtcpRefusal, SrtcpSender, srtcpTransform } from "./srtcp.ts";
import type { SrtpMasterKey } from "./srtp_transform.ts";

export interface ReceiverReportsOptions {
  clock: Clock;
  /** Sources heard, by SSRC. */
  sources: ReadonlyMap<number, Reception>;
  /** What DTLS agreed on, for what is received and for what is sent. */
  remote: SrtpMasterKey;
  local: SrtpMasterKey;
  /** Sends an SRTCP datagram. A lost one does no harm: the next says more. */
  send: (datagram: Uint8Array) => void;
  /** 0 to 1. Default Math.random. */
  random?: () => number;
}

/** RFC 3550, section 6.2; the first report may come after half of it. */
const INTERVAL_MS = 5_000;

export class ReceiverReports implements Disposable {
  readonly #options: ReceiverReportsOptions;
  readonly #receiver: SrtcpReceiver;
  readonly #sender: SrtcpSender;
  /** For this connection only: it says nothing about who or what we are (RFC 7022, section 4.2). */
  readonly #cname = randomCname();
  #ssrc = randomSsrc();
  /** Sources past the bound of one report go first in the next. */
  readonly #waiting = new Set<Reception>();
  #timer: Disposable | undefined;

  constructor(options: ReceiverReportsOptions) {
    this.#options = options;
    this.#receiver = new SrtcpReceiver(srtcpTransform(options.remote));
    this.#sender = new SrtcpSender(srtcpTransform(options.local));
    this.#wait(INTERVAL_MS / 2);
  }

  /** Takes an SRTCP datagram that arrived at a time, monotonic ms; why, when it is refused. */
  receive(datagram: Uint8Array, arrivedMs: number): SrtcpRefusal | undefined {
    const rtcp = this.#receiver.receive(datagram);
    if (typeof rtcp === "string") return rtcp;
    const news = readRtcp(rtcp);
    if (!news) return "rtcp_malformed";
    const { sources } = this.#options;
    for (const { ssrc, ntpMiddle } of news.senderReports) {
      sources.get(ssrc)?.senderReported(ntpMiddle, arrivedMs);
    }
    for (const ssrc of news.byes) sources.get(ssrc)?.left();
    return undefined;
  }

  /** No report is sent any more. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #wait(intervalMs: number): void {
    const { clock, random = Math.random } = this.#options;
    this.#timer = clock.timer(intervalMs * (0.5 + random()), () => this.#due());
  }

  #due(): void {
    this.#wait(INTERVAL_MS);
    const { clock, sources, send } = this.#options;
    if (sources.size === 0) return;
    while (sources.has(this.#ssrc)) this.#ssrc = randomSsrc(); // section 8.2
    const blocks = this.#next().map((reception) => reception.report(clock.now()));
    send(this.#sender.protect(receiverReport(this.#ssrc, this.#cname, blocks)));
  }

  /** Who was heard since last reported on: as many as a report holds, those who waited for one first. */
  #next(): Reception[] {
    for (const reception of this.#options.sources.values()) {
      if (reception.isHeard) this.#waiting.add(reception);
    }
    const next = [...this.#waiting].slice(0, REPORT_BLOCKS_MAX);
    for (const reception of next) this.#waiting.delete(reception);
    return next;
  }
}

/** Not 0 and not 1, which some software takes for "none". */
function randomSsrc(): number {
  const [ssrc] = crypto.getRandomValues(new Uint32Array(1));
  return ssrc > 1 ? ssrc : 2;
}

/** 96 random bits. */
function randomCname(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(12))));
}

/**
 * RTCP for one DTLS association: reads sender reports and sends receiver reports (RFC 3550, section 6). Ends with the
 * connection.
 *
 * The interval is the standard's minimum, randomised between half and one and a half of it, so that hundreds of
 * connections do not report at once. No timer reconsideration (section 6.3.6) and no bandwidth share: there are only two
 * participants, and a report has a hundred bytes. No BYE: DTLS and ICE signal the end.
 */
import type { Clock } from "../domain/mod.ts";
import type { Reception } from "./reception.ts";
import { readRtcp, receiverReport, REPORT_BLOCKS_MAX } from "./rtcp.ts";
import { SrtcpReceiver, type SrtcpRefusal, type SrtcpTransform, srtcpTransform } from "./srtcp.ts";
import type { SrtpMasterKey } from "./srtp_transform.ts";

export interface ReceiverReportsOptions {
  clock: Clock;
  /** By SSRC. */
  sources: ReadonlyMap<number, Reception>;
  /** For received packets. */
  remote: SrtpMasterKey;
  /** For sent packets. */
  local: SrtpMasterKey;
  send: (datagram: Uint8Array) => void;
  /** 0 to 1. Default Math.random. */
  random?: () => number;
}

/** RFC 3550, section 6.2; half of it before the first report. */
const INTERVAL_MS = 5_000;

export class ReceiverReports implements Disposable {
  readonly #options: ReceiverReportsOptions;
  readonly #receiver: SrtcpReceiver;
  readonly #transform: SrtcpTransform;
  /** SRTCP index of the next report: at one report in 2.5 s its 31 bits last for 170 years. */
  #index = 0;
  /** 96 random bits for this connection only, so that it identifies nobody (RFC 7022, section 4.2). */
  readonly #cname = crypto.getRandomValues(new Uint8Array(12)).toBase64();
  #ssrc = randomSsrc();
  /** Sources that did not fit into a report come first in the next. */
  readonly #waiting = new Set<Reception>();
  #timer: Disposable | undefined;

  constructor(options: ReceiverReportsOptions) {
    this.#options = options;
    this.#receiver = new SrtcpReceiver(srtcpTransform(options.remote));
    this.#transform = srtcpTransform(options.local);
    this.#wait(INTERVAL_MS / 2);
  }

  /** Reads an SRTCP datagram; returns why if it is refused. `arrivedMs` is monotonic. */
  receive(datagram: Uint8Array, arrivedMs: number): SrtcpRefusal | undefined {
    const rtcp = this.#receiver.receive(datagram);
    if (typeof rtcp === "string") return rtcp;
    const content = readRtcp(rtcp);
    if (!content) return "rtcp_malformed";
    const { sources } = this.#options;
    for (const { ssrc, ntpMiddle } of content.senderReports) {
      sources.get(ssrc)?.senderReported(ntpMiddle, arrivedMs);
    }
    for (const ssrc of content.byes) sources.get(ssrc)?.left();
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
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
    send(this.#transform.seal(receiverReport(this.#ssrc, this.#cname, blocks), this.#index++));
  }

  /** Sources active since their last report, at most as many as a report holds, the longest waiting first. */
  #next(): Reception[] {
    for (const reception of this.#options.sources.values()) {
      if (reception.isActive) this.#waiting.add(reception);
    }
    const next = [...this.#waiting].slice(0, REPORT_BLOCKS_MAX);
    for (const reception of next) this.#waiting.delete(reception);
    return next;
  }
}

/** Not 0 or 1, which some implementations use for "none". */
function randomSsrc(): number {
  const [ssrc] = crypto.getRandomValues(new Uint32Array(1));
  return ssrc > 1 ? ssrc : 2;
}

/** What a participant writes who wants the service to connect to them, past the SFU. */

export interface Forged {
  from: string;
  /** The service's session. */
  to: string;
  sid: string;
  stranger: Stranger;
  /** Of the SDP, at least. */
  bytes: number;
}

/**
 * Data that the HPB cannot read as a message for its SFU, since `bitrate` is a number there: so it relays it as it is.
 * Everything else is as the SFU's.
 */
export function forgedOffer(
  { from, to, sid = "1234567890", stranger, bytes = 0 }: Partial<Forged> & { stranger: Stranger },
): Record<string, unknown> {
  const payload = { type: "offer", sdp: offerTo(stranger, bytes) };
  return { to, from, type: "offer", roomType: "video", payload, sid, bitrate: "none" };
}

function offerTo({ host, port }: Stranger, bytes: number): string {
  const lines = [
    "v=0",
    `o=- 1 1 IN IP4 ${host}`,
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0",
    `m=audio 9 UDP/TLS/RTP/SAVPF 111`,
    `c=IN IP4 ${host}`,
    "a=sendonly",
    "a=mid:0",
    "a=rtcp-mux",
    "a=ice-ufrag:them",
    "a=ice-pwd:0123456789012345678901",
    `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}`,
    "a=setup:actpass",
    "a=rtpmap:111 opus/48000/2",
    `a=candidate:1 1 udp 2130706431 ${host} ${port} typ host`,
  ];
  const sdp = lines.join("\r\n") + "\r\n";
  const padding = Math.max(0, bytes - sdp.length);
  return padding > 0 ? `${sdp}a=padding:${"x".repeat(padding)}\r\n` : sdp;
}

/** A socket that nobody has a reason to send to. */
export class Stranger implements Disposable {
  readonly host: string;
  readonly port: number;
  #received = 0;
  readonly #socket: Deno.DatagramConn;

  constructor(host: string) {
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname: host, port: 0 });
    const { hostname, port } = this.#socket.addr as Deno.NetAddr;
    [this.host, this.port] = [hostname, port];
    void this.#listen();
  }

  /** Datagrams. */
  get received(): number {
    return this.#received;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #listen(): Promise<void> {
    for await (const _datagram of this.#socket) this.#received++;
  }
}

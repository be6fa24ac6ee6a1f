/**
 * A werift connection as these tests use it: Opus only, host candidates only, nothing outside this machine, and closed
 * without leaving anything behind.
 */
import { RTCPeerConnection, RTCRtpCodecParameters } from "werift";

/** What browsers and Janus agree on. */
export const OPUS_PAYLOAD_TYPE = 111;
/** werift sends a DTLS flight, then sleeps this long before it looks whether an answer came; half a second more each time. */
const FLIGHT_SLEEP_MS = 500;

export class WeriftPeer implements AsyncDisposable {
  readonly pc = new RTCPeerConnection({
    codecs: {
      audio: [
        // RFC 7587: always 48000/2 in SDP, whatever is sent.
        new RTCRtpCodecParameters({
          mimeType: "audio/opus",
          clockRate: 48_000,
          channels: 2,
          payloadType: OPUS_PAYLOAD_TYPE,
        }),
      ],
      video: [],
    },
    iceServers: [],
    iceUseIpv6: false,
  });
  readonly #connected = Promise.withResolvers<void>();
  #handshakeFromMs?: number;
  #connectedMs?: number;

  constructor() {
    this.#connected.promise.catch(() => {}); // reported to whoever asks
    this.pc.connectionStateChange.subscribe((state) => {
      if (state === "connected") {
        this.#connectedMs ??= performance.now();
        this.#connected.resolve();
      }
      if (state === "failed") this.#connected.reject(new Error("Cannot connect: the transport failed"));
    });
  }

  /** Takes werift's default public STUN server out, which an empty list leaves in. Call it once there is a transceiver. */
  stayOnMachine(): void {
    for (const transport of this.pc.dtlsTransports) {
      transport.iceTransport.connection.stunServer = undefined;
      transport.onStateChange.subscribe((state) => {
        if (state === "connecting") this.#handshakeFromMs ??= performance.now();
      });
    }
  }

  /** Resolves when connected; rejects when that failed or takes too long. */
  async connected(deadlineMs: number): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("Cannot connect: not in time")), deadlineMs);
    try {
      await Promise.race([this.#connected.promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Closes, and waits for the sleep of werift's handshake, which nothing cancels: it would outlive the test. At the
   * time of connecting it has at most the time the handshake took plus one sleep to go.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.pc.close();
    if (this.#connectedMs === undefined) return;
    const handshakeMs = this.#connectedMs - (this.#handshakeFromMs ?? this.#connectedMs);
    const restMs = this.#connectedMs + handshakeMs + FLIGHT_SLEEP_MS - performance.now();
    if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs + 10));
  }
}

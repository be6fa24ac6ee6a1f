/** Two werift peers on loopback, and an attacker who knows their ports and may know more. */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { createSocket, type Socket } from "node:dgram";
import { classes, type Connection, Message, methods, type RTCDtlsTransport, RtpHeader } from "werift";
import type { DatagramRefusal } from "./guard.ts";
import { opusCodec, Peer } from "./peer.ts";
import type { DatagramTransport } from "./udp.ts";
import type { Address } from "./udp_socket.ts";

const DEADLINE_MS = 15_000;
const SSRC = 77;

/** The sender offers, so it is the DTLS server; the receiver answers. */
export class Pair implements AsyncDisposable {
  readonly refused = new Map<DatagramRefusal, number>();
  /** Ends of the association reported to the receiver. */
  ends = 0;
  readonly sender: Peer;
  readonly receiver: Peer;
  #packets = 0;
  #sent = 0;
  #onPacket = () => {};

  constructor() {
    this.sender = this.#open(false);
    this.receiver = this.#open(true);
  }

  static async connect(prepare: (pair: Pair) => Promise<void> | void = () => {}): Promise<Pair> {
    const pair = new Pair();
    pair.sender.connection.addTransceiver("audio", { direction: "sendonly" });
    const connected = [pair.sender, pair.receiver].map(({ connection }) =>
      new Promise<void>((resolve) =>
        connection.connectionStateChange.subscribe((state) => {
          if (state === "connected") resolve();
        })
      )
    );
    await pair.negotiate(() => prepare(pair));
    await Promise.all(connected);
    return pair;
  }

  /** Runs `between` after the answer is made and before it is applied. */
  async negotiate(between: () => Promise<void> | void = () => {}): Promise<void> {
    const { sender, receiver } = this;
    const offer = await sender.setLocal(await sender.connection.createOffer());
    await receiver.connection.setRemoteDescription({ type: "offer", sdp: offer });
    const answer = await receiver.setLocal(await receiver.connection.createAnswer());
    await between();
    await sender.setRemoteAnswer(answer);
  }

  get sending(): RTCDtlsTransport {
    return this.sender.connection.dtlsTransports[0];
  }

  get receiving(): RTCDtlsTransport {
    return this.receiver.connection.dtlsTransports[0];
  }

  get ice(): Connection {
    return iceOf(this.receiving);
  }

  /** Of the receiver's socket. */
  get address(): Address {
    return socketOf(this.receiving).address_;
  }

  count(reason: DatagramRefusal): number {
    return this.refused.get(reason) ?? 0;
  }

  /** Sends packets, each of which has to be received. */
  async sendAudio(packets = 10): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const wanted = this.#packets + packets;
    this.#onPacket = () => {
      if (this.#packets >= wanted) resolve();
    };
    for (let sent = 0; sent < packets; sent++) {
      const header = new RtpHeader({ payloadType: 111, ssrc: SSRC, sequenceNumber: this.#sent++ });
      await this.sending.sendRtp(Buffer.of(1), header);
    }
    const timer = setTimeout(
      () => reject(new Error(`${wanted - this.#packets} of ${packets} packets lost`)),
      2_000,
    );
    await promise.finally(() => clearTimeout(timer));
  }

  /** From the sender's own address, as an attacker who spoofs it could. */
  async sendAsSender(datagram: Uint8Array): Promise<void> {
    const pair = iceOf(this.sending).nominated ?? assert.fail("no pair");
    await pair.protocol.sendData(Buffer.from(datagram), pair.remoteAddr);
  }

  /** Resolves when waiting datagrams are handled: a packet is received. */
  async drain(): Promise<void> {
    for (;;) {
      try {
        return await this.sendAudio(1);
      } catch {
        // The socket's buffer was full.
      }
    }
  }

  /** Resolves when `count` datagrams were refused for a reason. */
  async until(reason: DatagramRefusal, count: number): Promise<void> {
    await eventually(() => this.count(reason) >= count, () => `${this.count(reason)} of ${count} ${reason}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.sender[Symbol.asyncDispose](), this.receiver[Symbol.asyncDispose]()]);
  }

  #open(isReceiver: boolean): Peer {
    return new Peer({
      iceServers: [],
      network: { interfaceAddresses: ["127.0.0.1"] },
      codecs: { audio: [opusCodec()], video: [] },
      onRtp: () => {
        this.#packets++;
        this.#onPacket();
      },
      onDatagramRefused: (reason, count = 1) => {
        if (isReceiver) this.refused.set(reason, this.count(reason) + count);
      },
      onEnded: () => {
        if (isReceiver) this.ends++;
      },
    });
  }
}

export function iceOf(transport: RTCDtlsTransport): Connection {
  return transport.iceTransport.connection as Connection;
}

export function socketOf(transport: RTCDtlsTransport): { transport: DatagramTransport; address_: Address } {
  const [{ transport: socket }]: { transport: DatagramTransport }[] = iceOf(transport)["protocols"];
  return { transport: socket, address_: [socket.host, socket.port] };
}

export async function eventually(holds: () => boolean, what: () => string): Promise<void> {
  for (const endMs = performance.now() + DEADLINE_MS; !holds();) {
    if (performance.now() > endMs) throw new Error(`Timed out waiting for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** An attacker with a socket of its own. */
export class Stranger implements AsyncDisposable {
  readonly answers: Buffer[] = [];

  private constructor(readonly socket: Socket) {
    socket.on("message", (datagram) => this.answers.push(datagram));
  }

  static async bind(host = "127.0.0.1"): Promise<Stranger> {
    const socket = createSocket("udp4");
    await new Promise<void>((bound) => socket.bind(0, host, bound));
    return new Stranger(socket);
  }

  async send(datagram: Uint8Array, [host, port]: Address): Promise<void> {
    await new Promise<void>((sent) => this.socket.send(datagram, port, host, () => sent()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((closed) => this.socket.close(closed));
  }
}

export const fromHex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));
export const DTLS_HEADER = "fefd0000000000000000";

/** A connectivity check, signed if there is a password. */
export function check({ ufrag, password, nominates = true, id }: {
  ufrag?: string;
  password?: string;
  nominates?: boolean;
  id?: Buffer;
}): Uint8Array {
  const message = new Message(methods.BINDING, classes.REQUEST, id);
  if (ufrag !== undefined) message.setAttribute("USERNAME", `${ufrag}:them`);
  message.setAttribute("PRIORITY", 2_130_706_431).setAttribute("ICE-CONTROLLING", 1n);
  if (nominates) message.setAttribute("USE-CANDIDATE", null);
  if (password !== undefined) message.addMessageIntegrity(Buffer.from(password));
  return message.addFingerprint().bytes;
}

/** A fragment of a Certificate of 16,000 bytes that is never complete. */
export function fragment(offset: number, bytes = 1_000): Uint8Array {
  const header = Buffer.alloc(25);
  header.set(fromHex(`16${DTLS_HEADER}`));
  header.writeUInt16BE(12 + bytes, 11);
  header[13] = 11;
  header.writeUIntBE(16_000, 14, 3);
  header.writeUInt16BE(2, 17);
  header.writeUIntBE(offset, 19, 3);
  header.writeUIntBE(bytes, 22, 3);
  return Uint8Array.from([...header, ...new Uint8Array(bytes)]);
}

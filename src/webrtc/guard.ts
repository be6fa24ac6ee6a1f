/**
 * Filters datagrams before werift, which trusts any sender: STUN and DTLS pass as stun_guard.ts and dtls_guard.ts decide,
 * whether received over UDP or through a TURN relay. Media is taken by rtp_tap.ts.
 *
 * Depends on werift internals, as of 0.25.2.
 */
import { Buffer } from "node:buffer";
import { type Connection as IceConnection, DtlsClient, type Protocol, type RTCDtlsTransport } from "werift";
import type { Clock } from "../domain/mod.ts";
import { DtlsGuard, type DtlsRefusal } from "./dtls_guard.ts";
import { type DtlsRecord, isDtls } from "./dtls_records.ts";
import { FloodGate } from "./flood_gate.ts";
import { repairRoles } from "./ice.ts";
import { isMedia } from "./srtp.ts";
import { isStun } from "./stun.ts";
import { type IceView, StunGuard, type StunRefusal } from "./stun_guard.ts";
import { DatagramTransport } from "./udp.ts";
import { type Address, isSameAddress } from "./udp_socket.ts";

export type DatagramRefusal =
  | StunRefusal
  | DtlsRefusal
  /** None of the protocols of a WebRTC socket. */
  | "unknown_protocol"
  /** Dropped by the kernel while strangers flooded the socket. */
  | "flood";

export interface GuardOptions {
  clock: Clock;
  /** One datagram was discarded, or `count`. */
  onRefused: (reason: DatagramRefusal, count?: number) => void;
}

/** The used part of werift's protocol objects, one for each socket or TURN allocation. */
interface GuardedProtocol {
  /** Opens the socket. */
  connectionMade?: (...options: unknown[]) => Promise<void>;
  /** Our own socket, once it is open. */
  transport?: unknown;
  transactions?: Transactions;
  /** The TURN allocation. */
  turn?: { transactions: Transactions };
  handleStunMessage?: (datagram: Buffer, from: Address) => void;
  onRequestReceived: Protocol["onRequestReceived"];
}

/** Pending STUN requests by transaction id. */
type Transactions = Record<string, { expectedAddr: Address } | undefined>;

/** Peer-reflexive candidates, as many as the peer may signal; an SFU has one or two behind a NAT. */
const REFLEXIVE_MAX = 16;
/** Checks that arrive before ours start, which werift handles then. */
const EARLY_CHECKS_MAX = 16;
/** Addresses a closed gate admits; more than a peer and its servers have. */
const KNOWN_MAX = 64;
/** Overhead of AES-GCM: a nonce and a tag (RFC 5288). */
const GCM_BYTES = 8 + 16;

/** Call before gathering: existing protocols are not guarded. Dispose before the sockets are closed. */
export function guardDatagrams(
  transport: RTCDtlsTransport,
  ice: IceConnection,
  options: GuardOptions,
): Disposable {
  const { clock, onRefused } = options;
  const guard = new Guard(transport, options);
  const gates: FloodGate[] = [];
  const ensure: (protocol: GuardedProtocol) => void = ice["ensureProtocol"].bind(ice);
  ice["ensureProtocol"] = (protocol: GuardedProtocol): void => {
    repairRoles(ice, protocol);
    ensure(protocol);
    const { connectionMade, handleStunMessage } = protocol;
    const view = new WeriftIce(ice, protocol);
    if (handleStunMessage) {
      protocol.handleStunMessage = (datagram, from) => {
        if (isMedia(datagram)) return handleStunMessage(datagram, from);
        for (const part of guard.admit(datagram, from, view)) handleStunMessage(Buffer.from(part), from);
      };
    } else if (connectionMade) {
      protocol.connectionMade = async (...opening) => {
        await connectionMade(...opening);
        const { transport: socket } = protocol;
        if (!(socket instanceof DatagramTransport)) return;
        const gate = new FloodGate({
          clock,
          socket,
          known: () => view.known,
          onDropped: (count) => onRefused("flood", count),
        });
        gates.push(gate);
        socket.onForged = (from) => {
          if (!view.isPeer(from)) gate.refused();
        };
        socket.admit = (datagram, from) => {
          const admitted = guard.admit(datagram, from, view);
          if (admitted.length === 0 && !view.isPeer(from)) gate.refused();
          return admitted;
        };
      };
    }
  };
  transport.onStateChange.subscribe((state) => {
    // Frees fragments of incomplete messages.
    if (state === "connected") Object.assign(transport.dtls ?? {}, { bufferFragmentedHandshakes: [] });
  });
  return {
    [Symbol.dispose]: () => {
      for (const gate of gates) gate[Symbol.dispose]();
    },
  };
}

class Guard {
  readonly #stun = new StunGuard();
  readonly #dtls = new DtlsGuard();

  constructor(
    private readonly transport: RTCDtlsTransport,
    private readonly options: GuardOptions,
  ) {}

  /** The parts of a datagram other than media that werift may have. */
  admit(datagram: Uint8Array, from: Address, ice: WeriftIce): readonly Uint8Array[] {
    if (isDtls(datagram)) return this.#admitDtls(datagram, from, ice);
    if (!isStun(datagram)) return this.#refuse("unknown_protocol");
    const verdict = this.#stun.judge(datagram, from, this.options.clock.now(), ice);
    if (verdict === "ignore") return NOTHING;
    if (verdict !== "pass") return this.#refuse(verdict);
    ice.makeRoom();
    return [datagram];
  }

  #admitDtls(datagram: Uint8Array, from: Address, ice: WeriftIce): readonly Uint8Array[] {
    const { dtls, state } = this.transport;
    const isOver = state === "closed" || state === "failed";
    const phase = isOver ? "ended" : dtls?.connected ? "connected" : "handshake";
    const isPeer = ice.isPeer(from);
    if (isPeer && !dtls) return [datagram]; // from before our side starts: nothing stores it yet
    const verdict = this.#dtls.judge(datagram, this.options.clock.now(), {
      phase,
      isPeer,
      isClient: dtls instanceof DtlsClient,
      decrypt: (record) => decrypted(dtls, record),
    });
    if (typeof verdict !== "string") return verdict;
    if (verdict !== "ended") return this.#refuse(verdict);
    dtls?.onClose.execute();
    return NOTHING;
  }

  #refuse(reason: DatagramRefusal): readonly Uint8Array[] {
    this.options.onRefused(reason);
    return NOTHING;
  }
}

const NOTHING: readonly Uint8Array[] = [];

/** The state of werift's ICE agent, as one socket or TURN allocation sees it. */
class WeriftIce implements IceView {
  constructor(private readonly ice: IceConnection, private readonly protocol: GuardedProtocol) {}

  passwordOf(ufrag: string): string | undefined {
    const { localUsername, localPassword, userHistory } = this.ice;
    if (ufrag === localUsername) return localPassword;
    return Object.hasOwn(userHistory, ufrag) ? userHistory[ufrag] : undefined;
  }

  isPeer(from: Address): boolean {
    return this.ice.remoteCandidates.some(({ host, port }) => isSameAddress([host, port], from));
  }

  /** Addresses of the peer and of servers with a pending request. */
  get known(): readonly Address[] {
    const peer = this.ice.remoteCandidates.map(({ host, port }): Address => [host, port]);
    const asked = Object.values(this.#transactions).flatMap((asked) => asked ? [asked.expectedAddr] : []);
    return [...peer, ...asked].slice(0, KNOWN_MAX);
  }

  get hasRoom(): boolean {
    const reflexive = this.ice.remoteCandidates.filter(({ type }) => type === "prflx");
    return reflexive.length < REFLEXIVE_MAX;
  }

  /** Drops the oldest early check, which has been responded to, before another is passed on. */
  makeRoom(): void {
    const early: unknown[] = this.ice["earlyChecks"];
    if (early.length === EARLY_CHECKS_MAX) early.shift();
  }

  isPending(transactionId: string, from: Address): boolean {
    const transactions = this.#transactions;
    const asked = Object.hasOwn(transactions, transactionId) ? transactions[transactionId] : undefined;
    return asked !== undefined && isSameAddress(asked.expectedAddr, from);
  }

  get #transactions(): Transactions {
    return this.protocol.turn?.transactions ?? this.protocol.transactions ?? {};
  }
}

function decrypted(dtls: RTCDtlsTransport["dtls"], record: DtlsRecord): Uint8Array | undefined {
  const { cipher } = dtls?.cipher ?? {};
  const { type, version: [major, minor], epoch, sequence, fragment } = record;
  if (!dtls || !cipher || fragment.length < GCM_BYTES) return undefined;
  const header = { type, version: major << 8 | minor, epoch, sequenceNumber: sequence };
  try {
    return cipher.decrypt(dtls.sessionType, Buffer.from(fragment), header);
  } catch {
    return undefined;
  }
}

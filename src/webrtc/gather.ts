/**
 * Gathers the candidates of a connection (RFC 8445, section 5.1) in place of werift, which opens a socket for each local
 * address, asks only the first STUN and the first TURN server, and delays the SDP answer until they respond. Here: one socket a family,
 * all servers at once, and a relay that comes after the answer is used all the same: the SFU learns its address from our
 * checks. Once connected, what the connection does not use is closed.
 *
 * Depends on werift internals, as of 0.25.2.
 */
import {
  Candidate,
  candidateFoundation,
  candidatePriority,
  classes,
  type Connection as IceConnection,
  Message,
  methods,
  StunOverTurnProtocol,
  StunProtocol,
} from "werift";
import type { IceServer } from "../domain/mod.ts";
import { untilAborted } from "../flow/mod.ts";
import { readIceServers, type TurnServer } from "./ice_servers.ts";
import { type LocalSocket, localSockets, type WebRtcNetwork } from "./local_addresses.ts";
import { connectRelay } from "./relay.ts";
import { TurnSocket } from "./turn_socket.ts";
import { DatagramTransport, NoFreePort } from "./udp.ts";

export interface GathererOptions {
  iceServers: readonly IceServer[];
  network: WebRtcNetwork;
  /** Receives promises of work that cannot be cancelled. */
  linger: (work: Promise<unknown>) => void;
  /** A relay was allocated after the local description was made. */
  onLateRelay: () => void;
}

/** Ten times the usual response time of a reachable STUN server. */
const STUN_TIMEOUT_MS = 500;
/** Gathering delays the SDP answer by this at most: two round trips to a relay 700 ms away, and a margin. */
export const GATHER_TIMEOUT_MS = 1_500;
/** Delay for further relays after the first: a server that is down must not hold up the answer. */
const OTHER_RELAYS_MS = 200;
/** The highest local preference (RFC 8445, section 5.1.2.1). */
const PREFERENCE_MAX = 65_535;
/** Between the addresses of one socket and of the next; a socket has fewer addresses. */
const PREFERENCE_STEP = 16;

export class Gatherer {
  readonly #ice: IceConnection;
  readonly #options: GathererOptions;
  readonly #sockets = new Set<StunProtocol>();
  readonly #relays = new Set<StunOverTurnProtocol>();
  /** Protocols other than the nominated one that have received data since `watchUse`. */
  readonly #used = new Set<unknown>();
  readonly #abort = new AbortController();
  /** Pending TURN allocations. */
  #allocating = 0;
  #started = false;
  /** Whether the local description is made. */
  #described = false;
  /** Whether a socket could not be opened because no port of the range is free. */
  portsUsedUp = false;

  /** Call before the connection gathers. */
  constructor(ice: IceConnection, options: GathererOptions) {
    this.#ice = ice;
    this.#options = options;
    ice["getCandidatePromises"] = () => [this.#gather()];
  }

  /** Whether a TURN allocation is pending. */
  get isAllocating(): boolean {
    return this.#allocating > 0;
  }

  /** Ends gathering at once. */
  abort(): void {
    this.#abort.abort();
  }

  /** Ends gathering and deallocates the relays. werift closes the sockets, which the relays may go through. */
  async close(): Promise<void> {
    this.abort();
    await Promise.all([...this.#relays].map((relay) => this.#remove(relay)));
  }

  /** Call once connected: records which protocols receive data, for `prune`. */
  watchUse(): void {
    this.#used.clear();
    const nominated = this.#ice.nominated?.protocol;
    for (const socket of this.#sockets) {
      const transport = transportOf(socket);
      const { onMedia } = transport;
      if (socket === nominated || !onMedia) continue;
      transport.onMedia = (datagram, waitedMs) => {
        this.#used.add(socket);
        transport.onMedia = onMedia;
        return onMedia(datagram, waitedMs);
      };
    }
    for (const relay of this.#relays) {
      const { onDataReceived } = relay;
      const { execute } = onDataReceived;
      onDataReceived.execute = (datagram) => {
        this.#used.add(relay);
        onDataReceived.execute = execute;
        execute(datagram);
      };
    }
  }

  /** Closes unused sockets and relays: the SFU has chosen a path, and losing that one needs a new subscription anyway. */
  async prune(): Promise<void> {
    const nominated = this.#ice.nominated?.protocol;
    if (!nominated || this.#abort.signal.aborted) return;
    const isUsed = (protocol: unknown) => protocol === nominated || this.#used.has(protocol);
    const unused = [...this.#relays].filter((relay) => !isUsed(relay));
    await Promise.all(unused.map((relay) => this.#remove(relay)));
    // Sockets that TURN allocations use.
    const carriers = new Set<unknown>(
      [...this.#relays].map(({ turn: { transport } }) => transport instanceof TurnSocket && transport.socket),
    );
    const idle = [...this.#sockets].filter((socket) => !isUsed(socket) && !carriers.has(transportOf(socket)));
    await Promise.all(idle.map((socket) => this.#remove(socket)));
  }

  /** Resolves when the answer can be sent. Never rejects. */
  async #gather(): Promise<void> {
    // In an ICE restart werift signals the existing candidates again.
    if (this.#started) return;
    this.#started = true;
    for (const local of localSockets(this.#options.network)) await this.#open(local);
    const { stun, turn } = readIceServers(this.#options.iceServers);
    const enough = Promise.withResolvers<void>();
    const timers = [setTimeout(enough.resolve, GATHER_TIMEOUT_MS)];
    const gathering = [
      ...[...this.#sockets].flatMap((socket) => stun.map((server) => this.#reflect(socket, server))),
      ...turn.map(async (server, index) => {
        const isAllocated = await this.#relay(server, index);
        if (isAllocated && !this.#described) timers.push(setTimeout(enough.resolve, OTHER_RELAYS_MS));
      }),
    ];
    const all = Promise.all(gathering);
    this.#options.linger(all);
    await untilAborted(Promise.race([all, enough.promise]), this.#abort.signal).catch(() => {});
    this.#described = true;
    for (const timer of timers) clearTimeout(timer);
  }

  async #open({ family, host, offered }: LocalSocket): Promise<void> {
    const ice = this.#ice;
    const { portRange } = this.#options.network;
    const socket = new StunProtocol();
    ice["ensureProtocol"](socket);
    try {
      await socket.connectionMade(
        family === 4,
        portRange && [...portRange],
        family === 4 ? { udp4: host } : { udp6: host },
      );
    } catch (error) {
      if (error instanceof NoFreePort) this.portsUsedUp = true;
      return;
    }
    const { port } = transportOf(socket);
    socket.localIp = offered[0];
    this.#sockets.add(socket);
    ice["protocols"].push(socket);
    const preference = PREFERENCE_MAX - this.#sockets.size * PREFERENCE_STEP;
    const candidates = offered.map((address, index) =>
      this.#candidate("host", address, port, preference - index)
    );
    socket.localCandidate = candidates[0];
    ice["pairLocalProtocol"](socket);
    for (const candidate of candidates) ice["appendLocalCandidate"](candidate);
  }

  /** Adds a server-reflexive candidate if a STUN server responds in time. */
  async #reflect(socket: StunProtocol, server: readonly [string, number]): Promise<void> {
    const ice = this.#ice;
    const base = socket.localCandidate;
    // NATs do not translate IPv6.
    if (!base || transportOf(socket).addressFamily === 6) return;
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(STUN_TIMEOUT_MS)]);
    try {
      const request = new Message(methods.BINDING, classes.REQUEST);
      const [response] = await socket.request(request, server, undefined, { signal });
      const [host, port]: [string, number] = response.getAttributeValue("XOR-MAPPED-ADDRESS");
      const isKnown = ice.localCandidates.some((known) =>
        known.type === "srflx" && known.host === host && known.port === port
      );
      if (isKnown || this.#described) return;
      ice["appendLocalCandidate"](
        this.#candidate("srflx", host, port, PREFERENCE_MAX, [base.host, base.port]),
      );
    } catch {
      // No response; another server's or the host candidate may do.
    }
  }

  /** Whether a relay was allocated and added. */
  async #relay(server: TurnServer, index: number): Promise<boolean> {
    const ice = this.#ice;
    const { signal } = this.#abort;
    this.#allocating++;
    try {
      // One socket of each family is enough.
      const sockets = [4, 6].flatMap((family) =>
        [...this.#sockets].map(transportOf).find(({ addressFamily }) => addressFamily === family) ?? []
      );
      const { linger, network: { caCerts } } = this.#options;
      const turn = await connectRelay(server, sockets, { signal, caCerts, linger });
      if (signal.aborted || ice.nominated) {
        await turn.close();
        return false;
      }
      const relay = new StunOverTurnProtocol(turn);
      this.#relays.add(relay);
      ice["ensureProtocol"](relay);
      ice["protocols"].push(relay);
      const [host, port] = turn.relayedAddress;
      relay.localCandidate = this.#candidate("relay", host, port, PREFERENCE_MAX - index, turn.mappedAddress);
      ice["pairLocalProtocol"](relay);
      ice["sortCheckList"]();
      ice["appendLocalCandidate"](relay.localCandidate);
      if (this.#described) this.#options.onLateRelay();
      return true;
    } catch {
      return false; // Another server may respond, and a connection without a relay may do.
    } finally {
      this.#allocating--;
    }
  }

  #candidate(
    type: "host" | "srflx" | "relay",
    host: string,
    port: number,
    localPreference: number,
    [relatedHost, relatedPort]: readonly [string?, number?] = [],
  ): Candidate {
    const { generation, localUsername } = this.#ice;
    return new Candidate(
      candidateFoundation(type, "udp", relatedHost ?? host),
      1,
      "udp",
      candidatePriority(type, { transport: "udp", localPreference }),
      host,
      port,
      type,
      relatedHost,
      relatedPort,
      undefined,
      generation,
      localUsername,
    );
  }

  async #remove(protocol: StunProtocol | StunOverTurnProtocol): Promise<void> {
    const ice = this.#ice;
    if (protocol instanceof StunOverTurnProtocol) this.#relays.delete(protocol);
    else this.#sockets.delete(protocol);
    const all: unknown[] = ice["protocols"];
    ice["protocols"] = all.filter((each) => each !== protocol);
    ice.checkList = ice.checkList.filter((pair) => pair.protocol !== protocol);
    await protocol.close();
  }
}

/** StunProtocol's sockets are ours (udp.ts). */
function transportOf({ transport }: StunProtocol): DatagramTransport {
  const socket: unknown = transport;
  if (!(socket instanceof DatagramTransport)) {
    throw new TypeError("Cannot gather: werift made the socket; import udp.ts");
  }
  return socket;
}

/**
 * Gathers the candidates of a connection (RFC 8445, section 5.1) in werift's place, which opens a socket for each local
 * address, asks the first STUN and the first TURN server alone, and lets the answer wait for them. Here: a socket a
 * family, all servers at once, and a relay that comes after the answer is used all the same: the SFU learns its address
 * from our checks. Once the connection is made, what it does not use goes.
 *
 * Reaches into werift's insides; read in and true of werift 0.25.2.
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
import { type IceServers, readIceServers, type TurnServer } from "./ice_servers.ts";
import { type LocalSocket, localSockets, type WebRtcNetwork } from "./local_addresses.ts";
import { connectRelay } from "./relay.ts";
import { TurnSocket } from "./turn_socket.ts";
import { DatagramTransport, NoFreePort } from "./udp.ts";

export interface GathererOptions {
  iceServers: readonly IceServer[];
  network: WebRtcNetwork;
  /** Is given what cannot be told to stop. */
  linger: (work: Promise<unknown>) => void;
  /** A relay is there that is not in the local description. */
  onLateRelay: () => void;
}

/** A STUN server that can be reached answers in a tenth of it. */
const STUN_TIMEOUT_MS = 500;
/** An answer waits no longer for what there is to gather: two round trips of a relay 700 ms away, and a margin. */
export const GATHER_TIMEOUT_MS = 1_500;
/** Once one relay is there the others have this: a server that is down must not hold up the answer. */
const OTHER_RELAYS_MS = 200;
/** The highest local preference (RFC 8445, section 5.1.2.1). */
const PREFERENCE_MAX = 65_535;
/** Between the addresses of one socket and of the next; each offers fewer. */
const PREFERENCE_STEP = 16;

export class Gatherer {
  readonly #ice: IceConnection;
  readonly #options: GathererOptions;
  readonly #servers: IceServers;
  readonly #sockets: StunProtocol[] = [];
  readonly #relays = new Set<StunOverTurnProtocol>();
  /** Protocols that have carried something since the connection was made, other than the nominated one. */
  readonly #used = new Set<unknown>();
  readonly #abort = new AbortController();
  /** Relays that are being asked for. */
  #asked = 0;
  #started = false;
  /** Whether the local description is made. */
  #described = false;
  #portsUsedUp = false;

  /** Before the connection gathers. */
  constructor(ice: IceConnection, options: GathererOptions) {
    this.#ice = ice;
    this.#options = options;
    this.#servers = readIceServers(options.iceServers);
    ice["getCandidatePromises"] = () => [this.#gather()];
  }

  /** Whether a relay may still come. */
  get isAsking(): boolean {
    return this.#asked > 0;
  }

  /** Whether a socket could not be opened because no port of the range is free. */
  get portsUsedUp(): boolean {
    return this.#portsUsedUp;
  }

  /** Ends what is under way, at once. */
  abort(): void {
    this.#abort.abort(new DOMException("The connection is closed", "AbortError"));
  }

  /** Gives the relays back. The sockets, which they may go through, are werift's to close. */
  async close(): Promise<void> {
    this.abort();
    await Promise.all([...this.#relays].map((relay) => this.#remove(relay)));
  }

  /** The connection is made: from now on it is noted what is used, for `prune`. */
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

  /**
   * Closes sockets and gives back relays that are not used: the SFU has chosen, and one that loses the path it chose
   * is subscribed to anew.
   */
  async prune(): Promise<void> {
    const nominated = this.#ice.nominated?.protocol;
    if (!nominated || this.#abort.signal.aborted) return;
    const isUsed = (protocol: unknown) => protocol === nominated || this.#used.has(protocol);
    const unused = [...this.#relays].filter((relay) => !isUsed(relay));
    await Promise.all(unused.map((relay) => this.#remove(relay)));
    const carriers = new Set([...this.#relays].map(({ turn: { transport } }) => carrierOf(transport)));
    for (const socket of [...this.#sockets]) {
      if (isUsed(socket) || carriers.has(transportOf(socket))) continue;
      this.#sockets.splice(this.#sockets.indexOf(socket), 1);
      await this.#remove(socket);
    }
  }

  /** Resolves when the answer can go. Never rejects. */
  async #gather(): Promise<void> {
    // An ICE restart: werift names again what there is.
    if (this.#started) return;
    this.#started = true;
    for (const local of localSockets(this.#options.network)) await this.#open(local);
    const enough = Promise.withResolvers<void>();
    const timers = [setTimeout(enough.resolve, GATHER_TIMEOUT_MS)];
    const gathering = [
      ...this.#sockets.flatMap((socket) => this.#servers.stun.map((server) => this.#reflect(socket, server))),
      ...this.#servers.turn.map(async (server, index) => {
        const isThere = await this.#relay(server, index);
        if (isThere && !this.#described) timers.push(setTimeout(enough.resolve, OTHER_RELAYS_MS));
      }),
    ];
    const all = Promise.all(gathering);
    this.#options.linger(all);
    this.#abort.signal.addEventListener("abort", () => enough.resolve(), { once: true });
    if (this.#abort.signal.aborted) enough.resolve();
    await Promise.race([all, enough.promise]);
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
      if (error instanceof NoFreePort) this.#portsUsedUp = true;
      return;
    }
    const { port } = transportOf(socket);
    socket.localIp = offered[0];
    this.#sockets.push(socket);
    ice["protocols"].push(socket);
    const preference = PREFERENCE_MAX - this.#sockets.length * PREFERENCE_STEP;
    const candidates = offered.map((address, index) =>
      this.#candidate("host", address, port, preference - index)
    );
    socket.localCandidate = candidates[0];
    ice["pairLocalProtocol"](socket);
    for (const candidate of candidates) ice["appendLocalCandidate"](candidate);
  }

  /** Asks a STUN server what our address is seen as. */
  async #reflect(socket: StunProtocol, server: readonly [string, number]): Promise<void> {
    const ice = this.#ice;
    const base = socket.localCandidate;
    // Nobody translates addresses of IPv6.
    if (!base || transportOf(socket).addressFamily === 6) return;
    const ending = new AbortController();
    const end = () => ending.abort();
    const timer = setTimeout(end, STUN_TIMEOUT_MS);
    this.#abort.signal.addEventListener("abort", end, { once: true });
    try {
      const request = new Message(methods.BINDING, classes.REQUEST);
      const [response] = await socket.request(request, server, undefined, { signal: ending.signal });
      const [host, port]: [string, number] = response.getAttributeValue("XOR-MAPPED-ADDRESS");
      const isKnown = ice.localCandidates.some((known) =>
        known.type === "srflx" && known.host === host && known.port === port
      );
      if (isKnown || this.#described) return;
      ice["appendLocalCandidate"](
        this.#candidate("srflx", host, port, PREFERENCE_MAX, [base.host, base.port]),
      );
    } catch {
      // It does not answer; another may, and our own address may do.
    } finally {
      clearTimeout(timer);
      this.#abort.signal.removeEventListener("abort", end);
    }
  }

  /** Whether there is one. */
  async #relay(server: TurnServer, index: number): Promise<boolean> {
    const ice = this.#ice;
    const { signal } = this.#abort;
    this.#asked++;
    try {
      // A socket of each family will do.
      const sockets = [4, 6].flatMap((family) =>
        this.#sockets.map(transportOf).find(({ addressFamily }) => addressFamily === family) ?? []
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
      return false; // Another may answer, and a connection without a relay may do.
    } finally {
      this.#asked--;
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
    const all: unknown[] = ice["protocols"];
    ice["protocols"] = all.filter((each) => each !== protocol);
    ice.checkList = ice.checkList.filter((pair) => pair.protocol !== protocol);
    await protocol.close();
  }
}

/** StunProtocol's sockets are ours: see udp.ts. */
function transportOf({ transport }: StunProtocol): DatagramTransport {
  const socket: unknown = transport;
  if (!(socket instanceof DatagramTransport)) throw new TypeError("Cannot gather: a socket is not ours");
  return socket;
}

/** The socket that TURN goes through, when it is one of ICE's. */
function carrierOf(transport: unknown): DatagramTransport | undefined {
  return transport instanceof TurnSocket ? transport.socket : undefined;
}

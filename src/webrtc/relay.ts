/**
 * One allocation at a TURN server (RFC 8656), over the transport that connects first: UDP on each address family, and
 * after a head start TCP and TLS. Allocations of the others are released.
 *
 * Uses private members of werift; verified with werift 0.25.2.
 */
import { lookup } from "node:dns/promises";
import { isIPv6, SocketAddress } from "node:net";
import { classes, Message, methods, TcpTransport, TlsTransport, TurnProtocol } from "werift";
import { delay, guarded, systemClock, tlsRequestOptions, untilAborted } from "../flow/mod.ts";
import type { TurnServer, TurnWay } from "./ice_servers.ts";
import { TurnSocket } from "./turn_socket.ts";
import "./turn.ts";
import type { DatagramTransport } from "./udp.ts";

type Transport = TurnProtocol["transport"];

/** For two round trips over UDP to a nearby server. */
const HEAD_START_MS = 750;
/** In total: TCP, TLS 1.2 and the allocation are six round trips, at 700 ms 4.2 s, and the head start. */
const RELAY_TIMEOUT_MS = 6_000;
/** As werift requests; a server may grant less. */
const LIFETIME_S = 600;
/** REQUESTED-TRANSPORT. */
const UDP = 0x11_000_000;

/**
 * `sockets` are for UDP, one per address family. `linger` gets work that continues after this has settled. Rejects when
 * the signal aborts, and when every transport fails.
 */
export async function connectRelay(
  server: TurnServer,
  sockets: readonly DatagramTransport[],
  { signal, caCerts = [], linger }: {
    signal: AbortSignal;
    /** PEM, trusted in addition to the public ones. */
    caCerts?: readonly string[];
    linger: (work: Promise<unknown>) => void;
  },
): Promise<TurnProtocol> {
  const over = new AbortController();
  const ends = AbortSignal.any([signal, over.signal]);
  using _timer = systemClock.timer(
    RELAY_TIMEOUT_MS,
    () => over.abort(new Error("Cannot use the TURN server: it takes too long")),
  );
  let won: TurnProtocol | undefined;
  const tries = (attempts: (() => Promise<TurnProtocol>)[]): Promise<TurnProtocol> => {
    const trying = attempts.map(async (attempt) => {
      const turn = await attempt();
      won ??= ends.aborted ? undefined : turn;
      if (won === turn) return turn;
      await turn.close();
      throw new Error("Cannot use this transport to the TURN server: another was faster");
    });
    for (const each of trying) linger(each);
    return Promise.any(trying);
  };
  const { ways } = server;
  const streams = ways.filter(({ transport }) => transport !== "udp");
  const first = tries(
    ways.filter(({ transport }) => transport === "udp")
      .flatMap((way) => sockets.map((socket) => () => overUdp(way, server, socket, ends))),
  );
  const second = headStart(first, ends).then(() =>
    tries(ends.aborted ? [] : streams.map((way) => () => overStream(way, server, caCerts, ends)))
  );
  try {
    return await untilAborted(Promise.any([first, second]), ends);
  } finally {
    over.abort(new Error("Cannot use this transport to the TURN server: another was faster"));
  }
}

/** Resolves when `first` fails, after HEAD_START_MS, or when the signal aborts. */
async function headStart(first: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const failed = new AbortController();
  first.catch(() => failed.abort());
  await delay(HEAD_START_MS, AbortSignal.any([signal, failed.signal])).catch(() => {});
}

async function overUdp(
  { host, port }: TurnWay,
  server: TurnServer,
  socket: DatagramTransport,
  signal: AbortSignal,
): Promise<TurnProtocol> {
  const { address: found } = await lookup(host, { family: socket.addressFamily });
  signal.throwIfAborted();
  // In the kernel's spelling, to match senders' addresses.
  const address = isIPv6(found) ? new SocketAddress({ family: "ipv6", address: found }).address : found;
  return await allocate([address, port], server, new TurnSocket(socket, [address, port]), signal);
}

async function overStream(
  { transport: kind, host, port }: TurnWay,
  server: TurnServer,
  caCerts: readonly string[],
  signal: AbortSignal,
): Promise<TurnProtocol> {
  const options = { connectTimeoutMs: RELAY_TIMEOUT_MS };
  // werift's constructors are private, and its factories cannot be aborted while they connect.
  const transport: TcpTransport | TlsTransport = kind === "tls"
    ? Reflect.construct(TlsTransport, [[host, port], tlsRequestOptions({ caCerts }), options])
    : Reflect.construct(TcpTransport, [[host, port], options]);
  const close = () => void transport.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    const connected: () => Promise<void> = Reflect.get(transport, "init");
    await connected.call(transport);
    signal.throwIfAborted();
  } catch (error) {
    await transport.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", close);
  }
  return await allocate([host, port], server, transport, signal);
}

async function allocate(
  address: readonly [string, number],
  { username, credential }: TurnServer,
  transport: Transport,
  signal: AbortSignal,
): Promise<TurnProtocol> {
  const turn = new TurnProtocol(address, username, credential, LIFETIME_S, transport);
  transport.onData = guarded("turn", (data, from) => turn["dataReceived"](data, from));
  try {
    const request = new Message(methods.ALLOCATE, classes.REQUEST)
      .setAttribute("LIFETIME", LIFETIME_S)
      .setAttribute("REQUESTED-TRANSPORT", UDP);
    const [response] = await turn.requestWithRetry(request, turn.server, signal);
    turn.relayedAddress = response.getAttributeValue("XOR-RELAYED-ADDRESS");
    turn.mappedAddress = response.getAttributeValue("XOR-MAPPED-ADDRESS");
    turn["refresh"](response.getAttributeValue("LIFETIME"));
    return turn;
  } catch (error) {
    await turn.close();
    throw error;
  }
}

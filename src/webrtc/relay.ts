/**
 * One allocation at a TURN server (RFC 8656), by whichever way is there first: UDP on every family it can be reached
 * by, and after a head start TCP and TLS. The others are given up, and what they still bring is given back.
 *
 * Reaches into werift's insides; read in and true of werift 0.25.2.
 */
import { lookup } from "node:dns/promises";
import { isIPv6, SocketAddress } from "node:net";
import { classes, Message, methods, TcpTransport, TlsTransport, TurnProtocol } from "werift";
import { guarded, tlsRequestOptions } from "../flow/mod.ts";
import type { TurnServer, TurnWay } from "./ice_servers.ts";
import { TurnSocket } from "./turn_socket.ts";
import "./turn.ts";
import type { DatagramTransport } from "./udp.ts";

type Transport = TurnProtocol["transport"];

/** Two round trips of UDP are over by then where the server is near and answers at all. */
const HEAD_START_MS = 750;
/**
 * For all of it: TCP, TLS 1.2 and the allocation itself are six round trips, at 700 ms 4.2 s and the head start. Longer
 * a connection does not wait for a relay either.
 */
export const RELAY_TIMEOUT_MS = 6_000;
/** As werift asks for; a server may give less. */
const LIFETIME_S = 600;
/** REQUESTED-TRANSPORT: the relay is for UDP. */
const UDP = 0x11_000_000;

/**
 * `sockets` are what UDP may be sent through, one a family. `linger` is given what goes on after this has settled.
 * Rejects when the signal aborts, and when every way fails.
 */
export async function connectRelay(
  server: TurnServer,
  sockets: readonly DatagramTransport[],
  { signal, caCerts = [], linger }: {
    signal: AbortSignal;
    /** PEM, trusted besides the public ones. */
    caCerts?: readonly string[];
    linger: (work: Promise<unknown>) => void;
  },
): Promise<TurnProtocol> {
  const over = new AbortController();
  const ends = AbortSignal.any([signal, over.signal]);
  const timer = setTimeout(
    () => over.abort(new Error("Cannot use the TURN server: it takes too long")),
    RELAY_TIMEOUT_MS,
  );
  let won: TurnProtocol | undefined;
  const tries = (attempts: (() => Promise<TurnProtocol>)[]): Promise<TurnProtocol> => {
    const trying = attempts.map(async (attempt) => {
      const turn = await attempt();
      won ??= ends.aborted ? undefined : turn;
      if (won === turn) return turn;
      await turn.close();
      throw new Error("Cannot use this way to the TURN server: another was first");
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
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(ends.reason);
  ends.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([Promise.any([first, second]), aborted.promise]);
  } finally {
    ends.removeEventListener("abort", onAbort);
    clearTimeout(timer);
    over.abort(new Error("Cannot use this way to the TURN server: another was first"));
  }
}

/** Resolves when `first` has failed, or has had its time, or the signal aborts. */
async function headStart(first: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  const end = () => over.resolve();
  const timer = setTimeout(end, HEAD_START_MS);
  first.catch(end);
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  await over.promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", end);
}

async function overUdp(
  { host, port }: TurnWay,
  server: TurnServer,
  socket: DatagramTransport,
  signal: AbortSignal,
): Promise<TurnProtocol> {
  const { address: found } = await lookup(host, { family: socket.addressFamily });
  signal.throwIfAborted();
  // As the kernel writes it.
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
  // werift's constructors are private, and what it makes of them cannot be given up while it connects.
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

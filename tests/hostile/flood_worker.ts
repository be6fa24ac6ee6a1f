/** Floods an address from its own thread until it gets a message to stop. */
import { parentPort, workerData } from "node:worker_threads";
import { LibcUdpSocket } from "../../src/webrtc/udp_libc.ts";
import { GARBAGE, type Garbage } from "./garbage.ts";
import { type Address, RawUdp } from "./raw_udp.ts";

export interface Flood {
  kind: Garbage;
  to: Address;
  /** In whose name; default: from ports of our own. */
  from?: Address;
  bitsPerSecond: number;
}

const BEAT_MS = 5;
/** IP's and UDP's headers count too. */
const HEADERS_BYTES = 28;
const SOCKETS = 16;
/** Made once: making one may cost more than sending it. */
const DATAGRAMS = 512;

const { kind, to, from, bitsPerSecond }: Flood = workerData;
const datagrams = Array.from({ length: DATAGRAMS }, () => GARBAGE[kind]());
const raw = from && new RawUdp();
const onReceived = () => "refused" as const;
const sockets = from ? [] : Array.from(
  { length: SOCKETS },
  () => new LibcUdpSocket({ family: 4, host: to[0], port: 0, onReceived }),
);
let sent = 0;
let bits = 0;
const startMs = performance.now();
const timer = setInterval(() => {
  const due = (performance.now() - startMs) / 1_000 * bitsPerSecond;
  while (bits < due) {
    const datagram = datagrams[sent % DATAGRAMS];
    if (raw && from) raw.send(datagram, from, to);
    else sockets[sent % SOCKETS].send(datagram, ...to);
    bits += 8 * (datagram.length + HEADERS_BYTES);
    sent++;
  }
}, BEAT_MS);

parentPort?.once("message", () => {
  clearInterval(timer);
  for (const socket of sockets) void socket.close();
  raw?.[Symbol.dispose]();
  parentPort?.postMessage(sent);
});
parentPort?.postMessage("started");

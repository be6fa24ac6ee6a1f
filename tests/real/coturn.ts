/**
 * coturn on loopback, set up as Talk's manual has it (time-limited credentials, nonces that go stale), but that it may
 * relay to loopback as well. Everything it writes is in a folder that goes with it.
 */
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { createSocket } from "node:dgram";
import type { IceServer } from "../../src/domain/mod.ts";
import { ClaimedPorts } from "../fakes/ports.ts";
import { acceptsTcp, ServerProcess } from "./server_process.ts";

const ADDRESS = "127.0.0.1";
const SECRET = "coturn-secret-of-this-test";
/** How long Nextcloud's credentials are good for, s. */
const CREDENTIAL_LIFE_S = 24 * 60 * 60;

export interface CoturnOptions {
  /** Added to the command line: `--no-udp`, .. */
  args?: readonly string[];
  /** Seconds a nonce lasts. Default what it is for Talk. */
  staleNonceS?: number;
  /** Of its relays. Default: loopback, which libnice has nothing to do with. */
  relayAddress?: string;
  /** It is reached over TLS as well, with this certificate (PEM) and its key. */
  tls?: { cert: string; key: string };
  /** Where it listens. Default 127.0.0.1. */
  address?: string;
}

export class Coturn implements AsyncDisposable {
  private constructor(
    readonly port: number,
    readonly tlsPort: number,
    private readonly address: string,
    private readonly resources: AsyncDisposableStack,
  ) {}

  static async start(options: CoturnOptions = {}): Promise<Coturn> {
    const { args = [], staleNonceS = 600, relayAddress = ADDRESS, address = ADDRESS, tls } = options;
    await using resources = new AsyncDisposableStack();
    const ports = resources.use(ClaimedPorts.claim());
    const folder = await Deno.makeTempDir({ prefix: "coturn-" });
    resources.defer(() => Deno.remove(folder, { recursive: true }));
    const port = await freeForUdpToo(ports);
    const tlsPort = ports.next();
    if (tls) {
      await Deno.writeTextFile(`${folder}/cert.pem`, tls.cert);
      await Deno.writeTextFile(`${folder}/key.pem`, tls.key);
    }
    const relayPorts = ports.rest();
    resources.use(
      await ServerProcess.start({
        name: "coturn",
        executable: "turnserver",
        args: [
          "-n", // no configuration file
          "--no-cli",
          "--no-dtls",
          ...(tls
            ? [`--tls-listening-port=${tlsPort}`, `--cert=${folder}/cert.pem`, `--pkey=${folder}/key.pem`]
            : ["--no-tls"]),
          `--listening-ip=${address}`,
          `--listening-port=${port}`,
          `--relay-ip=${relayAddress}`,
          `--min-port=${relayPorts.first}`,
          `--max-port=${relayPorts.last}`,
          "--allow-loopback-peers",
          "--no-multicast-peers",
          "--fingerprint",
          "--realm=talk.example",
          "--use-auth-secret",
          `--static-auth-secret=${SECRET}`,
          `--stale-nonce=${staleNonceS}`,
          "--relay-threads=1",
          "--log-file=stdout",
          `--pidfile=${folder}/pid`,
          `--userdb=${folder}/db`,
          ...args,
        ],
        logPath: `${folder}/log`,
        isReady: async () => {
          if (address !== ADDRESS) return await acceptsTcp(port, address);
          return await acceptsTcp(port) && (args.includes("--no-udp") || await answersStun(port));
        },
      }),
    );
    return new Coturn(port, tlsPort, address, resources.move());
  }

  get stun(): IceServer {
    return { urls: [`stun:${ADDRESS}:${this.port}`] };
  }

  /** With credentials as Nextcloud makes them; each user has some of its own. */
  turn(transport: "udp" | "tcp" | "tls", { user = "talk", secret = SECRET } = {}): IceServer {
    const username = `${Math.floor(Date.now() / 1000) + CREDENTIAL_LIFE_S}:${user}`;
    const credential = createHmac("sha1", secret).update(username).digest("base64");
    const host = this.address.includes(":") ? `[${this.address}]` : this.address;
    const url = transport === "tls"
      ? `turns:${host}:${this.tlsPort}?transport=tcp`
      : `turn:${host}:${this.port}?transport=${transport}`;
    return { urls: [url], username, credential };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.resources.disposeAsync();
  }
}

/** A port where nobody receives datagrams either. */
async function freeForUdpToo(ports: ClaimedPorts): Promise<number> {
  for (;;) {
    const port = ports.next();
    const socket = createSocket("udp4");
    const { promise, resolve } = Promise.withResolvers<boolean>();
    socket.once("error", () => resolve(false));
    socket.bind(port, ADDRESS, () => resolve(true));
    const isFree = await promise;
    await new Promise<void>((closed) => socket.close(closed));
    if (isFree) return port;
  }
}

/** Whether a STUN Binding request (RFC 8489, section 5) is answered within a moment. */
async function answersStun(port: number): Promise<boolean> {
  const socket = createSocket("udp4");
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once("message", () => resolve(true));
  socket.on("error", () => resolve(false));
  await new Promise<void>((bound) => socket.bind(0, ADDRESS, bound));
  const timer = setTimeout(() => resolve(false), 100);
  socket.send(Buffer.from("000100002112a442" + "00".repeat(12), "hex"), port, ADDRESS);
  const answered = await promise;
  clearTimeout(timer);
  await new Promise<void>((closed) => socket.close(closed));
  return answered;
}

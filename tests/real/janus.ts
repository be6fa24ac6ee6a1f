/**
 * Janus as the HPB needs it: the videoroom plugin behind its WebSocket API, nothing else. libnice skips the loopback
 * interface, so media goes over this machine's own IPv4 address, which the kernel routes back without leaving it.
 */
import type { OwnCertificate } from "../fakes/certificates.ts";
import type { PortRange } from "../fakes/ports.ts";
import { acceptsTcp, ServerProcess } from "./server_process.ts";

export interface JanusOptions {
  /** An empty folder of its own. */
  folder: string;
  /** Of the WebSocket API, on 127.0.0.1. */
  port: number;
  /** For media. */
  hostAddress: string;
  /** One UDP port per peer connection. Below the kernel's ephemeral ports. */
  rtpPorts: PortRange;
  logPath: string;
  /** Of the Admin API, on 127.0.0.1, and its secret; default: it is off. */
  admin?: { port: number; secret: string };
  /** Of its DTLS; default: it makes its own. */
  certificate?: OwnCertificate;
  /** Threads for all connections together; default: one for each, which hundreds of them make expensive. */
  eventLoops?: number;
}

/** Where Debian's package keeps its shared objects, by machine. */
const LIBRARIES = `/usr/lib/${Deno.build.arch}-linux-gnu/janus`;

/** Writes the configuration; `startJanus` can then be called again and again. */
export async function configureJanus(options: JanusOptions): Promise<void> {
  const { folder } = options;
  // Janus loads every shared object of its folders: link only those wanted, rather than naming all that are not.
  for (const [kind, library] of [["plugins", "videoroom"], ["transports", "websockets"]]) {
    await Deno.mkdir(`${folder}/${kind}`);
    const file = `libjanus_${library}.so`;
    await Deno.symlink(`${LIBRARIES}/${kind}/${file}`, `${folder}/${kind}/${file}`);
  }
  await Deno.mkdir(`${folder}/none`);
  await Deno.writeTextFile(
    `${folder}/janus.jcfg`,
    `general: {
  configs_folder = "${folder}"
  plugins_folder = "${folder}/plugins"
  transports_folder = "${folder}/transports"
  events_folder = "${folder}/none"
  loggers_folder = "${folder}/none"
  debug_colors = false
  debug_timestamps = true
${options.eventLoops === undefined ? "" : `  event_loops = ${options.eventLoops}\n`}${
      options.admin ? `  admin_secret = "${options.admin.secret}"\n` : ""
    }}
${
      options.certificate
        ? `certificates: {
  cert_pem = "${options.certificate.certPath}"
  cert_key = "${options.certificate.keyPath}"
}
`
        : ""
    }media: {
  rtp_port_range = "${options.rtpPorts.first}-${options.rtpPorts.last}"
  ipv6 = ${options.hostAddress.includes(":")}
}
nat: {
  full_trickle = true
  ice_enforce_list = "${options.hostAddress}"
}
`,
  );
  await Deno.writeTextFile(
    `${folder}/janus.transport.websockets.jcfg`,
    `general: {
  json = "compact"
  ws = true
  ws_ip = "127.0.0.1"
  ws_port = ${options.port}
  wss = false
}
${
      options.admin
        ? `admin: {
  admin_ws = true
  admin_ws_ip = "127.0.0.1"
  admin_ws_port = ${options.admin.port}
  admin_wss = false
}
`
        : ""
    }`,
  );
  await Deno.writeTextFile(`${folder}/janus.plugin.videoroom.jcfg`, "general: {\n}\n");
}

export function startJanus(options: JanusOptions): Promise<ServerProcess> {
  return ServerProcess.start({
    name: "Janus",
    executable: "janus",
    args: ["-F", options.folder],
    logPath: options.logPath,
    isReady: () => acceptsTcp(options.port),
  });
}

/** This machine's own address of a family; throws where there is none besides loopback and a link's. */
export function ownAddress(family: 4 | 6 = 4): string {
  const own = ownAddresses().find((address) => address.includes(":") === (family === 6));
  if (!own) throw new Error(`Cannot start Janus: this machine has no IPv${family} address besides loopback`);
  return own;
}

export function hasOwnIpv6(): boolean {
  return ownAddresses().some((address) => address.includes(":"));
}

function ownAddresses(): string[] {
  return Deno.networkInterfaces().map(({ address }) => address)
    .filter((address) => !/^(127\.|::1$|fe80:)/i.test(address));
}

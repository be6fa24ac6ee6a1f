/**
 * STUN and TURN servers as they are configured (RFC 7064, 7065), and as they are used: each TURN server's ways in one,
 * in the order they are tried, and no more servers than one connection may ask. Pure.
 */
import { isIP } from "node:net";
import type { IceServer } from "../domain/mod.ts";

/** `transport` tls is TLS over TCP. */
export interface TurnWay {
  transport: "udp" | "tcp" | "tls";
  host: string;
  port: number;
}

export interface TurnServer {
  username: string;
  credential: string;
  /** UDP first: audio cannot wait for what TCP repeats. */
  ways: readonly TurnWay[];
}

export interface IceServers {
  stun: readonly (readonly [host: string, port: number])[];
  turn: readonly TurnServer[];
}

/**
 * A second or third is there for when the first is down; each costs a request, or an allocation, for every connection
 * that is made.
 */
const STUN_SERVERS_MAX = 2;
const TURN_SERVERS_MAX = 4;
/** Of one server: UDP, TCP, TLS, and one more. */
const WAYS_MAX = 4;

const ORDER = { udp: 0, tcp: 1, tls: 2 };
const PORTS = { stun: 3_478, stuns: 5_349, turn: 3_478, turns: 5_349 };
const SCHEMES = ["stun", "stuns", "turn", "turns"] as const;

/** What cannot be used is left out: other schemes, TURN without credentials, addresses that are none. */
export function readIceServers(servers: readonly IceServer[]): IceServers {
  const stun: (readonly [string, number])[] = [];
  const turn: TurnServer[] = [];
  for (const { urls, username, credential } of servers) {
    const ways: TurnWay[] = [];
    for (const url of urls.map(parse)) {
      if (!url) continue;
      const { scheme, host, port, transport } = url;
      if (scheme === "stun") {
        if (!stun.some(([other, otherPort]) => other === host && otherPort === port)) stun.push([host, port]);
      } else if (
        scheme !== "stuns" && transport && !ways.some((way) => isSame(way, { transport, host, port }))
      ) {
        ways.push({ transport, host, port });
      }
    }
    if (ways.length === 0 || !username || !credential) continue;
    // Where only UDP is named TCP is tried at the same port: servers listen on both unless told otherwise.
    if (ways.every(({ transport }) => transport === "udp")) {
      ways.push(...ways.map((way): TurnWay => ({ ...way, transport: "tcp" })));
    }
    ways.sort((a, b) => ORDER[a.transport] - ORDER[b.transport]);
    turn.push({ username, credential, ways: ways.slice(0, WAYS_MAX) });
  }
  return { stun: stun.slice(0, STUN_SERVERS_MAX), turn: merged(turn).slice(0, TURN_SERVERS_MAX) };
}

/** One server may be named once for each of its transports, with the same credentials. */
function merged(servers: readonly TurnServer[]): TurnServer[] {
  const found: TurnServer[] = [];
  for (const server of servers) {
    const same = found.findIndex(({ username, credential, ways }) =>
      username === server.username && credential === server.credential && ways[0].host === server.ways[0].host
    );
    if (same < 0) {
      found.push(server);
      continue;
    }
    const { ways, ...credentials } = found[same];
    const others = server.ways.filter((way) => !ways.some((known) => isSame(known, way)));
    const all = [...ways, ...others].sort((a, b) => ORDER[a.transport] - ORDER[b.transport]);
    found[same] = { ...credentials, ways: all.slice(0, WAYS_MAX) };
  }
  return found;
}

function isSame(a: TurnWay, b: TurnWay): boolean {
  return a.transport === b.transport && a.host === b.host && a.port === b.port;
}

function parse(url: string) {
  const found = /^(stuns?|turns?):(?:\/\/)?(\[[^\]]+\]|[^:?]+)(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/i
    .exec(url.trim());
  if (!found) return undefined;
  const scheme = SCHEMES.find((known) => known === found[1].toLowerCase())!;
  const host = found[2].replace(/^\[|\]$/g, "");
  const port = Number(found[3] ?? PORTS[scheme]);
  if (port < 1 || port > 65_535 || (found[2].startsWith("[") && isIP(host) !== 6)) return undefined;
  const asked = found[4]?.toLowerCase();
  // DTLS to a TURN server (turns over UDP) is nothing werift has.
  const transport: TurnWay["transport"] | undefined = scheme === "turns"
    ? asked === "udp" ? undefined : "tls"
    : asked === "tcp"
    ? "tcp"
    : "udp";
  return { scheme, host, port, transport };
}

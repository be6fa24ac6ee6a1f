/**
 * Parses configured STUN and TURN servers (RFC 7064, 7065): one entry for each server, its transports in the order they
 * are tried, and no more servers than one connection may ask.
 */
import { isIP } from "node:net";
import type { IceServer } from "../domain/mod.ts";

/** One transport of a TURN server; `tls` is TLS over TCP. */
export interface TurnWay {
  transport: "udp" | "tcp" | "tls";
  host: string;
  port: number;
}

export interface TurnServer {
  username: string;
  credential: string;
  /** UDP first: retransmissions of TCP delay audio. */
  ways: readonly TurnWay[];
}

/** The second and later are for when the first is down; each costs every connection a request or an allocation. */
const STUN_SERVERS_MAX = 2;
const TURN_SERVERS_MAX = 4;
/** Of one server: UDP, TCP, TLS, and one more. */
const WAYS_MAX = 4;

const ORDER = { udp: 0, tcp: 1, tls: 2 };
const PORTS = { stun: 3_478, stuns: 5_349, turn: 3_478, turns: 5_349 };
const SCHEMES = ["stun", "stuns", "turn", "turns"] as const;

/** Ignores what cannot be used: other schemes, TURN without credentials, invalid addresses. */
export function readIceServers(servers: readonly IceServer[]) {
  const stun = new Map<string, readonly [host: string, port: number]>();
  const turn = new Map<string, TurnServer>();
  for (const { urls, username, credential } of servers) {
    const ways: TurnWay[] = [];
    for (const { scheme, host, port, transport } of urls.flatMap(parse)) {
      if (scheme === "stun") stun.set(`${host} ${port}`, [host, port]);
      else if (scheme !== "stuns") ways.push({ transport, host, port });
    }
    if (ways.length === 0 || !username || !credential) continue;
    // Servers listen for TCP at the same port unless configured otherwise.
    if (ways.every(({ transport }) => transport === "udp")) {
      ways.push(...ways.map((way): TurnWay => ({ ...way, transport: "tcp" })));
    }
    // A server may have an entry for each of its transports, with the same credentials.
    const key = JSON.stringify([username, credential, inOrder(ways)[0].host]);
    turn.set(key, { username, credential, ways: inOrder([...turn.get(key)?.ways ?? [], ...ways]) });
  }
  return {
    stun: [...stun.values()].slice(0, STUN_SERVERS_MAX),
    turn: [...turn.values()].slice(0, TURN_SERVERS_MAX),
  };
}

/** The first ways to try, without repetitions. */
function inOrder(ways: readonly TurnWay[]): TurnWay[] {
  const distinct = new Map(ways.map((way) => [`${way.transport} ${way.host} ${way.port}`, way]));
  return [...distinct.values()].sort((a, b) => ORDER[a.transport] - ORDER[b.transport]).slice(0, WAYS_MAX);
}

function parse(url: string) {
  const found = /^(stuns?|turns?):(?:\/\/)?(\[[^\]]+\]|[^:?]+)(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/i
    .exec(url.trim());
  if (!found) return [];
  const scheme = SCHEMES.find((known) => known === found[1].toLowerCase())!;
  const host = found[2].replace(/^\[|\]$/g, "");
  const port = Number(found[3] ?? PORTS[scheme]);
  if (port < 1 || port > 65_535 || (found[2].startsWith("[") && isIP(host) !== 6)) return [];
  const asked = found[4]?.toLowerCase();
  // werift has no TURN over DTLS (turns with UDP).
  if (scheme === "turns" && asked === "udp") return [];
  const transport: TurnWay["transport"] = scheme === "turns" ? "tls" : asked === "tcp" ? "tcp" : "udp";
  return [{ scheme, host, port, transport }];
}

/**
 * Which TCP connections go through an HTTP proxy, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY as curl and Go read them:
 * those to other machines that are not excepted.
 */
import { BlockList, isIP, isIPv6 } from "node:net";

export interface ProxyRules {
  /** URL of the proxy for http: and ws:, with user and password where it needs them. */
  readonly http?: string;
  /** The same for https: and wss:. */
  readonly https?: string;
  /** Reached directly: host names and their subdomains, addresses, networks (CIDR), each with or without a port; `*`. */
  readonly except: readonly string[];
}

/** The proxy a connection to `target` goes through; undefined where it is direct. */
export function proxyFor(target: URL, rules: ProxyRules | undefined): URL | undefined {
  if (!rules) return undefined;
  const isSecure = target.protocol === "https:" || target.protocol === "wss:";
  const proxy = isSecure ? rules.https : rules.http;
  if (proxy === undefined) return undefined;
  const host = hostOf(target);
  const port = portOf(target);
  if (isThisMachine(host) || rules.except.some((entry) => isExcepted(host, port, entry))) return undefined;
  return new URL(proxy);
}

/** Without the brackets of an IPv6 address. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}

export function portOf({ port, protocol }: URL): number {
  return port ? Number(port) : protocol === "https:" || protocol === "wss:" ? 443 : 80;
}

function isThisMachine(host: string): boolean {
  return /^(.*\.)?localhost$/i.test(host) || /^127(\.\d{1,3}){3}$/.test(host) || host === "::1";
}

function isExcepted(host: string, port: number, entry: string): boolean {
  const wanted = entry.trim().toLowerCase();
  if (wanted === "*") return true;
  if (wanted.includes("/")) return isWithin(host, wanted);
  // An IPv6 address with a port is in brackets.
  const [, name = "", itsPort] = wanted.match(isIPv6(wanted) ? /^(.*)$/ : /^\[?([^\]]*?)\]?(?::(\d+))?$/) ??
    [];
  if (itsPort !== undefined && Number(itsPort) !== port) return false;
  const plain = name.replace(/^\*?\./, "").replace(/\.$/, "");
  if (plain === "") return false;
  const shown = host.toLowerCase().replace(/\.$/, "");
  return shown === plain || (isIP(shown) === 0 && shown.endsWith(`.${plain}`));
}

/** `network` is as 10.0.0.0/8 or fd00::/8. */
function isWithin(host: string, network: string): boolean {
  const [, start = "", digits] = network.match(/^(.+)\/(\d{1,3})$/) ?? [];
  const family = isIP(start);
  const bits = Number(digits);
  if (family === 0 || isIP(host) !== family || bits > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const type = family === 4 ? "ipv4" : "ipv6";
  list.addSubnet(start, bits, type);
  return list.check(host, type);
}

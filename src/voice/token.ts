/**
 * Where a client puts its token, in this order: the `Authorization` header; a subprotocol, as browsers can set no header;
 * the query, for clients that can set neither. A query is in the logs of proxies: docs/VOICE.md advises against it.
 */
import type { SocketRequest } from "../http/mod.ts";

/** The subprotocol of the door: what the server accepts. */
export const PROTOCOL = "tiro.v1";
/** Before the token, in a subprotocol of its own. */
const TOKEN_PROTOCOL = "tiro.token.";

export function tokenOf({ url, headers }: Pick<SocketRequest, "url" | "headers">): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "");
  if (bearer) return bearer[1];
  const offered = (headers.get("sec-websocket-protocol") ?? "").split(",").map((each) => each.trim());
  const own = offered.find((each) => each.startsWith(TOKEN_PROTOCOL));
  if (own !== undefined) return own.slice(TOKEN_PROTOCOL.length);
  return url.searchParams.get("token") || undefined;
}

/** A token is never accepted as a protocol: the response would repeat it. */
export function protocolOf(offered: ReadonlySet<string>): string | undefined {
  return offered.has(PROTOCOL) ? PROTOCOL : undefined;
}

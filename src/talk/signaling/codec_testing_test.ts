/** Messages of the HPB, decoded. */
import { decode } from "./codec.ts";

export const event = (target: string, type: string, rest: Record<string, unknown> = {}) =>
  decode(JSON.stringify({ type: "event", event: { target, type, ...rest } }));
export const relayed = (data: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  decode(
    JSON.stringify({
      type: "message",
      message: { sender: { type: "session", sessionid: "s1" }, data, ...more },
    }),
  );

export const HOST_CANDIDATE = "candidate:1 1 udp 2015363327 192.0.2.7 20000 typ host";

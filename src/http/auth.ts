/**
 * Who may call. AppAPI shows the ExApp's id and secret in its own headers (see "Authentication" in AppAPI's developer
 * manual), everyone else a bearer token (RFC 6750). Either is accepted where it is configured; where neither is,
 * everyone is let in, and the configuration has seen to who that can be. Refusals do not say what was wrong.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, Next } from "hono";
import { HttpError } from "./errors.ts";

export interface Auth {
  /** The ExApp as AppAPI registered it. */
  exApp?: { id: string; secret: string };
  /** What callers send as `Authorization: Bearer <token>`. */
  token?: string;
}

/** Lets through what `isOpen` says is for everyone, and requests with the right credentials; others throw HttpError 401. */
export function authentication(auth: Auth, isOpen: (c: Context) => boolean) {
  const { exApp, token } = auth;
  const isNeeded = exApp !== undefined || token !== undefined;
  const refusal = {
    status: 401,
    message: "not authorised",
    ...(token !== undefined && { headers: { "www-authenticate": "Bearer" } }),
  } as const;
  return async (c: Context, next: Next): Promise<void> => {
    const { headers } = c.req.raw;
    const isLetIn = !isNeeded || isOpen(c) ||
      (exApp !== undefined && isFromAppApi(headers, exApp)) ||
      (token !== undefined && hasToken(headers, token));
    if (!isLetIn) throw new HttpError(refusal);
    await next();
  };
}

/** Whether any are shown, right or wrong: who shows none does not guess. */
export function hasCredentials({ headers }: Request): boolean {
  return headers.has("authorization") || headers.has("authorization-app-api");
}

function isFromAppApi(headers: Headers, { id, secret }: { id: string; secret: string }): boolean {
  // All of them are looked at in any case: the time taken must not tell which was wrong.
  return [
    isSame(headers.get("ex-app-id") ?? "", id),
    isSame(secretOf(headers.get("authorization-app-api") ?? ""), secret),
    headers.has("ex-app-version"),
    headers.has("aa-version"),
  ].every(Boolean);
}

/** From base64 of `userid:secret`; a guest has no user id. Empty where it is not of that form. */
function secretOf(authorization: string): string {
  try {
    const bytes = Uint8Array.from(atob(authorization), (char) => char.charCodeAt(0));
    return /:(.*)$/s.exec(new TextDecoder().decode(bytes))?.[1] ?? "";
  } catch {
    return "";
  }
}

function hasToken(headers: Headers, token: string): boolean {
  const [, shown = ""] = /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "") ?? [];
  return isSame(shown, token);
}

/** Takes as long for any wrong text: digests are of one length and compared whole. */
function isSame(shown: string, right: string): boolean {
  return timingSafeEqual(digest(shown), digest(right));
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

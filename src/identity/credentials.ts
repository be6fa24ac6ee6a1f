/**
 * Credentials of a request. AppAPI sends the ExApp's id and secret in headers of its own (see "Authentication" in
 * AppAPI's developer manual), other clients a bearer token (RFC 6750). Either is accepted where it is configured; without
 * both everyone is, which `config/` allows only where it is safe. What was wrong is not revealed.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { type Authenticate, type Principal, RIGHTS } from "../domain/mod.ts";

export interface Credentials {
  /** The ExApp as AppAPI registered it. */
  exApp?: { id: string; secret: string };
  /** Sent as `Authorization: Bearer <token>`. */
  token?: string;
}

/** As OpenAPI describes them: one of these sets is enough. */
export const SECURITY_SCHEMES = [
  { token: { type: "http", scheme: "bearer", description: "The value of `LT_API_TOKEN`" } },
  Object.fromEntries(
    Object.entries({
      "EX-APP-ID": "Id of the ExApp",
      "EX-APP-VERSION": "Version of the ExApp; any",
      "AA-VERSION": "Version of AppAPI; any",
      "AUTHORIZATION-APP-API": "base64 of `userid:APP_SECRET`; the user id may be empty",
    }).map(([name, description]) => [name, { type: "apiKey", in: "header", name, description }]),
  ),
] as const;

const ALL = new Set(RIGHTS);
const principal = (kind: Principal["kind"]): Principal => ({ kind, rights: ALL });

export function authenticator({ exApp, token }: Credentials): Authenticate {
  if (exApp === undefined && token === undefined) return () => principal("anyone");
  return (headers) => {
    if (exApp !== undefined && isFromAppApi(headers, exApp)) return principal("app_api");
    return token !== undefined && hasToken(headers, token) ? principal("token") : undefined;
  };
}

function isFromAppApi(headers: Headers, { id, secret }: { id: string; secret: string }): boolean {
  // All are checked in any case: the time taken must not reveal which was wrong.
  return [
    isSame(headers.get("ex-app-id") ?? "", id),
    isSame(secretOf(headers.get("authorization-app-api") ?? ""), secret),
    headers.has("ex-app-version"),
    headers.has("aa-version"),
  ].every(Boolean);
}

/** From base64 of `userid:secret`; a guest has no user id. Empty for any other form. */
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

/** In constant time: digests have one length and are compared whole. */
function isSame(shown: string, right: string): boolean {
  return timingSafeEqual(digest(shown), digest(right));
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

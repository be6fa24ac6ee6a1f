/**
 * Credentials of a request. AppAPI sends the ExApp's id and secret in headers of its own (see "Authentication" in
 * AppAPI's developer manual), other clients a bearer token (RFC 6750): the API's, a user's JWT, or the key of one
 * transcript. Each is accepted where it is configured. Without the first two everyone has all rights, which `config/`
 * allows only where it is safe; users and viewers have their own there too. What was wrong is not revealed.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import {
  type Authenticate,
  CredentialsError,
  type Principal,
  type Right,
  RIGHTS,
  type TokenVerifier,
} from "../domain/mod.ts";
import type { ViewerKeys } from "./viewer_keys.ts";

export interface Credentials {
  /** The ExApp as AppAPI registered it. */
  exApp?: { id: string; secret: string };
  /** Sent as `Authorization: Bearer <token>`. */
  token?: string;
  /** Of JWTs of users, sent in the same way. */
  users?: TokenVerifier;
  /** Of keys of one transcript, sent in the same way. */
  viewers?: Pick<ViewerKeys, "verify">;
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
  {
    user: {
      type: "http",
      scheme: "bearer",
      bearerFormat: "JWT",
      description:
        "A user's JWT, as voice sessions take it (`VOICE_JWT_ISSUER`, `VOICE_JWT_SECRET`): for the transcripts of their own voice sessions, nothing else",
    },
  },
  {
    viewer: {
      type: "http",
      scheme: "bearer",
      description: "The key of a link to a transcript: to read that one, nothing else",
    },
  },
] as const;

const ALL = new Set(RIGHTS);
const TRANSCRIPTS: ReadonlySet<Right> = new Set(["transcripts"] as const);
const principal = (kind: Principal["kind"]): Principal => ({ kind, rights: ALL });

/** The function it returns rejects with StoreError where it cannot be known whether a viewer's key is right. */
export function authenticator({ exApp, token, users, viewers }: Credentials): Authenticate {
  const others = exApp === undefined && token === undefined ? principal("anyone") : undefined;
  return async (headers) => {
    if (exApp !== undefined && isFromAppApi(headers, exApp)) return principal("app_api");
    const shown = bearerIn(headers);
    if (shown === undefined) return others;
    if (token !== undefined && isSame(shown, token)) return principal("token");
    return await viewerOf(shown, viewers) ?? await userOf(shown, users) ?? others;
  };
}

/** Whether any bearer token is accepted. */
export function takesBearer({ token, users, viewers }: Credentials): boolean {
  return [token, users, viewers].some((each) => each !== undefined);
}

async function viewerOf(shown: string, viewers: Credentials["viewers"]): Promise<Principal | undefined> {
  const opened = await viewers?.verify(shown);
  return opened && { kind: "viewer", rights: TRANSCRIPTS, ...opened };
}

async function userOf(shown: string, users: TokenVerifier | undefined): Promise<Principal | undefined> {
  // A JWT has three parts: another token is a guess of the API's.
  if (users === undefined || shown.split(".").length !== 3) return undefined;
  try {
    const { userId, tenantId } = await users.verify(shown);
    return { kind: "user", rights: TRANSCRIPTS, userId, tenantId };
  } catch (error) {
    if (error instanceof CredentialsError) return undefined;
    throw error;
  }
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

function bearerIn(headers: Headers): string | undefined {
  return /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
}

/** In constant time: digests have one length and are compared whole. */
function isSame(shown: string, right: string): boolean {
  return timingSafeEqual(digest(shown), digest(right));
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

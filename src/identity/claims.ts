/**
 * The claims of a JWT (RFC 7519, 4.1) to the identity of its user. Checks nothing of the signature: whoever calls this has
 * verified it, or does before using the result.
 *
 * Whom a token is for: `aud`, or `azp`. Keycloak puts the client it issued the token to in `azp` only, and `account` in
 * `aud`, unless an operator adds an audience mapper; so either is accepted. An operator who wants `aud` alone adds the
 * mapper, and names an audience that is no client: no `azp` can be that.
 */
import type { TokenIdentity } from "../domain/mod.ts";
import { refused } from "./token_fault.ts";

export interface ClaimRules {
  /** Without the slash at its end, which a token may have. Absent: any, or none. */
  issuer?: string;
  /** Absent: any, or none. */
  audience?: string;
}

/** For the clocks of other machines. */
const CLOCK_TOLERANCE_S = 30;
const ID_CHARS_MAX = 256;
/** The year 9999: a later date is no date. */
const LATEST_S = 253_402_300_799;

/** Throws CredentialsError. `nowMs`: Unix time. */
export function identityOf(
  claims: Readonly<Record<string, unknown>>,
  { issuer, audience }: ClaimRules,
  nowMs: number,
): TokenIdentity {
  if (issuer !== undefined && withoutSlash(claims.iss) !== issuer) throw refused("token_wrong_issuer");
  if (audience !== undefined && !isFor(claims, audience)) throw refused("token_wrong_audience");
  const expiresS = dateIn(claims.exp);
  if (expiresS === undefined) throw refused("token_malformed");
  if (nowMs >= (expiresS + CLOCK_TOLERANCE_S) * 1_000) throw refused("token_expired");
  const fromS = isAbsent(claims.nbf) ? 0 : dateIn(claims.nbf);
  if (fromS === undefined) throw refused("token_malformed");
  if (nowMs < (fromS - CLOCK_TOLERANCE_S) * 1_000) throw refused("token_not_yet_valid");
  const userId = isAbsent(claims.user_id) ? claims.sub : claims.user_id;
  if (!isPrintable(userId)) throw refused("token_no_user");
  const identity = { userId, expiresAtMs: expiresS * 1_000 };
  if (isAbsent(claims.opco_id)) return identity;
  // Not taken for one without a tenant: they may read what such users said.
  if (!isPrintable(claims.opco_id)) throw refused("token_malformed");
  return { ...identity, tenantId: claims.opco_id };
}

export function withoutSlash(address: unknown): string | undefined {
  return typeof address === "string" ? address.replace(/\/$/, "") : undefined;
}

/** An id that can be shown and logged: no control, format or separator characters, no half of a surrogate pair. */
export function isPrintable(id: unknown): id is string {
  return typeof id === "string" && id.length <= ID_CHARS_MAX && id.trim() !== "" &&
    !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(id);
}

function isFor({ aud, azp }: Readonly<Record<string, unknown>>, audience: string): boolean {
  return azp === audience || aud === audience || (Array.isArray(aud) && aud.includes(audience));
}

function dateIn(claim: unknown): number | undefined {
  return typeof claim === "number" && claim >= 0 && claim <= LATEST_S ? claim : undefined;
}

function isAbsent(claim: unknown): boolean {
  return claim === undefined || claim === null;
}

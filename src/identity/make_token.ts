/** Tokens of a small site without an issuer: what `tiro token` prints. */
import { SignJWT } from "jose";
import { InvalidRequestError } from "../domain/mod.ts";
import { isPrintable } from "./claims.ts";
import { SECRET_ALGORITHM } from "./jwt.ts";

export interface TokenWishes {
  /** VOICE_JWT_SECRET. */
  secret: string;
  audience: string;
  userId: string;
  tenantId?: string;
  ttlMs: number;
}

/** Rejects with InvalidRequestError (`userId`, `tenantId`) for an id that would be refused. */
export async function makeToken({ secret, audience, userId, tenantId, ttlMs }: TokenWishes): Promise<string> {
  for (const [field, id] of Object.entries({ userId, tenantId: tenantId ?? userId })) {
    if (!isPrintable(id)) {
      throw new InvalidRequestError("Cannot make a token: an id has 1 to 256 printable characters", field);
    }
  }
  const nowS = Math.floor(Date.now() / 1_000);
  const claims = {
    sub: userId,
    ...(tenantId !== undefined && { opco_id: tenantId }),
    aud: audience,
    iat: nowS,
    exp: nowS + Math.ceil(ttlMs / 1_000),
  };
  return await new SignJWT(claims).setProtectedHeader({ alg: SECRET_ALGORITHM, typ: "JWT" })
    .sign(new TextEncoder().encode(secret));
}

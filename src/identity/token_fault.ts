/** The errors of refused tokens. They never hold a part of the token, nor an error of the library, which may. */
import { CredentialsError, type TokenFault } from "../domain/mod.ts";

const CAUSES: Readonly<Record<TokenFault, string>> = {
  token_missing: "there is none; send a JWT",
  token_malformed:
    "it is no signed JWT of at most 8 KB with usable claims; send an access token as the issuer gave it",
  token_expired: "it has expired; get a new one",
  token_not_yet_valid: "its nbf is in the future; check the clocks",
  token_wrong_audience: "its aud and azp name others; VOICE_JWT_AUDIENCE is whom they have to name",
  token_wrong_issuer: "its iss is another issuer; VOICE_JWT_ISSUER is the one accepted",
  token_bad_signature: "no accepted key made its signature; get a new one",
  token_algorithm: "its algorithm is not accepted",
  token_no_user: "it has no user_id and no sub of 1 to 256 printable characters",
  keys_unavailable: "the issuer's keys cannot be fetched; try again later",
};

export function refused(fault: TokenFault): CredentialsError {
  return new CredentialsError(`Cannot accept the token: ${CAUSES[fault]}`, {
    code: fault,
    retryable: fault === "keys_unavailable",
  });
}

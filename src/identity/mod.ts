/** Authentication of requests: credentials to a principal with rights, and JWTs to the identity of their user. */
export { authenticator, type Credentials, SECURITY_SCHEMES, takesBearer } from "./credentials.ts";
export { JwtVerifier, type JwtVerifierOptions } from "./jwt.ts";
export { makeToken, type TokenWishes } from "./make_token.ts";
export { VIEWER_KEY_TTL_MAX_MS, ViewerKeys } from "./viewer_keys.ts";

/** Authentication of requests: credentials to a principal with rights, and JWTs to the identity of their user. */
export { authenticator, type Credentials, SECURITY_SCHEMES } from "./credentials.ts";
export { JwtVerifier, type JwtVerifierOptions } from "./jwt.ts";

/** Authentication of requests: credentials to a principal with rights. */
export { authenticator, type Credentials, SECURITY_SCHEMES } from "./credentials.ts";

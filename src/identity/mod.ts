/** Who calls: AppAPI or the bearer of a token becomes a principal with rights. */
export { authenticator, type Credentials, SECURITY_SCHEMES } from "./credentials.ts";

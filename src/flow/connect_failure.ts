const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "the host name cannot be resolved",
  EAI_AGAIN: "the host name cannot be resolved",
  ENETUNREACH: "no route to the host",
  EHOSTUNREACH: "no route to the host",
  ETIMEDOUT: "no answer to the connection",
  ECONNRESET: "connection lost while it opened",
  EPIPE: "connection lost while it opened",
  ERR_SSL_WRONG_VERSION_NUMBER: "the server does not speak TLS",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate is for another host",
  CERT_HAS_EXPIRED: "the certificate has expired",
};

/** OpenSSL's codes for a certificate whose issuer is not trusted, and for other faults of certificates. */
const UNTRUSTED = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_)/;

/**
 * Why a connection could not be opened, by the error's code: its message contains the address, and that of a certificate
 * the names it is for.
 */
export function connectFailure(code: unknown): string {
  if (typeof code !== "string") return "connection refused or lost";
  if (Object.hasOwn(CAUSES, code)) return CAUSES[code];
  if (UNTRUSTED.test(code)) return "the certificate is not trusted";
  return /^ERR_(SSL|TLS)_/.test(code) ? "TLS failed" : "connection refused or lost";
}

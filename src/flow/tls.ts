/** Whom one TLS connection trusts. There is no process-wide switch: every connection says it for itself. */
import { rootCertificates } from "node:tls";

export interface TlsOptions {
  /** PEM certificates trusted besides the built-in ones. */
  caCerts?: readonly string[];
  /** Accept any certificate, for this connection only: encrypted, but to whoever answers. */
  skipVerify?: boolean;
}

/** The same in the terms of node:https, which are those of `ws` too. */
export function tlsRequestOptions(
  tls: TlsOptions | undefined,
): { ca?: string[]; rejectUnauthorized?: false } {
  if (tls?.skipVerify) return { rejectUnauthorized: false };
  // `ca` replaces the built-in certificates, so they are named again.
  return tls?.caCerts?.length ? { ca: [...rootCertificates, ...tls.caCerts] } : {};
}

/** TLS trust and proxies of one outgoing connection; nothing is process-wide. */
import { createSecureContext, type SecureContext } from "node:tls";
import type { ProxyRules } from "./proxy.ts";

export interface TlsOptions {
  /** PEM certificates trusted besides the built-in ones. */
  caCerts?: readonly string[];
  /** Accept any certificate: encrypted, but not authenticated. */
  skipVerify?: boolean;
  /** Absent: every connection is direct. */
  proxies?: ProxyRules;
}

/** As options of node:https and `ws`. */
export function tlsRequestOptions(
  tls: TlsOptions | undefined,
): { secureContext?: SecureContext; rejectUnauthorized?: false } {
  if (tls?.skipVerify) return { rejectUnauthorized: false };
  if (!tls?.caCerts?.length) return {};
  // The option `ca` replaces the built-in certificates, and listing those too costs each connection 10 ms and half a
  // megabyte to parse and hold. A context keeps them beside those added.
  const secureContext = createSecureContext();
  const roots: { addCACert(pem: string): void } = secureContext.context;
  for (const pem of tls.caCerts) roots.addCACert(pem);
  return { secureContext };
}

/**
 * How one outgoing connection is made: whom its TLS trusts, and through which proxy it goes. There is no process-wide
 * switch: every connection says it for itself.
 */
import { createSecureContext, type SecureContext } from "node:tls";
import type { ProxyRules } from "./proxy.ts";

export interface TlsOptions {
  /** PEM certificates trusted besides the built-in ones. */
  caCerts?: readonly string[];
  /** Accept any certificate, for this connection only: encrypted, but to whoever answers. */
  skipVerify?: boolean;
  /** Absent: every connection is direct. */
  proxies?: ProxyRules;
}

/** The same in the terms of node:https, which are those of `ws` too. */
export function tlsRequestOptions(
  tls: TlsOptions | undefined,
): { secureContext?: SecureContext; rejectUnauthorized?: false } {
  if (tls?.skipVerify) return { rejectUnauthorized: false };
  if (!tls?.caCerts?.length) return {};
  // The option `ca` would replace the built-in certificates, and to name those again has each connection parse and
  // hold all of them: 10 ms and half a megabyte. What is added to a context stands beside them.
  const secureContext = createSecureContext();
  const roots: { addCACert(pem: string): void } = secureContext.context;
  for (const pem of tls.caCerts) roots.addCACert(pem);
  return { secureContext };
}

import assert from "@std/assert";
import { connectFailure } from "./connect_failure.ts";

Deno.test("The cause of a failure to connect is found by its code, and an unknown code is not shown", () => {
  const causes = {
    ECONNREFUSED: "connection refused",
    ENOTFOUND: "the host name cannot be resolved",
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the certificate is not trusted",
    DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is not trusted",
    CERT_HAS_EXPIRED: "the certificate has expired",
    ERR_SSL_NO_PROTOCOLS_AVAILABLE: "TLS failed",
    "s3cret.example": "connection refused or lost",
    toString: "connection refused or lost",
  };
  for (const [code, cause] of Object.entries(causes)) assert.equal(connectFailure(code), cause);
  assert.equal(connectFailure(undefined), "connection refused or lost");
});

/** The full hello of an internal client: proves knowledge of the secret without sending it. */
import { createHmac, randomBytes } from "node:crypto";
import type { ClientMessage } from "./encode.ts";

export interface HelloOptions {
  /** Shared with the HPB (its `internalsecret`). */
  secret: string;
  /** Nextcloud's signalling backend, which identifies the Nextcloud to the HPB. */
  backendUrl: string;
  /** At least 32 random characters. */
  nonce?: () => string;
}

export function hello(
  version: "1.0" | "2.0",
  { secret, backendUrl, nonce = () => randomBytes(32).toString("hex") }: HelloOptions,
): ClientMessage {
  const random = nonce();
  const token = createHmac("sha256", secret).update(random).digest("hex");
  return { kind: "hello", version, random, token, backendUrl };
}

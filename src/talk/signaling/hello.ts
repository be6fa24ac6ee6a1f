/** The full hello of an internal client: it shows that it knows the secret without sending it. */
import { createHmac } from "node:crypto";
import type { ClientMessage } from "./codec.ts";

export interface HelloOptions {
  /** Shared with the HPB (its `internalsecret`). */
  secret: string;
  /** Nextcloud's signalling backend, which tells the HPB whose rooms these are. */
  backendUrl: string;
  /** At least 32 characters nobody can guess. */
  nonce?: () => string;
}

export function hello(
  version: "1.0" | "2.0",
  { secret, backendUrl, nonce = randomNonce }: HelloOptions,
): ClientMessage {
  const random = nonce();
  const token = createHmac("sha256", secret).update(random).digest("hex");
  return { kind: "hello", version, random, token, backendUrl };
}

function randomNonce(): string {
  return [...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

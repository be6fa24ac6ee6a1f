/** Users and tenants as the log has them: their ids, and nothing that may be a name or an address of theirs. */
import { createHash } from "node:crypto";
import type { TokenIdentity } from "../domain/mod.ts";

/** Ids that are no addresses, and no names with spaces or other letters: in the log as they are. */
const OPAQUE_ID = /^[A-Za-z0-9_-]{1,64}$/;

export function loggedIds(identity: TokenIdentity | undefined): { user?: string; tenant?: string } {
  if (!identity) return {};
  const { userId, tenantId } = identity;
  return { user: logged(userId), ...(tenantId !== undefined && { tenant: logged(tenantId) }) };
}

/** Others as a digest: the same one each time. */
function logged(id: string): string {
  if (OPAQUE_ID.test(id)) return id;
  return `sha256:${createHash("sha256").update(id).digest("hex").slice(0, 16)}`;
}

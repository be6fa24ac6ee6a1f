/**
 * Who may read and change which transcript. The front end decides who of a room's people may read, so it has those of Talk; a user
 * has their own; the key of a link has one, to read. For anyone else there is no transcript of that id. Where no credentials
 * are configured, everyone has those of voice sessions without a user too.
 */
import {
  ANYONE,
  NotFoundError,
  type Principal,
  type TranscriptFilter,
  type TranscriptRecord,
} from "../domain/mod.ts";

const TALK = "talk";

/** Acts for the front end. */
export function isFrontEnd(principal: Principal | undefined): boolean {
  return principal !== undefined && ["app_api", "token", "anyone"].includes(principal.kind);
}

export function mayRead(principal: Principal | undefined, record: TranscriptRecord): boolean {
  if (principal?.kind === "viewer") return principal.transcriptId === record.id;
  return mayChange(principal, record);
}

/** Deletes, ends, and issues links. */
export function mayChange(principal: Principal | undefined, record: TranscriptRecord): boolean {
  if (principal?.kind === "anyone" && record.userId === ANYONE) return true;
  if (isFrontEnd(principal)) return record.door === TALK;
  return principal?.kind === "user" && principal.userId !== undefined && record.door !== TALK &&
    record.userId === principal.userId && record.tenantId === principal.tenantId;
}

/** What to list for a principal, of which `mayRead` says what is theirs; undefined: nothing. */
export function listed(principal: Principal | undefined): TranscriptFilter | undefined {
  if (principal?.kind === "anyone") return {};
  if (isFrontEnd(principal)) return { door: TALK };
  if (principal?.kind !== "user" || principal.userId === undefined) return undefined;
  const { userId, tenantId = null } = principal;
  return { userId, tenantId };
}

export function notFound(action: string): NotFoundError {
  return new NotFoundError(`Cannot ${action}: there is none of this id for this client`);
}

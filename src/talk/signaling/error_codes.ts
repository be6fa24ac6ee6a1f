/** What the HPB's error codes and byes mean for the session. Errors not named here may be temporary. */
import { TiroError } from "../../domain/mod.ts";

/** Signalling with the HPB failed. `code` is its own error code where it gave one. */
export class SignalingError extends TiroError {}

/** A hello or a join refused like this is refused the next time too. */
export const FINAL_CODES: ReadonlySet<string> = new Set([
  "auth_failed",
  "duplicate_session",
  "invalid_backend",
  "invalid_client_type",
  "invalid_hello_version",
  "invalid_request",
  "invalid_token",
  "no_such_room",
  "not_allowed",
]);
/** From a server that does not know hello 2.0; older ones call it badly formed. */
export const OLD_HELLO_CODES: ReadonlySet<string> = new Set(["invalid_hello_version", "invalid_format"]);
/** The HPB dropped the session while its socket stayed open. */
export const FORGOTTEN_CODES: ReadonlySet<string> = new Set(["hello_expected", "no_such_session"]);
/** Reconnecting after such a bye would only disconnect somebody else. */
const FINAL_BYES: ReadonlySet<string> = new Set(["duplicate_session", "room_session_reconnected"]);

export const isFinalBye = (reason: string | undefined): reason is string =>
  reason !== undefined && FINAL_BYES.has(reason);
/** The HPB blocks this address after too many failures. */
export const isShutOut = (code: string) => code === "too_many_requests";

/** What the operator can change. `server.conf` is the HPB's. */
const ADVICE: Readonly<Record<string, string>> = {
  invalid_token: "LT_INTERNAL_SECRET must equal internalsecret in [clients] of its server.conf",
  invalid_client_type:
    "set internalsecret in [clients] of its server.conf, and LT_INTERNAL_SECRET to the same",
  invalid_backend: "NEXTCLOUD_URL must equal the url of a backend in its server.conf",
  too_many_requests:
    "after ten refused hellos it shuts an address out for half an hour; check LT_INTERNAL_SECRET and NEXTCLOUD_URL",
};

export function refusal(action: string, code: string): SignalingError {
  const advice = ADVICE[code];
  return new SignalingError(
    `Cannot ${action}: the HPB answered "${code}"${advice === undefined ? "" : `; ${advice}`}`,
    { code, retryable: isShutOut(code) },
  );
}

/** The ports to Nextcloud: signed OCS calls, its STUN and TURN servers, and the life of an ExApp under AppAPI. */
import { TiroError } from "./errors.ts";
import type { IceServer } from "./sources.ts";

/** Nextcloud was out of reach, refused us, or asked us to wait. Names no address and no answer. */
export class NextcloudError extends TiroError {}

export interface OcsRequest {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** From `/ocs/` on, with its query; `format=json` is asked for by header. */
  path: string;
  /** Sent as JSON. */
  body?: unknown;
  timeoutMs: number;
  signal: AbortSignal;
}

export interface OcsReply {
  /** The envelope's where that says more than HTTP: routes under v1.php answer most refusals with HTTP 200. */
  status: number;
  /** `ocs.data` of the envelope; undefined when the body is not an OCS envelope. */
  data: unknown;
}

/** OCS calls to Nextcloud, with AppAPI's headers where the service is an ExApp. */
export interface Ocs {
  /**
   * Any status but 429 is a reply. Rejects with NextcloudError, or the signal's reason. While Nextcloud is to be left
   * in peace nothing is sent, and the code is `throttled` or, after repeated 401, `unauthorized`.
   */
  request(request: OcsRequest): Promise<OcsReply>;
}

/** The STUN and TURN servers Nextcloud would have us use. */
export interface IceServerSource {
  /** As of now; never rejects, empty when Nextcloud does not say. */
  iceServers(): Promise<readonly IceServer[]>;
}

/** The service as an ExApp. */
export interface ExApp {
  readonly isEnabled: boolean;
  /** Answers at once; reports its progress to Nextcloud behind the answer. */
  init(): void;
  /** Kept across restarts. Disabling leaves every call. Rejects when the state cannot be kept. */
  setEnabled(enabled: boolean): Promise<void>;
}

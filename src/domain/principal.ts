/** Clients and their rights. */

/**
 * Required by a route: to have people captioned, to operate the service, to read and delete transcripts. Which transcripts
 * depends on the principal.
 */
export const RIGHTS = ["captions", "operation", "transcripts"] as const;
export type Right = (typeof RIGHTS)[number];

/** The user of voice sessions where no credentials are configured. */
export const ANYONE = "anyone";

export interface Principal {
  /**
   * How they authenticated: as AppAPI or with the API's token, both acting for the front end; with a JWT of their own; or
   * with the key of one transcript. `anyone` where no credentials are configured.
   */
  readonly kind: "app_api" | "token" | "user" | "viewer" | "anyone";
  readonly rights: ReadonlySet<Right>;
  /** Of a `user`. */
  readonly userId?: string;
  readonly tenantId?: string;
  /** Of a `viewer`: all they may read. */
  readonly transcriptId?: string;
  /** Of a `viewer`: until when, Unix time, ms. */
  readonly expiresAtMs?: number;
}

/** The sender of a request, by its headers; undefined without valid credentials. */
export type Authenticate = (headers: Headers) => Principal | undefined | Promise<Principal | undefined>;

/** Issues keys of links to transcripts: their principal is a `viewer`. */
export interface ViewerKeyIssuer {
  /**
   * Of the transcript with this id, which is not checked. Default: valid for a day. Rejects with InvalidRequestError for
   * more than 30 days, and with StoreError.
   */
  issue(
    transcriptId: string,
    ttlMs?: number,
  ): Promise<{ key: string; /** Unix time, ms. */ expiresAtMs: number }>;
}

/** Who opens a voice session, by a JWT. */
export interface TokenIdentity {
  userId: string;
  tenantId?: string;
  /** Unix time, ms. */
  expiresAtMs?: number;
}

/** Why a JWT is refused: the code of the CredentialsError. */
export const TOKEN_FAULTS = [
  "token_missing",
  "token_malformed",
  "token_expired",
  "token_not_yet_valid",
  "token_wrong_audience",
  "token_wrong_issuer",
  "token_bad_signature",
  "token_algorithm",
  "token_no_user",
  /** The issuer's keys cannot be fetched: the token may be right. */
  "keys_unavailable",
] as const;
export type TokenFault = (typeof TOKEN_FAULTS)[number];

export interface TokenVerifier {
  /** Rejects with CredentialsError, its code one of TOKEN_FAULTS. */
  verify(token: string | undefined): Promise<TokenIdentity>;
  /** The fault that right tokens may be refused with now. */
  readonly trouble?: TokenFault;
  /** The fault that every token is refused with now. */
  readonly refusal?: TokenFault;
}

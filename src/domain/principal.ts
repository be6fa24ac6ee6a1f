/** Who calls the API, and what they may do there. */

/** What a route may ask for: to have people captioned, or to look after the service. */
export const RIGHTS = ["captions", "operation"] as const;
export type Right = (typeof RIGHTS)[number];

export interface Principal {
  /** How they showed who they are; `anyone` where no credentials are configured. */
  kind: "app_api" | "token" | "anyone";
  rights: ReadonlySet<Right>;
}

/** Who sent a request, by its headers; undefined for nobody who is known. */
export type Authenticate = (headers: Headers) => Principal | undefined;

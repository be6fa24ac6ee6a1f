/** Clients of the API and their rights. */

/** Required by a route: to have people captioned, or to operate the service. */
export const RIGHTS = ["captions", "operation"] as const;
export type Right = (typeof RIGHTS)[number];

export interface Principal {
  /** How they authenticated; `anyone` where no credentials are configured. */
  kind: "app_api" | "token" | "anyone";
  rights: ReadonlySet<Right>;
}

/** The sender of a request, by its headers; undefined without valid credentials. */
export type Authenticate = (headers: Headers) => Principal | undefined;

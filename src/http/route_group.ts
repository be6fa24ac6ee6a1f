/**
 * A door's part of the API: routes with their schemas, and their handlers; and the parts of schemas that all routes share,
 * so that the same error is documented the same.
 */
import { type OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Right } from "../domain/mod.ts";
import { withJsonBody } from "./body.ts";
import type { SocketRoute } from "./socket_route.ts";

/** A route as `createRoute` makes it. */
export type Route = RouteConfig & { getRoutingPath(): string; right?: Right; isOpen?: true };

/** Paths that the router passes to the route: a parameter is one segment, and a slash at the end is accepted. */
export function pathPattern(route: Route): RegExp {
  return new RegExp(`^${route.getRoutingPath().replace(/:[^/]+/g, "[^/]+")}/?$`);
}

/** Codes of reasons why the service is degraded, with their meanings for operators. */
export type Meanings = Readonly<Record<string, string>>;

/** A part of the OpenAPI document. */
export interface RouteList {
  readonly tags: readonly { name: string; description: string }[];
  readonly routes: readonly Route[];
  /** Of all codes of `reasons`. */
  readonly meanings?: Meanings;
}

export interface RouteGroup extends RouteList {
  addTo(app: OpenAPIHono): void;
  /** Its routes that become WebSockets. */
  sockets?: readonly SocketRoute[];
  /** Why the service is degraded, of this door's reasons; empty: it is not. */
  reasons?(): readonly string[];
  /** The service shuts down: what is not a session of `Sessions` ends. */
  drain?(): void;
  /** Nextcloud has disabled the ExApp: its sessions end. */
  disable?(): void;
}

const messageReply = z.object({ message: z.string() }).openapi("Message");
const errorReply = z.object({
  error: z.string().openapi({ description: "What went wrong; never holds what was sent" }),
}).openapi("Error");

export const json = <Schema>(schema: Schema, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
export const done = (description: string, message: string) => ({
  content: { "application/json": { schema: messageReply, example: { message } } },
  description,
});
export const failure = (description: string, error: string) => ({
  content: { "application/json": { schema: errorReply, example: { error } } },
  description,
});

/** Needs no credentials. */
export const open = { security: [], isOpen: true as const };
/** For principals with this right. */
export const needs = (right: Right) => ({ right });

export const unauthorised = { 401: failure("Wrong credentials or none", "not authorised") };
/** A JSON body, read within its bounds before it is validated. */
export const body = <Schema>(schema: Schema) => ({
  request: { body: { content: { "application/json": { schema } }, required: true as const } },
  middleware: async (c: Context, next: () => Promise<void>) => {
    c.req.raw = await withJsonBody(c.req.raw);
    await next();
  },
});
export const bodyRefusals = {
  408: failure("The body did not arrive in time", "body: did not arrive in time"),
  413: failure("The body is too large", "body: larger than 65536 bytes"),
  415: failure("The body is not JSON", "body: expected application/json"),
};
export const unavailable = (description: string, error: string) => ({
  503: {
    ...failure(description, error),
    headers: z.object({ "retry-after": z.string().openapi({ description: "Seconds", example: "5" }) }),
  },
});

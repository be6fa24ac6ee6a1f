/**
 * The HTTP server: authorisation, errors to status codes, WebSockets, streams of events, pages, the document, health and
 * metrics. Knows no door.
 */
export { createHttpApp, type HttpApp, type HttpAppOptions } from "./app.ts";
export { type ApiDescription, type ApiDocument, apiDocument } from "./document.ts";
export { HttpError, STATUS_FATAL, withSentNames } from "./errors.ts";
export { DEGRADED_HEADER, TALKERS_HEADER } from "./operation.ts";
export { composePage, type Page, PAGE_STYLE, type PageParts, servePage } from "./page.ts";
export * from "./route_group.ts";
export type { ServerSocket, SocketEvents, SocketRequest, SocketRoute } from "./socket_route.ts";
export { type HttpServer, type ListenAddress, ListenError, serveHttp, type ServeOptions } from "./serve.ts";

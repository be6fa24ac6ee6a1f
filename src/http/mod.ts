/** The REST API: routes, schemas, who may call, errors to status codes, its document, and the listening socket. */
export { createHttpApp, type HttpApp, type HttpAppOptions } from "./app.ts";
export type { Auth } from "./auth.ts";
export { type ApiDocument, apiDocument } from "./document.ts";
export { apiReference, type Field, type Operation, type Reference } from "./reference.ts";
export { type HttpServer, type ListenAddress, ListenError, serveHttp, type ServeOptions } from "./serve.ts";
export { watchTunnel } from "./tunnel_watch.ts";

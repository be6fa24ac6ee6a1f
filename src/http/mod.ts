/** The REST API: routes, schemas, errors to status codes, and the listening socket. */
export { createHttpApp, type HttpApp, type HttpAppOptions } from "./app.ts";
export { type HttpServer, ListenError, serveHttp, type ServeOptions } from "./serve.ts";

/** Structured lifetimes, bounded queues, and the shells around sockets and timers. */
export * from "./bounded_queue.ts";
export * from "./clock.ts";
export { type DescriptorUse, readDescriptors } from "./descriptors.ts";
export { startHardEnd } from "./hard_end.ts";
export {
  type CallbackKind,
  guarded,
  InternalError,
  reportInternalError,
  surviveInternalErrors,
} from "./internal_errors.ts";
export { type HttpBody, httpDownload, type HttpDownloadOptions } from "./http_download.ts";
export { type HttpAnswer, httpRequest, type HttpRequestOptions } from "./http_request.ts";
export { openLibc } from "./libc.ts";
export { takeLibraryOutput } from "./library_output.ts";
export { MessageDecoder, MessageWriter } from "./message_pipe.ts";
export {
  killProcess,
  leaveSignalsToService,
  type OwnProcessOptions,
  readMessages,
  SOURCE_ROOT,
  spawnOwnProcess,
} from "./own_process.ts";
export { proxyFor, type ProxyRules } from "./proxy.ts";
export * from "./retry.ts";
export * from "./scope.ts";
export * from "./shared_retry.ts";
export { IGNORED_SIGNALS, STOP_SIGNALS, StopSignals } from "./stop_signals.ts";
export * from "./timed_core.ts";
export { readSystemFile } from "./system_file.ts";
export { type TlsOptions, tlsRequestOptions } from "./tls.ts";
export * from "./websocket.ts";

/**
 * A WebSocket client connection over `ws` (why not the native WebSocket: docs/decisions/0003-websocket-client.md). Sends
 * and receives at once: unread messages stay in the kernel and with the peer. Offers no compression and no subprotocols,
 * follows no redirects.
 *
 *     opening -> open -> closing (our close frame is sent, 1 s) -> closed
 *                  \-> the peer's close frame (1 s for it to hang up), an error, the end of TCP -> closed
 */
import type { Socket } from "node:net";
import { type ClientOptions, WebSocket } from "ws";
import { TiroError } from "../domain/mod.ts";
import { fitsBinaryFrame, writeBinaryFrame } from "./binary_frame.ts";
import { withTimeout } from "./clock.ts";
import { connectFailure } from "./connect_failure.ts";
import { guarded, reportInternalError } from "./internal_errors.ts";
import { MessageLimit } from "./message_limit.ts";
import { proxyFor } from "./proxy.ts";
import { type TlsOptions, tlsRequestOptions } from "./tls.ts";
import { openTunnel } from "./tunnel.ts";

export interface WebSocketOptions {
  /** Ends the opening; an open connection is ended by `close`. */
  signal: AbortSignal;
  headers?: Record<string, string>;
  /** From the call to the open socket, ms. */
  openTimeoutMs: number;
  /** A larger message ends the connection, unless there is `onTooLarge`. Bytes. */
  maxMessageSize: number;
  /** Returns a replacement for a message larger than that: only it is lost, and never held in memory. */
  onTooLarge?: (bytes: number) => Uint8Array<ArrayBuffer>;
  tls?: TlsOptions;
}

export type WebSocketMessage = string | Uint8Array<ArrayBuffer>;

export interface CloseInfo {
  /** The peer's close code; 1005 when its close frame has none, 1006 without a close frame. */
  code: number;
  reason: string;
  /** Whether the peer sent a close frame. */
  clean: boolean;
  /** What the handler threw, or MessageTooLargeError, if that ended it. */
  failure?: unknown;
}

/** A message was too large, or in too many fragments. */
export class MessageTooLargeError extends TiroError {
  constructor(bytesMax: number) {
    super(
      `Cannot receive a message: it is larger than ${bytesMax} bytes, or in more than ${FRAGMENTS_MAX} fragments`,
      { code: "message_too_large", retryable: true },
    );
  }
}

/** The connection was not opened. Contains no URL and no header. */
export class WebSocketOpenError extends Error {
  constructor(
    /** For the end of another message. */ readonly failure: string,
    /** The server's status instead of 101, if any. */ readonly status?: number,
  ) {
    super(`Cannot open WebSocket: ${failure}`);
    this.name = "WebSocketOpenError";
  }
}

/** RFC 6455 section 7.4.1. */
const CLOSE_NORMAL = 1000;
/** The connection ended without a close frame. Never sent. */
const CLOSE_ABNORMAL = 1006;
/** Time for the peer's close frame; a peer that stopped reading never sends it. */
const CLOSE_TIMEOUT_MS = 1_000;
/** `ws` keeps each fragment with all of the read it came in, 64 KB; MessageLimit copies those it holds. */
const FRAGMENTS_MAX = 32;
/** Errors of `ws` for a message that is too large, or in too many fragments. */
const OVER_SIZE: ReadonlySet<unknown> = new Set([
  "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH",
  "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",
  "WS_ERR_TOO_MANY_BUFFERED_PARTS",
]);

export class WebSocketConnection implements AsyncDisposable {
  readonly #socket: WebSocket;
  /** Under `#socket`; audio is written to it directly. */
  readonly #transport: Socket;
  #onMessage: ((message: WebSocketMessage) => void) | undefined;
  #failure: unknown;
  readonly #closed = Promise.withResolvers<CloseInfo>();
  #state: "open" | "closing" | "closed" = "open";
  /** Messages handed to `send` that the kernel has not taken yet. */
  #unsent = 0;
  #drained?: PromiseWithResolvers<void>;
  /** Resolved by the pong of the last ping, which has this number. */
  #delivery?: PromiseWithResolvers<void>;
  #pings = 0;
  #killTimer?: ReturnType<typeof setTimeout>;
  #messages = 0;
  /** Replacements of messages that were too large, by their number. One read of the socket holds few. */
  readonly #replacements = new Map<number, Uint8Array<ArrayBuffer>>();

  private constructor(socket: WebSocket, transport: Socket, options: WebSocketOptions) {
    this.#socket = socket;
    this.#transport = transport;
    socket.pause(); // until there is a handler
    const { maxMessageSize, onTooLarge } = options;
    if (onTooLarge) {
      const onSkipped = (number: number, bytes: number) => this.#replacements.set(number, onTooLarge(bytes));
      limitMessages(transport, new MessageLimit({ maxBytes: maxMessageSize, onSkipped }));
    }
    // Not `guarded`: for each message that would be a closure and a list of arguments.
    socket.on("message", (data) => {
      this.#received(data instanceof ArrayBuffer ? new Uint8Array(data) : `${data}`);
    });
    socket.on("error", (error: Error & { code?: unknown }) => {
      // Any other error shows in how the connection closed.
      if (OVER_SIZE.has(error.code)) this.#failure ??= new MessageTooLargeError(maxMessageSize);
    });
    socket.on(
      "pong",
      guarded("websocket", (data: Buffer) => {
        if (data.length === 4 && data.readUInt32BE() === this.#pings) this.#wasDelivered();
      }),
    );
    // ws waits without limit for a peer that hung up to take unsent bytes.
    transport.once("end", () => this.#killTimer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS));
    socket.once(
      "close",
      guarded("websocket", (code: number, reason: Buffer) => {
        clearTimeout(this.#killTimer);
        this.#state = "closed";
        const clean = code !== CLOSE_ABNORMAL;
        const failure = this.#failure;
        this.#closed.resolve({ code, reason: `${reason}`, clean, ...(failure !== undefined && { failure }) });
        this.#drained?.resolve();
        this.#wasDelivered();
      }),
    );
  }

  /** Rejects with WebSocketOpenError, or with the signal's reason; then everything is closed. */
  static async open(url: string, options: WebSocketOptions): Promise<WebSocketConnection> {
    const { signal, openTimeoutMs: timeoutMs } = options;
    // ws' handshakeTimeout starts anew with every byte from the server.
    const late = () => new WebSocketOpenError(`no answer within ${timeoutMs} ms`);
    return await withTimeout({ signal, timeoutMs, late }, async (ending) => {
      const tunnel = await throughProxy(url, options, ending);
      const opened = (socket: WebSocket, transport: Socket) =>
        new WebSocketConnection(socket, transport, options);
      return await shakeHands(clientSocket(url, options, tunnel), ending, opened);
    });
  }

  /** Starts to read; each message goes to the handler, in order. An exception of it ends the connection. */
  receive(onMessage: (message: WebSocketMessage) => void): void {
    this.#onMessage = onMessage;
    this.#socket.resume();
  }

  /** How the connection ended, once everything is closed. Needs `receive` or `close`. */
  get closed(): Promise<CloseInfo> {
    return this.#closed.promise;
  }

  get isOpen(): boolean {
    return this.#state === "open" && this.#socket.readyState === WebSocket.OPEN;
  }

  /** Bytes handed to `send` and not yet to the kernel, which takes some megabytes itself. */
  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  /** Resolves when the kernel has taken all that was sent, or the connection has ended. */
  drained(): Promise<void> {
    if (this.#unsent === 0 || this.#state === "closed") return Promise.resolve();
    return (this.#drained ??= Promise.withResolvers()).promise;
  }

  /**
   * Resolves when the peer has read all that was sent so far, or the connection has ended: a ping follows it, whose pong
   * shows that (RFC 6455 section 5.5.2). One at a time; pending for a peer that sends no pongs.
   */
  delivered(): Promise<void> {
    if (!this.isOpen) return Promise.resolve();
    if (this.#delivery) return this.#delivery.promise;
    this.#delivery = Promise.withResolvers();
    const number = new Uint8Array(4);
    new DataView(number.buffer).setUint32(0, ++this.#pings);
    this.#socket.ping(number);
    return this.#delivery.promise;
  }

  /** Sends at once; false when the connection is no longer open. */
  send(message: string | Uint8Array<ArrayBuffer>): boolean {
    if (!this.isOpen) return false;
    this.#unsent++;
    // ws without compression writes each of its frames whole and at once, so ours is between two of them.
    if (typeof message !== "string" && fitsBinaryFrame(message)) {
      writeBinaryFrame(this.#transport, message, this.#onSent);
    } else this.#socket.send(message, this.#onSent);
    return true;
  }

  /**
   * Sends a close frame and waits CLOSE_TIMEOUT_MS for the peer's. Then everything is closed. The reason has at most 123
   * bytes.
   */
  async close(code: number = CLOSE_NORMAL, reason = ""): Promise<void> {
    if (this.#state === "open") {
      this.#socket.close(code, reason);
      this.#socket.resume(); // for the peer's close frame
      this.#state = "closing";
    }
    await this.#closed.promise;
  }

  /** Ends it without a close frame; unsent bytes are lost. See `closed`. */
  terminate(): void {
    this.#socket.terminate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One for all messages: a closure each would be garbage at the rate of audio. */
  readonly #onSent = (): void => {
    if (--this.#unsent > 0) return;
    this.#drained?.resolve();
    this.#drained = undefined;
  };

  #wasDelivered(): void {
    this.#delivery?.resolve();
    this.#delivery = undefined;
  }

  #received(received: WebSocketMessage): void {
    const message = this.#replacements.get(++this.#messages) ?? received;
    this.#replacements.delete(this.#messages);
    if (this.#state !== "open" || this.#failure !== undefined) return;
    try {
      this.#onMessage?.(message);
    } catch (error) {
      this.#failure ??= error;
      this.terminate();
    }
  }
}

/**
 * Inserts the limit between the socket and the one listener of `ws`, before a byte is read. At the end of the socket it
 * gets the rest.
 */
function limitMessages(transport: Socket, limit: MessageLimit): void {
  const [read, ...others] = transport.listeners("data");
  if (!read || others.length > 0) throw new Error("Cannot limit messages: the socket has another reader");
  const receive = (chunk: Uint8Array<ArrayBuffer>) => {
    for (const bytes of limit.receive(chunk)) Reflect.apply(read, transport, [bytes]);
  };
  transport.removeAllListeners("data");
  // After a lost chunk the rest cannot be decoded.
  transport.on("data", (chunk: Uint8Array<ArrayBuffer>) => {
    try {
      receive(chunk);
    } catch (error) {
      reportInternalError("websocket", error);
      transport.destroy();
    }
  });
  transport.prependListener("close", () => {
    const rest: Uint8Array<ArrayBuffer> | null = transport.read();
    if (rest) receive(rest);
  });
}

/** A socket to speak over; undefined where the connection is direct. */
async function throughProxy(
  url: string,
  { tls }: WebSocketOptions,
  signal: AbortSignal,
): Promise<Socket | undefined> {
  const target = URL.parse(url);
  const proxy = target && proxyFor(target, tls?.proxies);
  const failure = (cause: string) => new WebSocketOpenError(cause);
  return proxy ? await openTunnel(proxy, target, { tls, signal, failure }) : undefined;
}

/** The opening handshake. `opened` gets the socket at once, before an event of it can be missed. */
function shakeHands<T>(
  socket: WebSocket,
  ending: AbortSignal,
  opened: (socket: WebSocket, transport: Socket) => T,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let transport: Socket | undefined;
  let failure: unknown;
  const fail = (reason: unknown) => {
    failure ??= reason;
    socket.terminate();
  };
  const onAbort = () => fail(ending.reason);
  ending.addEventListener("abort", onAbort, { once: true });
  // The error's own message can contain the address.
  let code: string | undefined;
  socket.on("error", (error: Error & { code?: string }) => code ??= error.code);
  socket.once("unexpected-response", (_, { statusCode }) => {
    fail(new WebSocketOpenError(`the server answered ${statusCode}`, statusCode));
  });
  socket.once("upgrade", (response) => transport = response.socket);
  socket.once("open", () => {
    ending.removeEventListener("abort", onAbort);
    resolve(opened(socket, transport!));
  });
  socket.once("close", () => {
    ending.removeEventListener("abort", onAbort);
    const cause = transport ? "the server's handshake is not WebSocket's" : connectFailure(code);
    reject(failure ?? new WebSocketOpenError(cause));
  });
  return promise;
}

function clientSocket(
  url: string,
  { headers, maxMessageSize, onTooLarge, tls }: WebSocketOptions,
  tunnel: Socket | undefined,
): WebSocket {
  const clientOptions: ClientOptions & { closeTimeout: number } = {
    ...(tunnel ? { createConnection: () => tunnel } : tlsRequestOptions(tls)),
    headers,
    perMessageDeflate: false,
    maxPayload: maxMessageSize,
    ...(onTooLarge === undefined && { maxFragments: FRAGMENTS_MAX }),
    // Not known to @types/ws 8.18.2 yet.
    closeTimeout: CLOSE_TIMEOUT_MS,
    // One message a turn of the event loop: one read of TCP can hold more than a handler's queue, whose reader needs
    // turns in between.
    allowSynchronousEvents: false,
  };
  try {
    const socket = new WebSocket(url, clientOptions);
    socket.binaryType = "arraybuffer";
    return socket;
  } catch {
    tunnel?.destroy();
    throw new WebSocketOpenError("the address or a header is not valid");
  }
}

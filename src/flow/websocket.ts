/**
 * A WebSocket client connection: messages in, each to a handler at once, messages out at once, one place that knows how
 * it closed, and an end that is certain. The protocol is `ws`; why not the native WebSocket:
 * docs/decisions/0003-websocket-client.md. Not offered in the handshake: compression and subprotocols. Redirects are not
 * followed. Nothing is queued: what the handler has not come to waits in the kernel, and with the peer.
 *
 *     opening -> open -> closing (our close frame is out, 1 s) -> closed
 *                  \-> the peer's close frame (1 s for it to hang up), an error, the end of TCP -> closed
 */
import type { Socket } from "node:net";
import { type ClientOptions, WebSocket } from "ws";
import { TiroError } from "../domain/mod.ts";
import { fitsBinaryFrame, writeBinaryFrame } from "./binary_frame.ts";
import { connectFailure } from "./connect_failure.ts";
import { guarded, reportInternalError } from "./internal_errors.ts";
import { MessageLimit } from "./message_limit.ts";
import { proxyFor } from "./proxy.ts";
import { type TlsOptions, tlsRequestOptions } from "./tls.ts";
import { openTunnel, ProxyError } from "./tunnel.ts";

export interface WebSocketOptions {
  /** Ends the opening; an open connection is ended by `close`. */
  signal: AbortSignal;
  headers?: Record<string, string>;
  /** From the call to the open socket, ms. */
  openTimeoutMs: number;
  /** A larger message ends the connection, unless `onTooLarge` says otherwise. Bytes. */
  maxMessageSize: number;
  /** What is received in the place of a message larger than that: it alone is lost, and never held in memory. */
  onTooLarge?: (bytes: number) => Uint8Array<ArrayBuffer>;
  tls?: TlsOptions;
}

export type WebSocketMessage = string | Uint8Array<ArrayBuffer>;

export interface CloseInfo {
  /** The peer's close code; 1005 when it gave none, 1006 when it said no goodbye. */
  code: number;
  reason: string;
  /** Whether the peer said goodbye. */
  clean: boolean;
  /** What the handler threw, or MessageTooLargeError, if that ended it. */
  failure?: unknown;
}

/** A message was larger than it may be, or came in too many pieces. */
export class MessageTooLargeError extends TiroError {
  constructor(bytesMax: number) {
    super(
      `Cannot receive a message: it is larger than ${bytesMax} bytes, or in more than ${PIECES_MAX} pieces`,
      {
        code: "message_too_large",
        retryable: true,
      },
    );
  }
}

/** The connection was not opened. Names no URL and no header. */
export class WebSocketOpenError extends Error {
  constructor(
    /** For the end of another message. */ readonly failure: string,
    /** What the server answered instead of 101, if it did. */ readonly status?: number,
  ) {
    super(`Cannot open WebSocket: ${failure}`);
    this.name = "WebSocketOpenError";
  }
}

/** RFC 6455 section 7.4.1. */
const CLOSE_NORMAL = 1000;
/** The connection ended without a close frame. Never sent. */
const CLOSE_ABNORMAL = 1006;
/** The peer's goodbye is awaited this long; a peer that stopped reading never says it. */
const CLOSE_TIMEOUT_MS = 1_000;
/** Pieces of one message. `ws` keeps each with all of the read it came in, 64 KB; MessageLimit copies those it holds. */
const PIECES_MAX = 32;
/** What `ws` calls a message that is too long, or comes in too many pieces. */
const OVER_SIZE: ReadonlySet<unknown> = new Set([
  "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH",
  "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",
  "WS_ERR_TOO_MANY_BUFFERED_PARTS",
]);

export class WebSocketConnection implements AsyncDisposable {
  readonly #socket: WebSocket;
  /** What `#socket` writes to; audio goes there directly. */
  readonly #transport: Socket;
  #onMessage: ((message: WebSocketMessage) => void) | undefined;
  #failure: unknown;
  readonly #closed = Promise.withResolvers<CloseInfo>();
  #state: "open" | "closing" | "closed" = "open";
  /** Messages handed to `send` that the kernel has not taken yet. */
  #unsent = 0;
  #drained?: PromiseWithResolvers<void>;
  /** The ping whose answer is awaited, and its number: an older one's answer says less. */
  #delivery?: PromiseWithResolvers<void>;
  #pings = 0;
  #killTimer?: ReturnType<typeof setTimeout>;
  #messages = 0;
  /** What stands in the place of messages that were too large, by their number. One read of the socket holds few. */
  readonly #standIns = new Map<number, Uint8Array<ArrayBuffer>>();

  private constructor(socket: WebSocket, transport: Socket, options: WebSocketOptions) {
    this.#socket = socket;
    this.#transport = transport;
    socket.pause(); // until there is a handler
    const { maxMessageSize, onTooLarge } = options;
    if (onTooLarge) {
      const onSkipped = (number: number, bytes: number) => this.#standIns.set(number, onTooLarge(bytes));
      limitMessages(transport, new MessageLimit({ maxBytes: maxMessageSize, onSkipped }));
    }
    // For each message: no closure and no list of arguments besides.
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
    // ws would wait for what is unsent to go out to a peer that hung up, however long that takes.
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

  /** Connects. Rejects with WebSocketOpenError, or with the signal's reason; then nothing of the attempt is left. */
  static async open(url: string, options: WebSocketOptions): Promise<WebSocketConnection> {
    return await connect(
      url,
      options,
      (socket, transport) => new WebSocketConnection(socket, transport, options),
    );
  }

  /** From now on each message goes to the handler, in order; none was read before. What it throws ends the connection. */
  receive(onMessage: (message: WebSocketMessage) => void): void {
    this.#onMessage = onMessage;
    this.#socket.resume();
  }

  /** How the connection ended, once nothing of it is left. Pending until then: call `receive`, or close it. */
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

  /** Resolves when the kernel has taken all that was sent, or the connection is over. */
  drained(): Promise<void> {
    if (this.#unsent === 0 || this.#state === "closed") return Promise.resolve();
    return (this.#drained ??= Promise.withResolvers()).promise;
  }

  /**
   * Resolves when the peer has read all that was sent so far, or the connection is over: a ping follows it, and the
   * answer to that comes only from who has read so far (RFC 6455 section 5.5.2). One at a time; a peer that answers no
   * pings leaves it waiting.
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
    // ws without compression writes each of its frames whole and at once, so ours stands between two of them.
    if (typeof message !== "string" && fitsBinaryFrame(message)) {
      writeBinaryFrame(this.#transport, message, this.#onSent);
    } else this.#socket.send(message, this.#onSent);
    return true;
  }

  /**
   * Says goodbye, waits for the peer's, but not for long. When this resolves nothing of the connection is left. The
   * reason is at most 123 bytes.
   */
  async close(code: number = CLOSE_NORMAL, reason = ""): Promise<void> {
    this.#goodbye(code, reason);
    await this.#closed.promise;
  }

  /** Ends it now, without a goodbye; what is unsent is lost. See `closed`. */
  terminate(): void {
    this.#socket.terminate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One for all messages: a closure for each would be garbage at the rate of audio. */
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
    const message = this.#standIns.get(++this.#messages) ?? received;
    this.#standIns.delete(this.#messages);
    if (this.#state !== "open" || this.#failure !== undefined) return;
    try {
      this.#onMessage?.(message);
    } catch (error) {
      this.#failure ??= error;
      this.terminate();
    }
  }

  /** Our close frame goes out once; after it ws gives the peer CLOSE_TIMEOUT_MS. */
  #goodbye(code: number, reason: string): void {
    if (this.#state !== "open") return;
    this.#socket.close(code, reason);
    this.#socket.resume(); // for the peer's answer
    this.#state = "closing";
  }
}

/**
 * Puts the limit between the socket and `ws`, which reads by one listener, and at the socket's end what is left in it.
 * Called before a byte was read.
 */
function limitMessages(transport: Socket, limit: MessageLimit): void {
  const [read, ...others] = transport.listeners("data");
  if (!read || others.length > 0) throw new Error("Cannot limit messages: the socket has another reader");
  const receive = (chunk: Uint8Array<ArrayBuffer>) => {
    for (const bytes of limit.receive(chunk)) Reflect.apply(read, transport, [bytes]);
  };
  transport.removeAllListeners("data");
  // Once a chunk is lost the rest cannot be read.
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

/** The opening handshake. `opened` gets the socket at once, before an event of it can be missed. */
async function connect<T>(
  url: string,
  options: WebSocketOptions,
  opened: (socket: WebSocket, transport: Socket) => T,
): Promise<T> {
  const { signal, openTimeoutMs } = options;
  signal.throwIfAborted();
  // Our own clock: ws' handshakeTimeout starts anew with every byte the server says.
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new WebSocketOpenError(`no answer within ${openTimeoutMs} ms`)),
    openTimeoutMs,
  );
  const ending = AbortSignal.any([signal, late.signal]);
  try {
    const tunnel = await throughProxy(url, options, ending);
    return await shakeHands(clientSocket(url, options, tunnel), ending, opened);
  } finally {
    clearTimeout(timer);
  }
}

/** The connection to speak over; undefined where it is to be made directly. */
async function throughProxy(
  url: string,
  { tls }: WebSocketOptions,
  signal: AbortSignal,
): Promise<Socket | undefined> {
  if (!tls?.proxies || !URL.canParse(url)) return undefined;
  const target = new URL(url);
  const proxy = proxyFor(target, tls.proxies);
  try {
    return proxy && await openTunnel(proxy, target, { tls, signal });
  } catch (error) {
    throw error instanceof ProxyError ? new WebSocketOpenError(error.message) : error;
  }
}

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
  // The error's own message can carry the address; its code says enough.
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
    ...(onTooLarge === undefined && { maxFragments: PIECES_MAX }),
    // Not known to @types/ws 8.18.2 yet.
    closeTimeout: CLOSE_TIMEOUT_MS,
    // One message a turn of the event loop: a single read of TCP can hold more of them than a handler's own queue, and
    // who reads that promptly shall have a turn in between.
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

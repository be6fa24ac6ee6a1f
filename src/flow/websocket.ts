/**
 * A WebSocket client connection as a bounded duplex: messages in through a queue that may not drop, messages out at
 * once, one place that knows how it closed, and an end that is certain. A reader that falls behind ends the connection
 * with OverflowError instead of growing.
 *
 * The handshake is the platform's HTTP client, the framing is `websocket_frames.ts`. The native WebSocket is not used
 * because it cannot be ended: against a peer that does not answer the close frame, or has stopped reading, `close()`
 * never finishes, and neither closing its HttpClient nor anything else frees the socket and the megabytes queued for it.
 *
 *     opening -> open -> closing (our close frame is out, 1 s) -> closed
 *                  \-> the peer's close frame, an error, the end of TCP -> closed
 */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { OverflowError } from "../domain/mod.ts";
import { BoundedQueue } from "./bounded_queue.ts";
import { type TlsOptions, tlsRequestOptions } from "./tls.ts";
import { CLOSE, closePayload, encodeFrame, FrameDecoder, FrameError, OPCODE } from "./websocket_frames.ts";

export interface WebSocketOptions {
  /** Ends the opening; an open connection is ended by `close`. */
  signal: AbortSignal;
  headers?: Record<string, string>;
  /** From the call to the open socket, ms. */
  openTimeoutMs: number;
  /** Name of the receive queue in errors and metrics, and how many messages it holds. */
  inbox: { name: string; capacity: number };
  /** A larger message ends the connection with OverflowError. Bytes. */
  maxMessageSize: number;
  tls?: TlsOptions;
}

export interface CloseInfo {
  /** The peer's close code; 1005 when it gave none, 1006 when it said no goodbye. */
  code: number;
  reason: string;
  /** Whether the peer said goodbye. */
  clean: boolean;
}

/** The connection was not opened. Names no URL and no header. */
export class WebSocketOpenError extends Error {
  constructor(
    cause: string,
    /** What the server answered instead of 101, if it did. */ readonly status?: number,
  ) {
    super(`Cannot open WebSocket: ${cause}`);
    this.name = "WebSocketOpenError";
  }
}

/** The peer's goodbye is awaited this long; a peer that stopped reading never says it. */
const CLOSE_TIMEOUT_MS = 1_000;
/** Our own code for a reader that fell behind (4000-4999 are for private use). */
const CLOSE_OVERFLOW = 4008;
/** A pong is not queued behind more than this: whoever pings without reading gets none, and costs nothing. */
const PONG_BUFFERED_BYTES_MAX = 64 * 1024;
/** Appended to the handshake's key, RFC 6455 section 1.3. */
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const encoder = new TextEncoder();

export class WebSocketDuplex implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #inbox: BoundedQueue<string | Uint8Array<ArrayBuffer>>;
  readonly #inboxName: string;
  readonly #decoder: FrameDecoder;
  readonly #closed = Promise.withResolvers<CloseInfo>();
  #state: "open" | "closing" | "closed" = "open";
  #peerClose?: { code: number; reason: string };
  #drained?: Promise<void>;
  #killTimer?: ReturnType<typeof setTimeout>;

  private constructor(socket: Socket, head: Uint8Array, options: WebSocketOptions) {
    this.#socket = socket;
    this.#inboxName = options.inbox.name;
    this.#inbox = new BoundedQueue({ capacity: options.inbox.capacity, whenFull: "refuse" });
    this.#decoder = new FrameDecoder({ masked: false, maxMessageBytes: options.maxMessageSize });
    socket.setNoDelay(true);
    // What went wrong shows in how it closed; without a listener it would be thrown at the process.
    socket.on("error", () => {});
    void this.#run(head, new Promise((resolve) => socket.once("close", resolve))); // never rejects
  }

  /** Connects. Rejects with WebSocketOpenError, or with the signal's reason. */
  static async open(url: string, options: WebSocketOptions): Promise<WebSocketDuplex> {
    options.signal.throwIfAborted();
    return await upgrade(new URL(url), options, (socket, head) => new WebSocketDuplex(socket, head, options));
  }

  /** Messages in order; ends when the connection does (see `closed`), errors with OverflowError. One reader. */
  readonly messages: ReadableStream<string | Uint8Array<ArrayBuffer>> = new ReadableStream({
    pull: async (controller) => {
      const message = await this.#inbox.next();
      if (message === undefined) controller.close();
      else controller.enqueue(message);
    },
  }, { highWaterMark: 0 });

  /** How the connection ended, once nothing of it is left. */
  get closed(): Promise<CloseInfo> {
    return this.#closed.promise;
  }

  get isOpen(): boolean {
    return this.#state === "open" && !this.#socket.destroyed;
  }

  /** Bytes handed to `send` and not yet to the kernel, which takes some megabytes itself. */
  get bufferedAmount(): number {
    return this.#socket.writableLength;
  }

  /** Resolves when the kernel has taken what `send` queued past the stream's own mark, or the connection is over. */
  drained(): Promise<void> {
    if (!this.#socket.writableNeedDrain || this.#socket.destroyed) return Promise.resolve();
    return this.#drained ??= new Promise((resolve) => {
      const settle = () => {
        this.#socket.off("drain", settle).off("close", settle);
        this.#drained = undefined;
        resolve();
      };
      this.#socket.once("drain", settle).once("close", settle);
    });
  }

  /** Sends at once; false when the connection is no longer open. */
  send(message: string | Uint8Array<ArrayBuffer>): boolean {
    if (!this.isOpen) return false;
    if (typeof message === "string") this.#write(OPCODE.text, encoder.encode(message));
    else this.#write(OPCODE.binary, message);
    return true;
  }

  /** Says goodbye, waits for the peer's, but not for long. When this resolves nothing of the connection is left. */
  async close(code: number = CLOSE.normal, reason = ""): Promise<void> {
    this.#goodbye(code, reason);
    await this.#closed.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #write(opcode: number, payload: Uint8Array): void {
    this.#socket.write(encodeFrame(opcode, payload, true));
  }

  /** Our close frame goes out once; after it the peer has a second before the connection is cut. */
  #goodbye(code: number, reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#write(OPCODE.close, code === CLOSE.noStatus ? new Uint8Array() : closePayload(code, reason));
    this.#killTimer = setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT_MS);
  }

  /** From the open socket to `closed`. What was received before the socket went is still delivered after it went. */
  async #run(head: Uint8Array, socketClosed: Promise<void>): Promise<void> {
    try {
      await this.#read(head);
    } catch (error) {
      // Anything else is the socket's own error: `closed` tells.
      if (error instanceof OverflowError) this.#inbox.close({ error });
      if (error instanceof FrameError) this.#goodbye(error.closeCode, "");
      else if (error instanceof OverflowError) this.#goodbye(CLOSE_OVERFLOW, "overflow");
    }
    // Reading is over: what is written still goes out, for as long as the kill timer lets it.
    if (this.#socket.writableLength === 0) this.#socket.destroy();
    this.#killTimer ??= setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT_MS);
    this.#socket.end(() => this.#socket.destroy());
    await socketClosed;
    clearTimeout(this.#killTimer);
    this.#state = "closed";
    this.#inbox.close();
    const { code, reason } = this.#peerClose ?? { code: CLOSE.abnormal, reason: "" };
    this.#closed.resolve({ code, reason, clean: this.#peerClose !== undefined });
  }

  async #read(head: Uint8Array): Promise<void> {
    await this.#receive(head);
    if (this.#peerClose) return;
    for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
      await this.#receive(chunk);
      if (this.#peerClose) return;
    }
  }

  async #receive(chunk: Uint8Array): Promise<void> {
    for (const frame of this.#frames(chunk)) {
      if (frame.type === "message") {
        if (this.#state !== "open" || this.#inbox.push(frame.data)) continue;
        // One read of the socket can hold more messages than the queue: give a prompt reader its turn before judging.
        await new Promise<void>((resolve) => setTimeout(resolve, 0));
        if (this.#state !== "open" || this.#inbox.push(frame.data)) continue;
        throw new OverflowError(this.#inboxName, this.#inbox.capacity);
      } else if (frame.type === "ping") {
        const answer = this.#state === "open" && this.bufferedAmount <= PONG_BUFFERED_BYTES_MAX;
        if (answer) this.#write(OPCODE.pong, frame.payload);
      } else if (frame.type === "close") {
        this.#peerClose = { code: frame.code, reason: frame.reason };
        this.#goodbye(frame.code, "");
        return;
      }
    }
  }

  /** A message over size is an overflow to the reader, like one too many. */
  *#frames(chunk: Uint8Array): ReturnType<FrameDecoder["receive"]> {
    try {
      yield* this.#decoder.receive(chunk);
    } catch (error) {
      if (!(error instanceof FrameError) || error.closeCode !== CLOSE.tooBig) throw error;
      throw new OverflowError(this.#inboxName, this.#inbox.capacity);
    }
  }
}

/**
 * The opening handshake, RFC 6455 section 4.1. `opened` gets the socket at once, before an event of it can be missed.
 * What did not become a connection is gone when this rejects.
 */
async function upgrade<T>(
  url: URL,
  options: WebSocketOptions,
  opened: (socket: Socket, head: Uint8Array) => T,
): Promise<T> {
  const secure = url.protocol === "wss:" || url.protocol === "https:";
  const key = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
  const accept = await acceptOf(key);
  const outcome = Promise.withResolvers<T>();
  const request = (secure ? httpsRequest : httpRequest)({
    hostname: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port || (secure ? 443 : 80),
    path: url.pathname + url.search,
    agent: false,
    headers: {
      ...options.headers,
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": key,
    },
    ...(secure ? tlsRequestOptions(options.tls) : {}),
  });
  let failure: unknown;
  const fail = (error: unknown) => {
    failure ??= error;
    request.destroy();
  };
  request.on("upgrade", (response, socket, head) => {
    if (failure === undefined && response.headers["sec-websocket-accept"] === accept) {
      return outcome.resolve(opened(socket as Socket, head));
    }
    failure ??= new WebSocketOpenError("the server's handshake is not WebSocket's");
    socket.on("error", () => {}); // it is being thrown away
    socket.once("close", () => outcome.reject(failure));
    socket.destroy();
  });
  request.on("response", ({ statusCode }) => {
    fail(new WebSocketOpenError(`the server answered ${statusCode}`, statusCode));
  });
  // The error's own message can carry the address; that it could not connect is enough.
  request.on("error", () => failure ??= new WebSocketOpenError("connection refused or lost"));
  request.on("close", () => {
    if (failure !== undefined) outcome.reject(failure);
  });
  const onAbort = () => fail(options.signal.reason);
  const timer = setTimeout(
    () => fail(new WebSocketOpenError(`no answer within ${options.openTimeoutMs} ms`)),
    options.openTimeoutMs,
  );
  options.signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (options.signal.aborted) onAbort();
    request.end();
    return await outcome.promise;
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener("abort", onAbort);
  }
}

async function acceptOf(key: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-1", encoder.encode(key + ACCEPT_GUID));
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}

/**
 * A WebSocket client connection as a bounded duplex over the native WebSocket: messages in through a queue that may
 * not drop, messages out at once, one place that knows how it closed. Native WebSocket has no receive backpressure,
 * so a reader that falls behind ends the connection with OverflowError instead of growing.
 */
import { OverflowError } from "../domain/mod.ts";
import { BoundedQueue } from "./bounded_queue.ts";

export interface TlsOptions {
  /** PEM certificates trusted besides the built-in ones. */
  caCerts?: readonly string[];
}

export interface WebSocketOptions {
  signal: AbortSignal;
  headers?: Record<string, string>;
  /** From the call to the open socket, ms. */
  openTimeoutMs: number;
  /** Name of the receive queue in errors and metrics, and how many messages it holds. */
  inbox: { name: string; capacity: number };
  /** A larger message ends the connection. Characters for text, bytes for binary. */
  maxMessageSize: number;
  tls?: TlsOptions;
}

export interface CloseInfo {
  code: number;
  reason: string;
  clean: boolean;
}

/** The peer's goodbye is awaited this long; a peer that stopped reading never says it. */
const CLOSE_TIMEOUT_MS = 1_000;

export class WebSocketDuplex implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #client: Deno.HttpClient | undefined;
  readonly #inbox: BoundedQueue<string | Uint8Array<ArrayBuffer>>;
  readonly #closed = Promise.withResolvers<CloseInfo>();

  private constructor(url: string, options: WebSocketOptions) {
    this.#inbox = new BoundedQueue({ capacity: options.inbox.capacity, whenFull: "refuse" });
    this.#client = options.tls?.caCerts?.length
      ? Deno.createHttpClient({ caCerts: [...options.tls.caCerts] })
      : undefined;
    this.#socket = new WebSocket(url, { headers: options.headers ?? {}, client: this.#client });
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      const size = typeof data === "string" ? data.length : data.byteLength;
      const fits = size <= options.maxMessageSize &&
        this.#inbox.push(typeof data === "string" ? data : new Uint8Array(data));
      if (fits || this.#socket.readyState !== WebSocket.OPEN) return;
      this.#inbox.close({ error: new OverflowError(options.inbox.name, options.inbox.capacity) });
      this.#socket.close(4008, "overflow");
    };
    this.#socket.onclose = ({ code, reason, wasClean }) => {
      this.#inbox.close();
      this.#client?.close();
      this.#closed.resolve({ code, reason, clean: wasClean });
    };
  }

  /** Connects. Rejects with an Error whose message names no URL, or with the signal's reason. */
  static async open(url: string, options: WebSocketOptions): Promise<WebSocketDuplex> {
    options.signal.throwIfAborted();
    const duplex = new WebSocketDuplex(url, options);
    const socket = duplex.#socket;
    const opened = Promise.withResolvers<void>();
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.openTimeoutMs)]);
    const onAbort = () => opened.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.onopen = () => opened.resolve();
    // The event's message can carry the URL and its secrets; its kind is enough.
    socket.onerror = () =>
      opened.reject(new Error("Cannot open WebSocket: connection refused or not upgraded"));
    try {
      await opened.promise;
      return duplex;
    } catch (error) {
      await duplex.close();
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Messages in order; ends when the connection does (see `closed`), errors with OverflowError. One reader. */
  readonly messages: ReadableStream<string | Uint8Array<ArrayBuffer>> = new ReadableStream({
    pull: async (controller) => {
      const message = await this.#inbox.next();
      if (message === undefined) controller.close();
      else controller.enqueue(message);
    },
  }, { highWaterMark: 0 });

  /** How the connection ended, once it has. */
  get closed(): Promise<CloseInfo> {
    return this.#closed.promise;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Bytes handed to `send` and not yet to the kernel. Reacts late: the kernel takes megabytes first. */
  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  /** Sends at once; false when the connection is no longer open. */
  send(message: string | Uint8Array<ArrayBuffer>): boolean {
    if (!this.isOpen) return false;
    this.#socket.send(message);
    return true;
  }

  /** Says goodbye and waits for the peer's, but not for long. */
  async close(code = 1000, reason = ""): Promise<void> {
    if (this.#socket.readyState < WebSocket.CLOSING) this.#socket.close(code, reason);
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, CLOSE_TIMEOUT_MS);
    await Promise.race([this.#closed.promise, timeout.promise]);
    clearTimeout(timer);
    this.#inbox.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

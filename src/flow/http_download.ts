/**
 * A GET whose body is read as it comes, for files too large for memory. Follows redirects, as download hosts answer with
 * them; never from https: to http:. Bounded by silence, not by time. Retries nothing.
 */
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Clock } from "../domain/mod.ts";
import { systemClock, untilAborted } from "./clock.ts";
import { type HttpRoute, startRequest, withRoute } from "./http_route.ts";
import type { TlsOptions } from "./tls.ts";

export interface HttpDownloadOptions {
  signal: AbortSignal;
  headers?: Record<string, string>;
  tls?: TlsOptions;
  /** The server is lost when it sends nothing for so long, ms. The time `receive` takes for a piece does not count. */
  silentMs: number;
  clock?: Clock;
}

export interface HttpBody {
  /** Any but a redirect. */
  status: number;
  /** By lower-case name. */
  headers: IncomingHttpHeaders;
  /** To be read once. Throws an Error where the connection is lost before the end. */
  pieces: AsyncIterable<Uint8Array>;
}

/** More are a loop. */
const REDIRECTS_MAX = 5;
const REDIRECTS = [301, 302, 303, 307, 308];

/** Settles like `receive`; rejects with an Error that contains no address, or with the signal's reason. */
export async function httpDownload<T>(
  address: string,
  options: HttpDownloadOptions,
  receive: (body: HttpBody) => Promise<T>,
): Promise<T> {
  options.signal.throwIfAborted();
  let url = new URL(address);
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    const { location, result } = await once(url, options, receive);
    if (location === undefined) return result;
    const next = URL.parse(location, url);
    if (
      !next || !/^https?:$/.test(next.protocol) || (url.protocol === "https:" && next.protocol === "http:")
    ) {
      throw new Error("Cannot read the response: it redirects to no secure address");
    }
    url = next;
  }
  throw new Error(`Cannot read the response: more than ${REDIRECTS_MAX} redirects`);
}

type Outcome<T> = { location: string; result?: undefined } | { location?: undefined; result: T };

async function once<T>(
  url: URL,
  options: HttpDownloadOptions,
  receive: (body: HttpBody) => Promise<T>,
): Promise<Outcome<T>> {
  using silence = new Silence(options);
  const signal = AbortSignal.any([options.signal, silence.signal]);
  return await withRoute(url, { tls: options.tls, signal }, async (route) => {
    const sent = startRequest({
      ...route.target,
      method: "GET",
      headers: { ...route.target.headers, ...options.headers },
    });
    const closed = new Promise<void>((resolve) => sent.once("close", () => resolve()));
    try {
      const response = await untilAborted(responseOf(sent, route), signal);
      const { statusCode: status = 0, headers } = response;
      if (route.isWholeToProxy && status === 407) throw new Error("Cannot connect: the proxy answered 407");
      if (REDIRECTS.includes(status) && headers.location !== undefined) return { location: headers.location };
      const result = await receive({ status, headers, pieces: pieces(response, silence, signal) });
      return { result };
    } finally {
      sent.destroy();
      await closed;
    }
  });
}

function responseOf(sent: ClientRequest, { unreachable }: HttpRoute): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  sent.on("response", resolve);
  // The error's own message can contain the address.
  sent.on("error", () => reject(new Error(`Cannot connect: ${unreachable}`)));
  sent.end();
  return promise;
}

async function* pieces(
  response: IncomingMessage,
  silence: Silence,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const iterator: AsyncIterator<Uint8Array> = response[Symbol.asyncIterator]();
  for (;;) {
    silence.restart();
    const next = await untilAborted(iterator.next(), signal).catch((error) => {
      signal.throwIfAborted();
      throw new Error("Cannot read the response: connection lost", { cause: error });
    });
    silence.stop();
    if (next.done) return;
    yield next.value;
  }
}

/** Aborts its signal after `silentMs`, unless it is restarted or stopped before. */
class Silence {
  readonly #over = new AbortController();
  readonly signal = this.#over.signal;
  #timer: Disposable | undefined;

  constructor(private readonly options: Pick<HttpDownloadOptions, "silentMs" | "clock">) {
    this.restart();
  }

  restart(): void {
    this.stop();
    const { silentMs, clock = systemClock } = this.options;
    this.#timer = clock.timer(
      silentMs,
      () => this.#over.abort(new Error(`Cannot read the response: nothing for ${silentMs} ms`)),
    );
  }

  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}

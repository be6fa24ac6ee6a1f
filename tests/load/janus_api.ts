/**
 * One session of Janus' WebSocket API, with the videoroom plugin
 * (https://janus.conf.meetecho.com/docs/rest.html). Knows nothing of media.
 */

export type Json = Record<string, unknown>;

const REQUEST_TIMEOUT_MS = 30_000;
/** Janus forgets a session after 60 s. */
const KEEP_ALIVE_MS = 20_000;

export class JanusApi {
  readonly #handles = new Map<number, (event: Json) => void>();
  /** Events of a handle that is only just being made. */
  readonly #pending = new Map<string, PromiseWithResolvers<Json>>();
  readonly #closed = Promise.withResolvers<void>();
  #session = 0;
  #transactions = 0;
  #keepAlive?: ReturnType<typeof setInterval>;

  private constructor(private readonly socket: WebSocket) {
    socket.onmessage = ({ data }: MessageEvent<string>) => this.#receive(JSON.parse(data));
    socket.onclose = () => this.#closed.resolve();
  }

  static async connect(url: string): Promise<JanusApi> {
    const socket = new WebSocket(url, "janus-protocol");
    const api = new JanusApi(socket);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error("Cannot connect to Janus"));
    });
    api.#session = idOf(await api.#request({ janus: "create" }));
    api.#keepAlive = setInterval(() => api.#send({ janus: "keepalive", transaction: "k" }), KEEP_ALIVE_MS);
    return api;
  }

  async attach(onEvent: (event: Json) => void): Promise<number> {
    const handle = idOf(await this.#request({ janus: "attach", plugin: "janus.plugin.videoroom" }));
    this.#handles.set(handle, onEvent);
    return handle;
  }

  /** Resolves with the plugin's answer; rejects when it is an error. */
  async message(handle: number, body: Json, jsep?: Json): Promise<Json> {
    const reply = await this.#request({
      janus: "message",
      handle_id: handle,
      body,
      ...(jsep ? { jsep } : {}),
    });
    const { data } = (reply.plugindata ?? {}) as { data?: Json };
    if (data?.error !== undefined) throw new Error(`Cannot ${body.request}: Janus says ${data.error_code}`);
    return reply;
  }

  async detach(handle: number): Promise<void> {
    this.#handles.delete(handle);
    await this.#request({ janus: "detach", handle_id: handle });
  }

  async close(): Promise<void> {
    clearInterval(this.#keepAlive);
    for (const { reject } of this.#pending.values()) reject(new Error("Cannot ask Janus: closed"));
    this.#pending.clear();
    if (this.socket.readyState < WebSocket.CLOSING) this.socket.close();
    await this.#closed.promise;
  }

  #send(message: Json): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(JSON.stringify({ ...(this.#session ? { session_id: this.#session } : {}), ...message }));
  }

  async #request(message: Json): Promise<Json> {
    const transaction = `t${++this.#transactions}`;
    const reply = Promise.withResolvers<Json>();
    const timer = setTimeout(
      () => reply.reject(new Error(`Cannot ${message.janus}: Janus does not answer`)),
      REQUEST_TIMEOUT_MS,
    );
    this.#pending.set(transaction, reply);
    this.#send({ ...message, transaction });
    try {
      return await reply.promise;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(transaction);
    }
  }

  #receive(event: Json): void {
    if (event.janus === "ack") return; // the answer follows as an event
    const pending = this.#pending.get(String(event.transaction));
    if (pending && event.janus === "error") {
      return pending.reject(new Error(`Janus says ${(event.error as { code: number }).code}`));
    }
    if (pending && event.janus !== "trickle") pending.resolve(event);
    else if (typeof event.sender === "number") this.#handles.get(event.sender)?.(event);
  }
}

function idOf(reply: Json): number {
  return (reply.data as { id: number }).id;
}

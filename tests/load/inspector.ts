/**
 * A look into a Deno process that runs with `--inspect`: its main thread and its workers, by the Chrome DevTools
 * protocol (domains Target, Runtime and HeapProfiler). Disposing closes the connection.
 */

/** A snapshot of some tens of MB takes some seconds, and the machine may have other work. */
const ANSWER_TIMEOUT_MS = 60_000;

/** Undefined is the main thread. */
type Session = string | undefined;
type Result = Record<string, unknown>;

interface Message {
  id?: number;
  method?: string;
  params?: Result;
  result?: Result;
  error?: { message: string };
  sessionId?: string;
}

export class Inspector implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #closed = Promise.withResolvers<void>();
  readonly #pending = new Map<number, PromiseWithResolvers<Result>>();
  readonly #workers = new Set<string>();
  /** Of a snapshot under way, by thread. */
  readonly #chunks = new Map<Session, string[]>();
  #lastId = 0;

  private constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.#socket.onmessage = ({ data }: MessageEvent<string>) => this.#receive(JSON.parse(data));
    this.#socket.onclose = () => {
      for (const { reject } of this.#pending.values()) reject(new Error("the inspector went away"));
      this.#closed.resolve();
    };
  }

  static async open(url: string): Promise<Inspector> {
    const inspector = new Inspector(url);
    const opened = Promise.withResolvers<void>();
    inspector.#socket.onopen = () => opened.resolve();
    inspector.#socket.onerror = () => opened.reject(new Error("Cannot reach the inspector"));
    await opened.promise;
    await inspector.#call("Target.setAutoAttach", {
      autoAttach: true,
      waitForDebuggerOnStart: false,
      flatten: true,
    });
    // The workers are reported after that answer, and before this one.
    const { targetInfos } = await inspector.#call("Target.getTargets");
    const workers = (targetInfos as unknown[]).length;
    if (inspector.#workers.size !== workers) {
      await inspector[Symbol.asyncDispose]();
      throw new Error(`Cannot look into all threads: ${inspector.#workers.size} of ${workers} workers`);
    }
    return inspector;
  }

  /** In all threads; what is left is what is held. */
  async collectGarbage(): Promise<void> {
    for (const session of this.#threads) await this.#call("HeapProfiler.collectGarbage", {}, session);
  }

  /** The value of a JavaScript expression in the main thread. */
  evaluate(expression: string): Promise<unknown> {
    return this.#evaluate(expression, undefined);
  }

  /** The same in each thread, the main one first. */
  async evaluateInAll(expression: string): Promise<unknown[]> {
    const values: unknown[] = [];
    for (const session of this.#threads) values.push(await this.#evaluate(expression, session));
    return values;
  }

  /** After a collection: how many objects there are in all threads, by the name of what constructed them. */
  async countObjects(): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (const session of this.#threads) {
      const chunks: string[] = [];
      this.#chunks.set(session, chunks);
      await this.#call("HeapProfiler.takeHeapSnapshot", { reportProgress: false }, session);
      this.#chunks.delete(session);
      for (const [name, count] of objectsIn(JSON.parse(chunks.join("")))) {
        counts.set(name, (counts.get(name) ?? 0) + count);
      }
    }
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.#closed.promise;
  }

  get #threads(): readonly Session[] {
    return [undefined, ...this.#workers];
  }

  async #evaluate(expression: string, session: Session): Promise<unknown> {
    const { result } = await this.#call("Runtime.evaluate", { expression, returnByValue: true }, session);
    return (result as { value?: unknown }).value;
  }

  async #call(method: string, params: Result = {}, session?: Session): Promise<Result> {
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<Result>();
    this.#pending.set(id, answer);
    const timer = setTimeout(() => answer.reject(new Error("no answer")), ANSWER_TIMEOUT_MS);
    try {
      this.#socket.send(JSON.stringify({ id, method, params, sessionId: session }));
      return await answer.promise;
    } catch (cause) {
      throw new Error(`Cannot ${method}`, { cause });
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
  }

  #receive({ id, method, params = {}, result = {}, error, sessionId }: Message): void {
    if (id !== undefined) {
      const answer = this.#pending.get(id);
      return error ? answer?.reject(new Error(error.message)) : answer?.resolve(result);
    }
    switch (method) {
      case "Target.attachedToTarget":
        return void this.#workers.add(String(params.sessionId));
      case "Target.detachedFromTarget":
        return void this.#workers.delete(String(params.sessionId));
      case "HeapProfiler.addHeapSnapshotChunk":
        return void this.#chunks.get(sessionId)?.push(String(params.chunk));
    }
  }
}

/** What of a snapshot is read: V8's heap snapshot format, nodes as runs of numbers, strings once in a table. */
interface HeapSnapshot {
  snapshot: { meta: { node_fields: string[]; node_types: [string[], ...unknown[]] } };
  nodes: number[];
  strings: string[];
}

function objectsIn({ snapshot: { meta }, nodes, strings }: HeapSnapshot): Map<string, number> {
  const [type, name] = ["type", "name"].map((field) => meta.node_fields.indexOf(field));
  const object = meta.node_types[type as 0].indexOf("object");
  const counts = new Map<string, number>();
  for (let at = 0; at < nodes.length; at += meta.node_fields.length) {
    if (nodes[at + type] !== object) continue;
    const constructed = strings[nodes[at + name]];
    counts.set(constructed, (counts.get(constructed) ?? 0) + 1);
  }
  return counts;
}

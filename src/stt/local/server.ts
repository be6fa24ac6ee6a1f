/**
 * The recogniser's sessions over WebSockets on 127.0.0.1. Only who has the token gets one. A session that takes no more
 * audio is not read from: the kernel's buffers fill, and its peer waits.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { Clock } from "../../domain/mod.ts";
import { guarded } from "../../flow/mod.ts";
import type { Decodes } from "./decodes.ts";
import type { Decode } from "./native.ts";
import type { Detectors } from "./detectors.ts";
import {
  AUDIO_BYTES_MAX,
  type FromRecogniser,
  parseToRecogniser,
  type RecogniserErrorCode,
  TEXT_BYTES_MAX,
} from "./protocol.ts";
import { RecogniserSession } from "./recogniser_session.ts";
import { corrector } from "./words.ts";

export interface RecogniserParts {
  decodes: Decodes;
  /** Loads the language's model, once. */
  decodeOf(languageId: string): Promise<Decode>;
  /** Which words its model knows. */
  ordinaryWordsOf(languageId: string): Promise<(word: string) => boolean>;
  detectors: Detectors;
  /** How many may talk at once. */
  talkersMax: number;
}

export interface RecogniserServerOptions {
  token: string;
  languages: readonly string[];
  clock: Clock;
}

/** Sessions at once, most of them of people who do not talk now: some KB each. */
export const SESSIONS_MAX = 1_000;
/** Sessions send theirs at once; other users of the machine get no connection for longer. */
const HEAD_MS = 2_000;
/** Bytes that a session's peer has not read. It is of this service, and reads at once. */
const UNREAD_BYTES_MAX = 1024 * 1024;
const CLOSE = { normal: 1000, policy: 1008 };

export class RecogniserServer {
  readonly #options: RecogniserServerOptions;
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: Math.max(TEXT_BYTES_MAX, AUDIO_BYTES_MAX),
  });
  readonly #sessions = new Map<WebSocket, RecogniserSession>();
  /** Connections whose session starts once the model is loaded. */
  readonly #waiting = new Map<WebSocket, () => void>();
  #parts: RecogniserParts | undefined;
  #isMissing = false;
  #refused = 0;

  constructor(options: RecogniserServerOptions) {
    this.#options = options;
    this.#http = createServer(
      { headersTimeout: HEAD_MS, connectionsCheckingInterval: HEAD_MS },
      (_request, response) => response.writeHead(404, { connection: "close" }).end(),
    );
    this.#http.maxConnections = SESSIONS_MAX + 32;
    this.#http.on(
      "upgrade",
      guarded("websocket", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        socket.on("error", () => {}); // it ends, which is enough
        if (!hasToken(request, options.token)) {
          return socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n");
        }
        if (this.#sockets.clients.size >= SESSIONS_MAX) {
          return socket.end("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n");
        }
        this.#sockets.handleUpgrade(request, socket, head, (opened) => this.#opened(opened));
      }),
    );
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  get talking(): number {
    const nowMs = this.#options.clock.now();
    let talking = 0;
    for (const session of this.#sessions.values()) if (session.isTalking(nowMs)) talking++;
    return talking;
  }

  /** Sessions refused since the last call. */
  takeRefused(): number {
    const refused = this.#refused;
    this.#refused = 0;
    return refused;
  }

  /** Resolves with the port. Rejects where it is taken. */
  listen(port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#http.once("error", reject);
    this.#http.listen(port, "127.0.0.1", () => {
      this.#http.removeListener("error", reject);
      const address = this.#http.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
    return promise;
  }

  /** What it needs is not installed: sessions are refused until `admit`. */
  refuseAll(): void {
    this.#isMissing = true;
    for (const socket of this.#waiting.keys()) this.#refuse(socket, "missing");
    this.#waiting.clear();
  }

  /** The model is loaded: sessions that wait are admitted. */
  admit(parts: RecogniserParts): void {
    this.#parts = parts;
    this.#isMissing = false;
    parts.decodes.onDecoded = (session) => this.#resume(session);
    for (const start of this.#waiting.values()) start();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#http.close(() => resolve());
    await promise;
  }

  #opened(socket: WebSocket): void {
    socket.binaryType = "arraybuffer";
    socket.on("error", () => {}); // it closes
    socket.on("close", guarded("websocket", () => this.#closed(socket)));
    socket.on(
      "message",
      guarded("websocket", (data: ArrayBuffer | Buffer | Buffer[], isBinary: boolean) => {
        if (isBinary) this.#audio(socket, data);
        else this.#text(socket, `${data}`);
      }),
    );
  }

  #text(socket: WebSocket, text: string): void {
    const message = parseToRecogniser(text);
    const session = this.#sessions.get(socket);
    if (message?.type === "finish" && session) return session.finish();
    if (message?.type !== "start" || session || this.#waiting.has(socket)) {
      return this.#refuse(socket, "protocol");
    }
    const { language, words } = message;
    if (!this.#options.languages.includes(language)) return this.#refuse(socket, "language");
    if (this.#isMissing) return this.#refuse(socket, "missing");
    const start = () => void this.#start(socket, language, words);
    this.#waiting.set(socket, start);
    if (this.#parts) start();
  }

  async #start(socket: WebSocket, language: string, words: readonly string[]): Promise<void> {
    const parts = this.#parts;
    if (!parts) return;
    const decode = await parts.decodeOf(language).catch(() => undefined);
    const isOrdinary = words.length === 0
      ? () => true
      : await parts.ordinaryWordsOf(language).catch(() => () => true);
    // A client that left is not waiting any more.
    if (!this.#waiting.delete(socket)) return;
    if (!decode) return this.#refuse(socket, "missing");
    if (this.talking >= parts.talkersMax) {
      this.#refused++;
      return this.#refuse(socket, "full");
    }
    const { decodes, detectors } = parts;
    const session: RecogniserSession = new RecogniserSession({
      detectors,
      ask: (kind) => decodes.ask(session, kind),
      send: (message) => this.#send(socket, message),
      partialEveryMs: (segmentMs) => decodes.partialEveryMs(segmentMs),
      correct: words.length > 0 ? corrector(words, { languageId: language, isOrdinary }) : undefined,
    }, this.#options.clock.now());
    decodes.open(session, decode);
    this.#sessions.set(socket, session);
    this.#send(socket, { type: "ready" });
  }

  #audio(socket: WebSocket, data: ArrayBuffer | Buffer | Buffer[]): void {
    const session = this.#sessions.get(socket);
    const isAudio = data instanceof ArrayBuffer && data.byteLength % 2 === 0 &&
      data.byteLength <= AUDIO_BYTES_MAX;
    if (!session || !isAudio) return this.#refuse(socket, "protocol");
    const takenBefore = this.#parts?.detectors.taken ?? 0;
    session.receive(toFloat32(new Int16Array(data)), this.#options.clock.now());
    if (session.isFull) socket.pause();
    if (this.#parts && this.#parts.detectors.taken < takenBefore) this.#resume(session); // its detector is free
  }

  /** A decode or a detector was freed: reads on from the sessions that wait for it. */
  #resume(session: RecogniserSession): void {
    for (const [socket, other] of this.#sessions) {
      if (other !== session && !other.isHeld) continue;
      other.retry(this.#options.clock.now());
      if (!other.isFull && socket.isPaused) socket.resume();
    }
  }

  #send(socket: WebSocket, message: FromRecogniser): void {
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > UNREAD_BYTES_MAX) return socket.terminate();
    socket.send(JSON.stringify(message));
  }

  #refuse(socket: WebSocket, code: RecogniserErrorCode): void {
    this.#send(socket, { type: "error", code });
    socket.close(code === "protocol" ? CLOSE.policy : CLOSE.normal);
  }

  #closed(socket: WebSocket): void {
    this.#waiting.delete(socket);
    const session = this.#sessions.get(socket);
    if (!session) return;
    this.#sessions.delete(socket);
    this.#parts?.decodes.forget(session);
    session.dispose();
    this.#resume(session); // its detector is free
  }
}

/** In a time that does not depend on where they differ. */
function hasToken({ headers: { authorization = "" } }: IncomingMessage, token: string): boolean {
  const wanted = `Bearer ${token}`;
  let difference = authorization.length ^ wanted.length;
  for (let at = 0; at < wanted.length; at++) {
    difference |= authorization.charCodeAt(at) ^ wanted.charCodeAt(at);
  }
  return difference === 0;
}

function toFloat32(pcm: Int16Array): Float32Array {
  const samples = new Float32Array(pcm.length);
  for (let at = 0; at < pcm.length; at++) samples[at] = pcm[at] / 32_768;
  return samples;
}

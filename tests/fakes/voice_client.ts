/** A client of the voice door: a native WebSocket that sends speech as a microphone does, and remembers what comes back. */
import { delay } from "../../src/flow/mod.ts";
import { Happenings } from "./happenings.ts";
import type { Speech } from "./speech.ts";

export interface VoiceMessage {
  type: string;
  code?: string;
  message?: string;
  text?: string;
  language?: string;
  utterance?: number;
  startMs?: number;
  endMs?: number;
  session?: string;
  audioMs?: number;
  transcript?: { id: string; key?: string };
}

export interface VoiceClientOptions {
  /** Of the service: `http://127.0.0.1:1234`. */
  base: string;
  token?: string;
  /** Where the token is put. Default: a subprotocol. */
  tokenIn?: "query" | "header" | "protocol";
}

const MESSAGE_MS = 20;

export class VoiceClient implements AsyncDisposable {
  readonly messages: VoiceMessage[] = [];
  /** performance.now() of each message. */
  readonly receivedAtMs: number[] = [];
  /** Of the close frame. */
  closedWith: { code: number; reason: string } | undefined;
  readonly #socket: WebSocket;
  readonly #happenings = new Happenings();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      this.messages.push(JSON.parse(data));
      this.receivedAtMs.push(performance.now());
      this.#happenings.happened();
    };
    socket.onclose = ({ code, reason }) => {
      this.closedWith = { code, reason };
      this.#happenings.happened();
    };
  }

  static async open({ base, token, tokenIn = "protocol" }: VoiceClientOptions): Promise<VoiceClient> {
    const url = new URL("/api/v1/voice/transcribe", base.replace(/^http/, "ws"));
    if (token !== undefined && tokenIn === "query") url.searchParams.set("token", token);
    const isProtocol = token !== undefined && tokenIn === "protocol";
    const socket = tokenIn === "header"
      ? new WebSocket(url, { headers: { authorization: `Bearer ${token}` } })
      : new WebSocket(url, isProtocol ? ["tiro.v1", `tiro.token.${token}`] : []);
    const client = new VoiceClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error("Cannot open the voice session: no WebSocket"));
    });
    socket.onerror = () => {}; // `closedWith` follows
    return client;
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  get finals(): string[] {
    return this.messages.flatMap(({ type, text = "" }) => type === "final" ? [text] : []);
  }

  /** All words of the finals. */
  get words(): string[] {
    return this.finals.join(" ").split(" ").filter((word) => word !== "");
  }

  get last(): VoiceMessage | undefined {
    return this.messages.at(-1);
  }

  control(message: object | string): void {
    this.#socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  audio(bytes: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(bytes);
  }

  /** Sends s16le as fast as it is spoken. */
  async say(speech: Speech, signal: AbortSignal = AbortSignal.timeout(60_000)): Promise<void> {
    const bytes = s16le(speech);
    const step = 2 * speech.sampleRateHz * MESSAGE_MS / 1_000;
    const startMs = performance.now();
    for (let at = 0, sent = 0; at < bytes.length; at += step, sent++) {
      const dueMs = startMs + sent * MESSAGE_MS - performance.now();
      if (dueMs > 0) await delay(dueMs, signal);
      if (this.closedWith) return;
      this.audio(bytes.slice(at, at + step));
    }
  }

  /** Resolves once it holds, which is checked whenever something happens. */
  until(matches: (client: this) => boolean, deadlineMs?: number): Promise<void> {
    return this.#happenings.until(() => matches(this), deadlineMs).catch((error) => {
      const seen = this.messages.map(({ type, code, text }) => [type, code ?? text].join(" "));
      throw new Error(`${error.message}: ${JSON.stringify([...seen, this.closedWith])}`);
    });
  }

  ready(): Promise<void> {
    return this.until(({ messages }) => messages.some(({ type }) => type === "ready"));
  }

  closed(deadlineMs?: number): Promise<void> {
    return this.until(({ closedWith }) => closedWith !== undefined, deadlineMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.closedWith) this.#socket.close();
    await this.closed();
  }
}

export function s16le({ samples }: Speech): Uint8Array<ArrayBuffer> {
  const out = new DataView(new ArrayBuffer(2 * samples.length));
  samples.forEach((sample, at) => out.setInt16(2 * at, Math.round(sample * 32_767), true));
  return new Uint8Array(out.buffer);
}

/**
 * The publishers of an own SFU on a thread of their own (sending_worker.ts), as the thread that owns the connections holds
 * them: which connection hears whom, and what was sent. What breaks over there ends this program, as it would here.
 */
import { wallMs } from "./marks.ts";
import type { FromSending, SendingOptions, ToSending } from "./sending_protocol.ts";
import type { Publishers } from "./sfu_room.ts";
import type { SrtpSenderOptions } from "./srtp_sender.ts";

export class SendingThread implements Publishers, AsyncDisposable {
  /** Sent ten times a second. */
  lateMs: number[] = [];
  startMs = 0;
  readonly #worker = new Worker(new URL("./sending_worker.ts", import.meta.url), { type: "module" });
  readonly #sent = new Int32Array(new SharedArrayBuffer(4));
  readonly #closing = new Map<number, () => void>();
  readonly #stopped = Promise.withResolvers<void>();
  #held = false;
  #lastId = 0;

  constructor(options: SendingOptions) {
    this.#worker.onmessage = ({ data }: MessageEvent<FromSending>) => this.#receive(data);
    this.#post({ type: "options", options, sent: this.#sent });
  }

  get held(): boolean {
    return this.#held;
  }

  set held(held: boolean) {
    this.#held = held;
    this.#post({ type: "hold", held });
  }

  /** Datagrams the kernel took since the beginning, at this moment; below 2^31. */
  get sent(): number {
    return Atomics.load(this.#sent, 0);
  }

  start(): void {
    this.startMs = performance.now();
    this.#post({ type: "start", atWallMs: wallMs() });
  }

  /**
   * From now on the socket at `local`, one of this process', sends the publisher's packets. To end that call what is
   * returned, once: it resolves when nothing more is sent. Until then the socket must stay open.
   */
  open(publisher: number, sender: SrtpSenderOptions): () => Promise<void> {
    const id = ++this.#lastId;
    this.#post({ type: "open", id, publisher, sender });
    return () => {
      const closed = Promise.withResolvers<void>();
      this.#closing.set(id, closed.resolve);
      this.#post({ type: "close", id });
      return closed.promise;
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#post({ type: "stop" });
    await this.#stopped.promise;
    this.#worker.terminate();
  }

  #post(message: ToSending): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromSending): void {
    switch (message.type) {
      case "late":
        for (const lateMs of message.lateMs) this.lateMs.push(lateMs);
        return;
      case "closed":
        this.#closing.get(message.id)?.();
        this.#closing.delete(message.id);
        return;
      case "stopped":
        return this.#stopped.resolve();
    }
  }
}

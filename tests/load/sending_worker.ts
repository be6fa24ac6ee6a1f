/**
 * The thread that sends an own SFU's media (own_room.ts). Sending 25,000 packets a second is work: on the thread that also
 * plays the HPB, which reads the time when a caption comes, it would make the service look late by as much.
 */
import { PUBLISHERS, wallMs } from "./marks.ts";
import { PublisherSchedule } from "./publisher_schedule.ts";
import type { FromSending, SendingOptions, ToSending } from "./sending_protocol.ts";
import { type SrtpSender, SrtpSenders } from "./srtp_sender.ts";

/** What of a dedicated worker's global scope is used; the program is checked as one that has a window. */
interface Port {
  onmessage: ((event: MessageEvent<ToSending>) => void) | null;
  postMessage(message: FromSending): void;
}

/** Lateness is reported for so many packets at a time: a tenth of a second's. */
const LATE_BATCH = 50;

class Sending {
  readonly #senders = new SrtpSenders();
  readonly #open = new Map<number, { publisher: number; sender: SrtpSender }>();
  readonly #byPublisher = Array.from({ length: PUBLISHERS }, () => new Set<SrtpSender>());
  readonly #schedule: PublisherSchedule;

  constructor(options: SendingOptions, sent: Int32Array, private readonly port: Port) {
    this.#schedule = new PublisherSchedule({
      ...options,
      publish: (publisher, payload, packet, timestamp) => {
        let taken = 0;
        for (const sender of this.#byPublisher[publisher]) {
          if (sender.send(payload, packet, timestamp)) taken++;
        }
        Atomics.add(sent, 0, taken);
        if (this.#schedule.lateMs.length >= LATE_BATCH) this.#tellLate();
      },
    });
  }

  receive(message: ToSending): void {
    switch (message.type) {
      case "start":
        return this.#schedule.start(performance.now() + message.atWallMs - wallMs());
      case "hold":
        this.#schedule.held = message.held;
        if (!message.held) this.#schedule.lateMs = []; // of what was not sent
        return;
      case "open": {
        const sender = this.#senders.open(message.sender);
        this.#open.set(message.id, { publisher: message.publisher, sender });
        this.#byPublisher[message.publisher].add(sender);
        return;
      }
      case "close":
        this.#close(message.id);
        return this.port.postMessage({ type: "closed", id: message.id });
      case "stop":
        this.#schedule[Symbol.dispose]();
        for (const id of this.#open.keys()) this.#close(id);
        this.#senders[Symbol.dispose]();
        return this.port.postMessage({ type: "stopped" });
    }
  }

  #close(id: number): void {
    const { publisher, sender } = this.#open.get(id)!;
    this.#open.delete(id);
    this.#byPublisher[publisher].delete(sender);
    sender[Symbol.dispose]();
  }

  #tellLate(): void {
    this.port.postMessage({ type: "late", lateMs: this.#schedule.lateMs });
    this.#schedule.lateMs = [];
  }
}

const port = globalThis as unknown as Port;
let sending: Sending | undefined;
port.onmessage = ({ data }) => {
  if (data.type === "options") sending = new Sending(data.options, data.sent, port);
  else sending!.receive(data);
};

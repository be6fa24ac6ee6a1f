/** What crosses between own_room.ts and the thread that sends its media, sending_worker.ts. */
import type { PublisherScheduleOptions } from "./publisher_schedule.ts";
import type { SrtpSenderOptions } from "./srtp_sender.ts";

export type SendingOptions = Omit<PublisherScheduleOptions, "publish">;

export type ToSending =
  /** First. `sent`: one number, which the thread counts datagrams in. */
  | { type: "options"; options: SendingOptions; sent: Int32Array }
  /** Of the first packet: `wallMs` of marks.ts. */
  | { type: "start"; atWallMs: number }
  | { type: "hold"; held: boolean }
  /** Sends this publisher's packets from a socket of this process' on; `id` is never used again. */
  | { type: "open"; id: number; publisher: number; sender: SrtpSenderOptions }
  | { type: "close"; id: number }
  | { type: "stop" };

export type FromSending =
  /** How late some packets were at the publisher, ms. */
  | { type: "late"; lateMs: number[] }
  /** Nothing more is sent there, and the socket is closed. */
  | { type: "closed"; id: number }
  | { type: "stopped" };

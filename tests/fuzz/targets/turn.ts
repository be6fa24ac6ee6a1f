/** Responses of a TURN server, or of somebody in its place, before and after an allocation. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { classes, Message, methods, parseMessage, TurnProtocol } from "werift";
import "../../../src/webrtc/turn.ts";
import { defineTarget } from "../batch.ts";
import { byteChanges, changedBytes } from "../mutations.ts";

const SERVER = ["192.0.2.1", 3478] as const;
const [USERNAME, REALM, PASSWORD] = ["user", "realm", "password"];
const KEY = createHash("md5").update(`${USERNAME}:${REALM}:${PASSWORD}`).digest();
const ANSWER_KINDS = [
  "challenge",
  "stale",
  "granted",
  "unsigned",
  "error",
  "redirect",
  "data",
  "channel",
  "noise",
] as const;
/** As turn.ts has it. */
const STREAM_BYTES_MAX = 65_560;

/** Takes what is sent, and sends nothing. */
class Wire {
  readonly type = "udp";
  closed = false;
  onData: (data: Buffer, from: readonly [string, number]) => void = () => {};
  readonly sent: Buffer[] = [];
  readonly send = (data: Buffer): Promise<void> => {
    this.sent.push(data);
    return Promise.resolve();
  };
  readonly close = (): Promise<void> => {
    this.closed = true;
    return Promise.resolve();
  };
}

export const turn = defineTarget({
  name: "turn",
  about:
    "answers of a TURN server, by datagrams and in a stream: no throw but those werift's callers catch, no timer left",
  inputs: fc.record({
    isStream: fc.boolean(),
    answers: fc.array(fc.tuple(fc.constantFrom(...ANSWER_KINDS), byteChanges), {
      minLength: 1,
      maxLength: 6,
    }),
  }),
  inputsPerWorld: 200,
  open: () => ({
    async run({ isStream, answers }) {
      const wire = new Wire();
      if (isStream) Object.assign(wire, { type: "tcp", remoteAddress: SERVER });
      const client = new TurnProtocol(SERVER, USERNAME, PASSWORD, 600, wire as never);
      const request = new Message(methods.ALLOCATE, classes.REQUEST).setAttribute("LIFETIME", 600)
        .setAttribute("REQUESTED-TRANSPORT", 0x1100_0000);
      const abort = new AbortController();
      const asking = client.requestWithRetry(request, SERVER, abort.signal).catch(() => {});
      for (const [kind, changes] of answers) {
        const asked = wire.sent.map((bytes) => parseMessage(bytes)).findLast((message) =>
          message !== undefined
        );
        const data = Buffer.from(changedBytes(answerOf(kind, asked ?? request), changes));
        try {
          client["dataReceived"](data, SERVER);
        } catch {
          // udp.ts, and werift's streams, go on with the next one
        }
        for (let turn = 0; turn < 6; turn++) await Promise.resolve();
        if (client["tcpBuffer"].length > STREAM_BYTES_MAX) throw new Error("A stream is kept for ever");
      }
      abort.abort();
      await client.close();
      await asking;
      if (Object.keys(client.transactions).length > 0) throw new Error("A transaction is left");
    },
    close() {},
  }),
});

function answerOf(
  kind: (typeof ANSWER_KINDS)[number],
  { messageMethod, transactionId }: Message,
): Uint8Array {
  const of = (type: number) => new Message(messageMethod, type, transactionId);
  switch (kind) {
    case "challenge":
    case "stale":
      return of(classes.ERROR).setAttribute("ERROR-CODE", [kind === "stale" ? 438 : 401, "no"])
        .setAttribute("NONCE", Buffer.from("nonce")).setAttribute("REALM", REALM).bytes;
    case "granted":
      return granted(of(classes.RESPONSE)).addMessageIntegrity(KEY).bytes;
    case "unsigned":
      return granted(of(classes.RESPONSE)).bytes;
    case "error":
      return of(classes.ERROR).setAttribute("ERROR-CODE", [486, "quota"]).addMessageIntegrity(KEY).bytes;
    case "redirect":
      return of(classes.ERROR).setAttribute("ERROR-CODE", [300, "elsewhere"]).bytes;
    case "data":
      return new Message(methods.DATA, classes.INDICATION).setAttribute("XOR-PEER-ADDRESS", ["192.0.2.9", 9])
        .setAttribute("DATA", Buffer.of(0x80, 1, 2, 3)).bytes;
    case "channel":
      return Uint8Array.of(0x40, 0, 0, 4, 1, 2, 3, 4);
    case "noise":
      return Uint8Array.of(0xff, 0xff, 0xff, 0xff);
  }
}

function granted(message: Message): Message {
  return message.setAttribute("XOR-RELAYED-ADDRESS", ["192.0.2.1", 5_000])
    .setAttribute("XOR-MAPPED-ADDRESS", ["192.0.2.2", 5_001]).setAttribute("LIFETIME", 600);
}

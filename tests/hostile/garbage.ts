/** What strangers send to a port that WebRTC is at: each kind is one that did harm, or may. */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { classes, Message, methods } from "werift";

export type Garbage = keyof typeof GARBAGE;

const DTLS = "fefd0000000000000000";
const hex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

/** A check as ICE makes them, in the name of nobody. */
function check(signs: boolean): Uint8Array {
  const message = new Message(methods.BINDING, classes.REQUEST).setAttribute("USERNAME", "them:us")
    .setAttribute("PRIORITY", 2_130_706_431).setAttribute("ICE-CONTROLLING", 1n).setAttribute(
      "USE-CANDIDATE",
      null,
    );
  if (signs) message.addMessageIntegrity(randomBytes(16));
  return Uint8Array.from(message.addFingerprint().bytes);
}

/** A part of a Certificate that never becomes whole. */
function fragment(): Uint8Array {
  const bytes = 1_000;
  const header = Buffer.from(`16${DTLS}03f40b003e800002000000${"0003e8"}`, "hex");
  header.writeUIntBE(1_000 * (randomBytes(1)[0] % 15), 19, 3);
  return Uint8Array.from([...header, ...new Uint8Array(bytes)]);
}

function packet(): Uint8Array {
  return Uint8Array.from([128, 111, ...randomBytes(10), ...randomBytes(60)]);
}

export const GARBAGE = {
  "DTLS of an unknown content type": () => hex(`19${DTLS}0000`),
  "alerts that are not encrypted": () => hex(`15${DTLS}00020100`),
  "alerts that seem encrypted": () =>
    Uint8Array.from([...hex("15fefd00010000000000090020"), ...randomBytes(32)]),
  "fragments of a handshake": fragment,
  "ClientHellos": () => hex(`16${DTLS}002001000014000000000000001400fefd${"00".repeat(15)}`),
  "checks without a signature": () => check(false),
  "checks with a wrong one": () => check(true),
  "RTP that nobody encrypted": packet,
  "random bytes": () => Uint8Array.from(randomBytes(1 + randomBytes(1)[0])),
} as const;

/** Datagrams to the socket of an established connection, of its peer and of strangers. */
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { classes, Message, methods } from "werift";
import { FakeClock } from "../../fakes/clock.ts";
import { ALERT, dtlsRecord, HANDSHAKE } from "../../fakes/dtls.ts";
import type { Address } from "../../../src/webrtc/udp_socket.ts";
import { defineTarget } from "../batch.ts";
import { ConnectedPair } from "../connected_pair.ts";
import { byteChanges, changedBytes } from "../mutations.ts";

/** Strangers' sockets are at a port of loopback where nobody is: answers go nowhere. */
const stranger = (number: number): Address => [`127.66.0.${number}`, 9];
/** As guard.ts has it. */
const REFLEXIVE_MAX = 16;
const EARLY_CHECKS_MAX = 16;
/** After so many inputs the event loop comes round, so that what an input began goes on. */
const TURN_EVERY = 32;
const DTLS_HEADER = "fefd0000000000000000";
const fromHex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));
/** No end of anything (RFC 5246, section 7.2). */
const USER_CANCELED = [1, 90];

/** What is sent, before it is changed. A close_notify that is authentic ends a connection, and is none of these. */
const KINDS = {
  rtp: (pair: ConnectedPair) => pair.packet().bytes,
  report: (pair: ConnectedPair) => pair.report(),
  check: (pair: ConnectedPair) => check(pair, pair.ice.localPassword),
  nomination: (pair: ConnectedPair) => check(pair, pair.ice.localPassword, true),
  forgedCheck: (pair: ConnectedPair) => check(pair, "guessed", true),
  bareCheck: (pair: ConnectedPair) => check(pair, undefined),
  answer: () => new Message(methods.BINDING, classes.RESPONSE, Buffer.alloc(12, 1)).bytes,
  error: () =>
    new Message(methods.BINDING, classes.ERROR, Buffer.alloc(12, 1)).setAttribute("ERROR-CODE", [487, "no"])
      .bytes,
  allocate: () => new Message(methods.ALLOCATE, classes.REQUEST, Buffer.alloc(12, 1)).bytes,
  alert: (pair: ConnectedPair) => dtlsRecord(pair.sending, ALERT, USER_CANCELED),
  data: (pair: ConnectedPair) => dtlsRecord(pair.sending, 23, [1, 2, 3]),
  finished: (pair: ConnectedPair) =>
    dtlsRecord(pair.sending, HANDSHAKE, [20, 0, 0, 12, 0, 9, 0, 0, 0, 0, 0, 12, ...Array(12).fill(7)]),
  plainAlert: () => fromHex(`15${DTLS_HEADER}00020100`),
  unknownType: () => fromHex(`19${DTLS_HEADER}0000`),
  fragment: () => fromHex(`16${DTLS_HEADER}001c0b003e80000200000000001000112233445566778899aabbccddeeff00`),
  hello: () => fromHex(`16${DTLS_HEADER}002001000014000000000000001400fefd${"00".repeat(15)}`),
  helloDone: () => fromHex(`16${DTLS_HEADER}000c0e0000000005000000000000`),
  changeCipher: () => fromHex(`14${DTLS_HEADER}000101`),
  noise: () =>
    Uint8Array.of(
      0x80,
      111,
      0,
      1,
      0,
      0,
      0,
      1,
      0,
      0,
      0,
      77,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      9,
      10,
      11,
      12,
      13,
      14,
      15,
      16,
    ),
} as const;

const kinds = Object.keys(KINDS) as (keyof typeof KINDS)[];

function check({ ice }: ConnectedPair, password: string | undefined, nominates = false): Uint8Array {
  const message = new Message(methods.BINDING, classes.REQUEST, Buffer.alloc(12, 7))
    .setAttribute("USERNAME", `${ice.localUsername}:them`)
    .setAttribute("PRIORITY", 2_130_706_431).setAttribute("ICE-CONTROLLING", 1n);
  if (nominates) message.setAttribute("USE-CANDIDATE", null);
  if (password !== undefined) message.addMessageIntegrity(Buffer.from(password));
  return message.addFingerprint().bytes;
}

export const udp = defineTarget({
  name: "udp",
  about:
    "datagrams into a connected peer (STUN, DTLS, SRTP, SRTCP): honest RTP is received after each, nothing is kept",
  inputs: fc.record({
    kind: fc.constantFrom(...kinds),
    changes: byteChanges,
    /** 0: the peer's address. */
    from: fc.nat(20),
    isRepeated: fc.boolean(),
    waitMs: fc.oneof({ weight: 8, arbitrary: fc.nat(40) }, { weight: 1, arbitrary: fc.nat(1_500) }),
  }),
  inputsPerWorld: 1_000,
  async open() {
    const clock = new FakeClock(1_000);
    const pair = await ConnectedPair.connect(clock);
    let taken = 0;
    return {
      async run({ kind, changes, from, isRepeated, waitMs }) {
        await clock.advance(waitMs);
        const datagram = changedBytes(KINDS[kind](pair), changes);
        const address = from === 0 ? pair.address : stranger(from);
        pair.deliver(datagram, address);
        if (isRepeated) pair.deliver(datagram, address);
        const { sequence, bytes } = pair.packet();
        pair.deliver(bytes, pair.address);
        if (pair.received !== sequence) throw new Error("An honest packet is not received");
        if (++taken % TURN_EVERY === 0) await new Promise((come) => setTimeout(come, 0));
        checkState(pair);
      },
      async close() {
        await pair.close();
        if (clock.pending > 0) throw new Error(`${clock.pending} timers are left`);
      },
    };
  },
});

function checkState({ ice, listening, ends }: ConnectedPair): void {
  if (listening.state !== "connected" || ends > 0) throw new Error("The association has ended");
  const reflexive = ice.remoteCandidates.filter(({ type }) => type === "prflx").length;
  if (reflexive > REFLEXIVE_MAX) throw new Error(`${reflexive} addresses are remembered`);
  if (ice.candidatePairs.length > REFLEXIVE_MAX + 1) {
    throw new Error(`${ice.candidatePairs.length} pairs are kept`);
  }
  const early: unknown[] = ice["earlyChecks"];
  if (early.length > EARLY_CHECKS_MAX) throw new Error(`${early.length} checks are kept`);
  const { bufferFragmentedHandshakes: fragments } = listening.dtls as unknown as {
    bufferFragmentedHandshakes: unknown[];
  };
  if (fragments.length > 0) throw new Error(`${fragments.length} fragments are kept`);
}

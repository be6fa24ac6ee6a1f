import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { classes, Message, methods } from "werift";
import { BINDING_METHOD, isStun, STUN_ATTRIBUTES, STUN_CLASSES, StunMessage } from "./stun.ts";

const PASSWORD = "a password of theirs";
const USE_CANDIDATE = 0x0025;

/** As werift sends it. */
function check(): Message {
  return new Message(methods.BINDING, classes.REQUEST)
    .setAttribute("USERNAME", "ours:theirs")
    .setAttribute("PRIORITY", 1_862_270_975)
    .setAttribute("ICE-CONTROLLING", 7n);
}

function signed(message = check()): Uint8Array {
  return Uint8Array.from(message.addMessageIntegrity(Buffer.from(PASSWORD)).addFingerprint().bytes);
}

/** With an attribute put at its end, and the length made to fit. */
function extended(datagram: Uint8Array, ...attribute: number[]): Uint8Array {
  const longer = Uint8Array.of(...datagram, ...attribute);
  longer[2] = longer.length - 20 >> 8;
  longer[3] = longer.length - 20;
  return longer;
}

/** RFC 5769, section 2.1. */
const SAMPLE = fromHex(`
  00 01 00 58 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae 80 22 00 10 53 54 55 4e 20 74 65 73
  74 20 63 6c 69 65 6e 74 00 24 00 04 6e 00 01 ff 80 29 00 08 93 2f f9 b1 51 26 3b 36 00 06 00 09
  65 76 74 6a 3a 68 36 76 59 20 20 20 00 08 00 14 9a ea a7 0c bf d8 cb 56 78 1e f2 b5 b2 d3 f2 49
  c1 b5 71 a2 80 28 00 04 e5 7a 3b cf`);

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.trim().split(/\s+/), (byte) => parseInt(byte, 16));
}

Deno.test("A check is read: its class, method, transaction, recipient and signature", () => {
  const message = check();
  const read = StunMessage.read(signed(message)) ?? assert.fail("not read");
  assert.equal(read.class, STUN_CLASSES.request);
  assert.equal(read.method, BINDING_METHOD);
  assert.equal(read.transactionId, message.transactionIdHex);
  assert.equal(read.recipientUfrag, "ours");
  assert.ok(read.value(STUN_ATTRIBUTES.iceControlling) && !read.value(USE_CANDIDATE));
  assert.deepEqual(read.value(STUN_ATTRIBUTES.priority), Uint8Array.of(0x6e, 0xff, 0xff, 0xff));
  assert.ok(read.isSignedWith(PASSWORD));
  assert.ok(!read.isSignedWith(PASSWORD + "."));
});

Deno.test("The sample request of RFC 5769 is read and its signature verified", () => {
  const read = StunMessage.read(SAMPLE) ?? assert.fail("not read");
  assert.equal(read.recipientUfrag, "evtj");
  assert.ok(read.isSignedWith("VOkJxbRl1RmTxUk/WvJxBt"));
});

Deno.test("One changed bit anywhere makes it malformed or unsigned", () => {
  for (let bit = 0; bit < SAMPLE.length * 8; bit++) {
    const changed = SAMPLE.slice();
    changed[bit >> 3] ^= 1 << (bit & 7);
    assert.ok(!StunMessage.read(changed)?.isSignedWith("VOkJxbRl1RmTxUk/WvJxBt"), `bit ${bit}`);
  }
});

Deno.test("Without MESSAGE-INTEGRITY a message is not signed", () => {
  const read = StunMessage.read(Uint8Array.from(check().addFingerprint().bytes));
  assert.ok(read && !read.isSignedWith(PASSWORD) && !read.isSignedWith(""));
});

Deno.test("Truncated, too long or trailing bytes and other protocols are no STUN message", () => {
  const whole = signed();
  for (let length = 0; length < whole.length; length++) {
    assert.equal(StunMessage.read(whole.subarray(0, length)), undefined, `${length} bytes`);
  }
  assert.equal(StunMessage.read(Uint8Array.of(...whole, 0, 0, 0, 0)), undefined);
  const many = extended(
    whole.subarray(0, 20),
    ...Array.from({ length: 40 }, () => [0xc0, 0x57, 0, 0]).flat(),
  );
  assert.equal(StunMessage.read(many), undefined);
  assert.ok(!isStun(Uint8Array.of(22, 254, 253, ...new Array(20).fill(0))));
  assert.ok(!isStun(Uint8Array.of(128, 111, ...new Array(20).fill(0))));
});

Deno.test("Attributes after the signature are refused", () => {
  const sealed = Uint8Array.from(check().addMessageIntegrity(Buffer.from(PASSWORD)).bytes);
  assert.ok(StunMessage.read(sealed)?.isSignedWith(PASSWORD));
  assert.equal(StunMessage.read(extended(sealed, 0, USE_CANDIDATE, 0, 0)), undefined);
  assert.equal(StunMessage.read(extended(signed(), 0, USE_CANDIDATE, 0, 0)), undefined);
});

Deno.test("Of two USERNAMEs the first counts", () => {
  const twice = extended(
    SAMPLE.slice(0, 20),
    0,
    6,
    0,
    8,
    ...bytesOf("ours:abc"),
    0,
    6,
    0,
    8,
    ...bytesOf("else:abc"),
  );
  assert.equal(StunMessage.read(twice)?.recipientUfrag, "ours");
});

function bytesOf(text: string): number[] {
  return [...text].map((character) => character.charCodeAt(0));
}

Deno.test("A USERNAME without a colon, or starting with one, has no recipient", () => {
  for (const username of ["ours", ":theirs", ""]) {
    const message = new Message(methods.BINDING, classes.REQUEST).setAttribute("USERNAME", username);
    assert.equal(StunMessage.read(Uint8Array.from(message.bytes))?.recipientUfrag, undefined);
  }
});

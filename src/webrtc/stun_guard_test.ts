import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { classes, Message, methods } from "werift";
import { type IceView, StunGuard } from "./stun_guard.ts";
import type { Address } from "./udp_socket.ts";

const PEER: Address = ["192.0.2.1", 5_000];
const SERVER: Address = ["192.0.2.3", 3_478];
const STRANGER: Address = ["203.0.113.9", 9];
const PASSWORD = "our password";

class FakeIce implements IceView {
  hasRoom = true;
  passwordOf(ufrag: string): string | undefined {
    return ufrag === "ours" ? PASSWORD : undefined;
  }
  isPeer([host, port]: Address): boolean {
    return host === PEER[0] && port === PEER[1];
  }
  isPending(transactionId: string, [host, port]: Address): boolean {
    const [askedHost, askedPort] = transactionId === ASKED.toString("hex") ? PEER : SERVER;
    return transactionId !== "0".repeat(24) && host === askedHost && port === askedPort;
  }
}

const ASKED = Buffer.alloc(12, 1);
const ASKED_SERVER = Buffer.alloc(12, 2);

function check(change: (message: Message) => unknown = () => {}): Message {
  const message = new Message(methods.BINDING, classes.REQUEST)
    .setAttribute("USERNAME", "ours:theirs")
    .setAttribute("PRIORITY", 1)
    .setAttribute("ICE-CONTROLLING", 7n);
  change(message);
  return message;
}

const signed = (message = check(), password = PASSWORD) =>
  message.addMessageIntegrity(Buffer.from(password)).addFingerprint();

function judged(message: Message | Uint8Array, from: Address, ice = new FakeIce(), guard = new StunGuard()) {
  return guard.judge(message instanceof Message ? message.bytes : message, from, 0, ice);
}

Deno.test("A check signed with our password passes from any address", () => {
  assert.equal(judged(signed(), PEER), "pass");
  assert.equal(judged(signed(), STRANGER), "pass");
});

Deno.test("A check without our ufrag or a valid signature is refused", () => {
  const unsigned: Message[] = [
    check().addFingerprint(),
    signed(check(), "another password"),
    signed(check((message) => message.setAttribute("USERNAME", "else:theirs"))),
    signed(check((message) => message.setAttribute("USERNAME", "ours"))),
    check((message) => message.setAttribute("USE-CANDIDATE", null)),
    new Message(methods.BINDING, classes.REQUEST),
  ];
  for (const from of [PEER, STRANGER]) {
    for (const message of unsigned) assert.equal(judged(message, from), "stun_unauthenticated");
  }
});

Deno.test("A check needs every attribute that werift uses", () => {
  const withoutPriority = () => {
    const message = new Message(methods.BINDING, classes.REQUEST).setAttribute("USERNAME", "ours:theirs");
    return signed(message);
  };
  assert.equal(judged(withoutPriority(), STRANGER), "stun_malformed");
  assert.equal(judged(withoutPriority(), PEER), "pass", "its priority is known");
  assert.equal(judged(signed().bytes.subarray(1), PEER), "stun_malformed");
});

Deno.test("Other methods, and indications from unknown addresses, are refused", () => {
  for (const method of [methods.ALLOCATE, methods.SEND, methods.DATA, methods.CHANNEL_BIND]) {
    assert.equal(judged(signed(new Message(method, classes.REQUEST)), PEER), "stun_unexpected");
    assert.equal(judged(new Message(method, classes.INDICATION), PEER), "stun_unexpected");
  }
  const keepAlive = new Message(methods.BINDING, classes.INDICATION).addFingerprint();
  assert.equal(judged(keepAlive, PEER), "ignore");
  assert.equal(judged(keepAlive, STRANGER), "stun_unexpected");
});

Deno.test("A response passes only for a pending request to its sender", () => {
  const answer = (id: Buffer) => new Message(methods.BINDING, classes.RESPONSE, id);
  assert.equal(judged(answer(ASKED), PEER), "pass");
  assert.equal(judged(answer(ASKED_SERVER), SERVER), "pass", "a STUN server's, which is not signed");
  for (const from of [SERVER, STRANGER]) assert.equal(judged(answer(ASKED), from), "stun_unasked");
  assert.equal(judged(answer(Buffer.alloc(12)), PEER), "stun_unasked");
});

Deno.test("An error response passes, up to a limit", () => {
  const error = new Message(methods.BINDING, classes.ERROR, ASKED).setAttribute("ERROR-CODE", [487, ""]);
  const guard = new StunGuard();
  const verdicts = Array.from({ length: 40 }, () => judged(error, PEER, new FakeIce(), guard));
  assert.deepEqual([...new Set(verdicts)], ["pass", "stun_too_many"]);
  assert.equal(verdicts.lastIndexOf("pass"), 31);
  assert.equal(judged(new Message(methods.BINDING, classes.ERROR, ASKED), PEER), "stun_malformed");
});

Deno.test("At the limit of addresses, checks from new ones are refused, the peer's are not", () => {
  const ice = new FakeIce();
  ice.hasRoom = false;
  assert.equal(judged(signed(), STRANGER, ice), "stun_too_many");
  assert.equal(judged(signed(), PEER, ice), "pass");
});

Deno.test("Checks with our ufrag are rate-limited, separately for the peer and others", () => {
  const guard = new StunGuard();
  const forged = signed(check(), "another password").bytes;
  const ice = new FakeIce();
  const verdicts = Array.from({ length: 1_000 }, () => guard.judge(forged, STRANGER, 0, ice));
  assert.equal(verdicts.filter((verdict) => verdict === "stun_unauthenticated").length, 50);
  assert.equal(verdicts.filter((verdict) => verdict === "stun_too_many").length, 950);
  assert.equal(guard.judge(signed().bytes, PEER, 0, ice), "pass");
  assert.equal(guard.judge(signed().bytes, STRANGER, 0, ice), "stun_too_many");
  assert.equal(guard.judge(signed().bytes, STRANGER, 1_000, ice), "pass");
});

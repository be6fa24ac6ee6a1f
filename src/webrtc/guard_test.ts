/** Between two werift peers on loopback, with an attacker who knows their ports, and may know more. */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { Event, StunOverTurnProtocol, type TurnProtocol } from "werift";
import { ALERT, CLOSE_NOTIFY, dtlsRecord, HANDSHAKE } from "../../tests/fakes/dtls.ts";
import { isLibcUdp, LibcUdpSocket } from "./udp_libc.ts";
import type { Address } from "./udp_socket.ts";
import { check, DTLS_HEADER, eventually, fragment, fromHex, Pair, Stranger } from "./guard_testing_test.ts";

/** Each closed werift's association, whoever sent it. */
const ENDINGS = {
  "an unknown content type": fromHex(`19${DTLS_HEADER}0000`),
  "a close_notify that is not encrypted": fromHex(`15${DTLS_HEADER}00020100`),
  "an alert of epoch 1 that reads as a close_notify": fromHex("15fefd000100000000000900020100"),
  "the same, as long as an encrypted one": fromHex(`15fefd0001000000000009001a0100${"00".repeat(24)}`),
};

for (const [what, datagram] of Object.entries(ENDINGS)) {
  Deno.test(`${what} ends no association, from a stranger or a spoofed address`, async () => {
    await using pair = await Pair.connect();
    await using stranger = await Stranger.bind();
    await pair.sendAudio();
    await stranger.send(datagram, pair.address);
    await pair.sendAsSender(datagram);
    await pair.sendAudio();
    assert.equal(pair.receiving.state, "connected");
    assert.equal(pair.ends, 0);
    assert.equal(pair.count("dtls_stranger"), 1);
    const spoofed = ["dtls_malformed", "dtls_unprotected", "dtls_forged"] as const;
    // On a busy machine the sender repeats its last flight, which is counted too.
    assert.ok(spoofed.some((reason) => pair.count(reason) >= 1));
  });
}

Deno.test("Datagrams from a relay are filtered too", async () => {
  await using pair = await Pair.connect();
  const turn = { onData: new Event<[Buffer, Address]>(), transactions: {}, close: () => Promise.resolve() };
  const relay = new StunOverTurnProtocol(turn as unknown as TurnProtocol);
  const passed: string[] = [];
  pair.ice["ensureProtocol"](relay);
  relay.onRequestReceived.subscribe(() => passed.push("a check"));
  relay.onDataReceived.subscribe(() => passed.push("data"));
  const { localUsername: ufrag, localPassword: password } = pair.ice;
  const stranger: Address = ["192.0.2.9", 9];
  const datagrams = [...Object.values(ENDINGS), check({ ufrag }), Uint8Array.of(99)];
  for (const datagram of datagrams) turn.onData.execute(Buffer.from(datagram), stranger);
  assert.deepEqual(passed, []);
  assert.deepEqual(
    [pair.count("dtls_stranger"), pair.count("stun_unauthenticated"), pair.count("unknown_protocol")],
    [4, 1, 1],
  );
  // An SFU may send on any valid pair; this is after the handshake.
  const { nominated = assert.fail("no pair") } = pair.ice;
  turn.onData.execute(Buffer.from(fragment(0)), nominated.remoteAddr);
  assert.equal(pair.count("dtls_unprotected"), 1);
  relay.sendStun = () => Promise.resolve();
  relay.request = () => new Promise(() => {});
  relay.localCandidate = nominated.localCandidate;
  turn.onData.execute(Buffer.from(check({ ufrag, password })), stranger);
  assert.deepEqual(passed, ["a check"]);
});

for (const [what, content] of Object.entries({ "close_notify": CLOSE_NOTIFY, "fatal alert": [2, 20] })) {
  Deno.test(`A ${what} of the peer's ends the association at once, and is reported once`, async () => {
    await using pair = await Pair.connect();
    await using stranger = await Stranger.bind();
    await pair.sendAudio();
    const alert = dtlsRecord(pair.sending, ALERT, content);
    const tampered = alert.slice();
    tampered[20] ^= 1;
    await pair.sendAsSender(tampered);
    await stranger.send(alert, pair.address);
    await pair.sendAudio();
    assert.deepEqual([pair.count("dtls_forged"), pair.count("dtls_stranger")], [1, 1]);
    for (let i = 0; i < 3; i++) await pair.sendAsSender(alert);
    await eventually(() => pair.ends > 0, () => "the end");
    await pair.until("dtls_unexpected", 2);
    assert.equal(pair.ends, 1);
  });
}

Deno.test("A warning other than close_notify, and an encrypted ServerHello, change nothing", async () => {
  await using pair = await Pair.connect();
  await pair.sendAsSender(dtlsRecord(pair.sending, ALERT, [1, 100]));
  await pair.sendAsSender(dtlsRecord(pair.sending, HANDSHAKE, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
  await pair.sendAudio();
  assert.deepEqual([pair.ends, pair.count("dtls_unexpected")], [0, 2]);
});

Deno.test("Closing a connection ourselves is not reported as its end", async () => {
  const pair = await Pair.connect();
  await pair[Symbol.asyncDispose]();
  assert.equal(pair.ends, 0);
});

/** More than fit in a socket's buffer. */
const FLOOD = 2_000;

Deno.test("A flood of strangers displaces no packet of the peer", { ignore: !isLibcUdp }, async () => {
  await using pair = await Pair.connect();
  const onReceived = () => "refused" as const;
  const stranger = new LibcUdpSocket({ family: 4, host: "127.0.0.1", port: 0, onReceived });
  try {
    const kinds = [
      ENDINGS["an unknown content type"],
      check({}),
      Uint8Array.of(128, 111, ...Array(40).fill(0)),
    ];
    const flood = () => {
      for (let i = 0; i < FLOOD; i++) stranger.send(kinds[i % kinds.length], ...pair.address);
    };
    flood();
    const refused = () => pair.count("dtls_stranger") + pair.count("stun_unauthenticated");
    await eventually(() => refused() > 200, () => `${refused()} refused`);
    await pair.drain();
    for (let round = 0; round < 30; round++) {
      flood();
      await pair.sendAudio(1);
    }
    await pair.until("flood", 10 * FLOOD);
    assert.ok(refused() < FLOOD, `${refused()} were received`);
  } finally {
    await stranger.close();
  }
});

Deno.test("Random datagrams cost no packet", async () => {
  await using pair = await Pair.connect();
  await using stranger = await Stranger.bind();
  let seed = 7;
  const random = () => (seed = Math.imul(seed, 1_664_525) + 1_013_904_223 >>> 0) >>> 24;
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 40; i++) {
      const garbage = Uint8Array.from({ length: 1 + random() }, random);
      await stranger.send(garbage, pair.address);
      await pair.sendAsSender(garbage);
    }
    await pair.sendAudio(2);
  }
  assert.equal(pair.receiving.state, "connected");
  assert.ok(pair.count("unknown_protocol") > 0);
});

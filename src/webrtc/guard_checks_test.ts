/** Connectivity checks of strangers and of the peer, role conflicts and ICE restarts. */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { classes, Message, methods } from "werift";
import { ALERT, CLOSE_NOTIFY, dtlsRecord } from "../../tests/fakes/dtls.ts";
import { check, eventually, fromHex, iceOf, Pair, Stranger } from "./guard_testing_test.ts";

Deno.test("Unsigned checks get no response, and 2,000 senders of them leave no state", async () => {
  await using pair = await Pair.connect();
  const { localUsername: ufrag, nominated } = pair.ice;
  const answers: Buffer[] = [];
  const forged = [check({ ufrag }), check({}), check({ ufrag, password: "guessed" }), fromHex("0001")];
  const datagrams = [...forged, new Message(methods.ALLOCATE, classes.REQUEST).bytes];
  for (let i = 0; i < 2_000; i++) {
    await using stranger = await Stranger.bind(`127.1.${i >> 8}.${i & 255}`);
    await stranger.send(datagrams[i % datagrams.length], pair.address);
    answers.push(...stranger.answers);
  }
  await using last = await Stranger.bind();
  for (const datagram of datagrams) await last.send(datagram, pair.address);
  await pair.sendAudio();
  assert.deepEqual([...answers, ...last.answers], []);
  assert.deepEqual(pair.ice.remoteCandidates.map(({ type }) => type), ["host"]);
  assert.equal(pair.ice.candidatePairs.length, 1);
  assert.equal(pair.ice.nominated, nominated);
  // After the first ones the kernel drops them.
  assert.ok(pair.count("stun_unauthenticated") > 50);
});

Deno.test("Before the peer's first check no stranger is nominated, and no role changes", async () => {
  await using stranger = await Stranger.bind();
  await using pair = await Pair.connect(async (early) => {
    const { localUsername: ufrag } = early.ice;
    const conflict = new Message(methods.BINDING, classes.REQUEST).setAttribute("USERNAME", `${ufrag}:them`)
      .setAttribute("PRIORITY", 1).setAttribute("ICE-CONTROLLED", 0n);
    for (const datagram of [check({ ufrag }), check({ ufrag, password: "guessed" }), conflict.bytes]) {
      await stranger.send(datagram, early.address);
    }
    await early.until("stun_unauthenticated", 3);
    assert.equal(early.ice.iceControlling, false);
  });
  assert.deepEqual(stranger.answers, []);
  assert.deepEqual(pair.ice.remoteCandidates.map(({ type }) => type), ["host"]);
  await pair.sendAudio();
});

Deno.test("A check of the peer's replayed from many addresses adds sixteen candidates", async () => {
  await using pair = await Pair.connect();
  const { localUsername: ufrag, localPassword: password } = pair.ice;
  const replayed = check({ ufrag, password, nominates: false, id: Buffer.alloc(12, 7) });
  for (let i = 0; i < 40; i++) {
    await using stranger = await Stranger.bind(`127.2.0.${i}`);
    await stranger.send(replayed, pair.address);
  }
  await pair.until("stun_too_many", 24);
  await pair.sendAudio();
  assert.equal(pair.ice.remoteCandidates.filter(({ type }) => type === "prflx").length, 16);
  assert.equal(pair.ice.candidatePairs.length, 17);
});

Deno.test("A STUN response without a request, or from another address, is refused", async () => {
  await using pair = await Pair.connect();
  await using stranger = await Stranger.bind();
  const { localPassword } = pair.ice;
  const answer = new Message(methods.BINDING, classes.RESPONSE).addMessageIntegrity(
    Buffer.from(localPassword),
  );
  await stranger.send(answer.bytes, pair.address);
  await pair.sendAsSender(answer.bytes);
  await pair.until("stun_unasked", 2);
  await pair.sendAudio();
});

Deno.test("After an ICE restart the peer uses the new credentials, and audio continues", async () => {
  await using pair = await Pair.connect();
  await pair.sendAudio();
  const before = pair.ice.localUsername;
  pair.sender.connection.restartIce();
  await pair.negotiate();
  assert.notEqual(pair.ice.localUsername, before);
  await eventually(() => iceOf(pair.sending).nominated !== undefined, () => "a nominated pair");
  await pair.sendAudio();
  assert.equal(pair.count("stun_unauthenticated"), 0);
  await pair.sendAsSender(dtlsRecord(pair.sending, ALERT, CLOSE_NOTIFY));
  await eventually(() => pair.ends === 1, () => "the end");
});

Deno.test("A role conflict is resolved: we switch and respond, or respond with 487", async () => {
  await using pair = await Pair.connect();
  const { localUsername: ufrag, localPassword: password } = pair.ice;
  const conflict = (tieBreaker: bigint) =>
    new Message(methods.BINDING, classes.REQUEST).setAttribute("USERNAME", `${ufrag}:them`)
      .setAttribute("PRIORITY", 1).setAttribute("ICE-CONTROLLED", tieBreaker)
      .addMessageIntegrity(Buffer.from(password)).addFingerprint().bytes;
  await using stranger = await Stranger.bind();
  const answered = async (datagram: Uint8Array) => {
    const before = stranger.answers.length;
    await stranger.send(datagram, pair.address);
    await eventually(() => stranger.answers.length > before, () => "an answer");
    return stranger.answers[before].readUInt16BE(0);
  };
  assert.equal(await answered(conflict(2n ** 64n - 1n)), 0x111, "Role Conflict");
  assert.equal(pair.ice.iceControlling, false);
  assert.equal(await answered(conflict(0n)), 0x101);
  assert.equal(pair.ice.iceControlling, true);
  await pair.sendAudio();
});

Deno.test("Credentials have enough random bits, and those of old restarts are removed", async () => {
  await using pair = await Pair.connect();
  const seen = new Set<string>();
  for (let i = 0; i < 5; i++) {
    seen.add(pair.ice.localUsername);
    assert.match(pair.ice.localUsername, /^u[0-9a-f]{8}$/);
    assert.match(pair.ice.localPassword, /^[0-9a-f]{32}$/);
    pair.sender.connection.restartIce();
    await pair.negotiate();
    await eventually(() => pair.ice.nominated !== undefined, () => "a nominated pair");
    await eventually(() => iceOf(pair.sending).nominated !== undefined, () => "a nominated pair");
  }
  assert.equal(seen.size, 5);
  assert.equal(Object.keys(pair.ice.userHistory).length, 2);
  assert.ok(pair.ice.localUsername in pair.ice.userHistory);
});

Deno.test("A restart whose checks get no response does not keep the connection from ending", async () => {
  await using pair = await Pair.connect();
  pair.sender.connection.restartIce();
  const offer = await pair.sender.setLocal(await pair.sender.connection.createOffer());
  await pair.receiver.connection.setRemoteDescription({ type: "offer", sdp: offer });
  await pair.receiver.setLocal(await pair.receiver.connection.createAnswer()); // which the sender never receives
  assert.equal(pair.ice.nominated, undefined);
});

Deno.test("Ten thousand checks of the peer leave 64 transaction IDs", async () => {
  await using pair = await Pair.connect();
  const [checked] = pair.ice.candidatePairs;
  for (let i = 0; i < 10_000; i++) checked.noteIncomingRequest(`${i}`);
  assert.ok(checked["requestTransactionIds"].size <= 64);
  const before = checked.retransmissionsReceived;
  checked.noteIncomingRequest("9999");
  assert.equal(checked.retransmissionsReceived, before + 1);
});

/** Against the vectors of RFC 7714 and of libsrtp's own validation. The sanitizers watch the ciphers. */
import assert from "@std/assert";
import { createHmac } from "node:crypto";
import { SrtcpCounterMode, SrtcpGcm, SrtcpReceiver, type SrtcpTransform, srtcpTransform } from "./srtcp.ts";
import { AEAD_AES_128_GCM, AES128_CM_HMAC_SHA1_80, deriveSrtpKey } from "./srtp_transform.ts";

const bytes = (hex: string) =>
  Uint8Array.from(hex.replaceAll(/\s/g, "").match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** RFC 7714, section 17: session keys, index 0x5d4. */
const GCM = new SrtcpGcm(bytes("000102030405060708090a0b0c0d0e0f"), bytes("517569642070726f2071756f"));
const MARS = bytes(`81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
  deadbeef deadbeef deadbeef deadbeef deadbeef`);
const MARS_ENCRYPTED = bytes(`81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
  c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4`);
const MARS_TAGGED = bytes(`81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
  deadbeef deadbeef deadbeef deadbeef deadbeef 841dd968 3dd78ec9 2ae58790 125f62b3 000005d4`);

/** What libsrtp sends first, of SSRC 0xcafebabe: sixteen bytes of 0xab, index 1. */
const AB = new Uint8Array([...bytes("81c8000bcafebabe"), ...new Uint8Array(16).fill(0xab)]);
const LIBSRTP: { name: string; transform: SrtcpTransform; packet: Uint8Array }[] = [
  {
    name: "AES128_CM_HMAC_SHA1_80",
    transform: srtcpTransform({
      profile: AES128_CM_HMAC_SHA1_80,
      key: bytes("e1f97a0d3e018be0d64fa32c06de4139"),
      salt: bytes("0ec675ad498afeebb6960b3aabe6"),
    }),
    packet: bytes("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798"),
  },
  {
    name: "AEAD_AES_128_GCM",
    transform: srtcpTransform({
      profile: AEAD_AES_128_GCM,
      key: bytes("000102030405060708090a0b0c0d0e0f"),
      salt: bytes("a0a1a2a3a4a5a6a7a8a9aaab"),
    }),
    packet: bytes(
      "81c8000bcafebabe c98b8b5df0392a55852b6c21ac8e7025 c52c6fbea2b3b446ea31123ba88ce61e 80000001",
    ),
  },
];
const PACKETS: [SrtcpTransform, Uint8Array][] = [
  [GCM, MARS_ENCRYPTED],
  [GCM, MARS_TAGGED],
  ...LIBSRTP.map(({ transform, packet }): [SrtcpTransform, Uint8Array] => [transform, packet]),
];

Deno.test("RFC 7714, 17.1 to 17.4: encrypted, and tagged only", () => {
  assert.deepEqual(GCM.seal(MARS, 0x5d4), MARS_ENCRYPTED);
  assert.deepEqual(GCM.open(MARS_ENCRYPTED), MARS);
  assert.deepEqual(GCM.open(MARS_TAGGED), MARS);
});

for (const { name, transform, packet } of LIBSRTP) {
  Deno.test(`${name} matches libsrtp with its master keys`, () => {
    assert.deepEqual(transform.open(packet), AB);
    assert.deepEqual(transform.seal(AB, 1), packet);
  });

  Deno.test(`${name}: packets of any length and index are received once`, () => {
    const receiver = new SrtcpReceiver(transform);
    for (const [index, length] of [8, 9, 24, 33, 1_400].entries()) {
      const rtcp = Uint8Array.from({ length }, (_, at) => at);
      const packet = transform.seal(rtcp, index);
      assert.equal(packet.length, length + 4 + transform.tagBytes);
      assert.deepEqual(receiver.receive(packet), rtcp);
      assert.equal(receiver.receive(packet), "rtcp_replayed");
    }
    for (const index of [0, 0xffff, 0x1_0000, 0x7fff_ffff]) {
      assert.deepEqual(new SrtcpReceiver(transform).receive(transform.seal(AB, index)), AB);
    }
  });
}

Deno.test("Without encryption AES128_CM_HMAC_SHA1_80 still authenticates", () => {
  const authenticationKey = new Uint8Array(20).fill(3);
  const transform = new SrtcpCounterMode(new Uint8Array(16), new Uint8Array(14), authenticationKey);
  const authenticated = new Uint8Array([...AB, 0, 0, 0, 9]);
  const hmac = createHmac("sha1", authenticationKey).update(authenticated).digest();
  const packet = new Uint8Array([...authenticated, ...hmac.subarray(0, 10)]);
  assert.deepEqual(transform.open(packet), AB);
  packet[AB.length] = 0x80; // "it is encrypted"
  assert.equal(transform.open(packet), undefined);
});

Deno.test("A packet with any bit changed does not open", () => {
  for (const [transform, packet] of PACKETS) {
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const tampered = packet.slice();
      tampered[bit >> 3] ^= 1 << (bit & 7);
      assert.equal(transform.open(tampered), undefined, `bit ${bit}`);
    }
    assert.notEqual(transform.open(packet), undefined, "and the packet itself still opens");
  }
});

Deno.test("The packet is not changed, and the result is a copy", () => {
  for (const [transform, packet] of PACKETS) {
    const before = packet.slice();
    const rtcp = transform.open(packet);
    assert.deepEqual(packet, before);
    assert.notEqual(rtcp?.buffer, packet.buffer);
  }
});

Deno.test("SRTCP's keys differ from SRTP's", () => {
  const [key, salt] = [new Uint8Array(16).fill(1), new Uint8Array(12).fill(2)];
  const srtp = new SrtcpGcm(deriveSrtpKey(key, salt, 0, 16), deriveSrtpKey(key, salt, 2, 12));
  const srtcp = srtcpTransform({ profile: AEAD_AES_128_GCM, key, salt });
  assert.equal(srtcp.open(srtp.seal(AB, 1)), undefined);
});

Deno.test("A forged packet changes no state and adds no source", () => {
  for (const { transform } of LIBSRTP) {
    const receiver = new SrtcpReceiver(transform);
    const forged = transform.seal(AB, 1_000);
    forged[12] ^= 1;
    for (let ssrc = 0; ssrc < 100; ssrc++) {
      forged[7] = ssrc;
      assert.equal(receiver.receive(forged), "rtcp_forged");
    }
    assert.deepEqual(receiver.receive(transform.seal(AB, 3)), AB);
    assert.deepEqual(receiver.receive(transform.seal(AB, 2)), AB);
  }
});

Deno.test("The last 64 indices are distinguished, older ones are refused", () => {
  for (const { transform } of LIBSRTP) {
    const receiver = new SrtcpReceiver(transform);
    for (const index of [0x1_0003, 0x1_0001, 0xffff, 0xffc4]) {
      assert.deepEqual(receiver.receive(transform.seal(AB, index)), AB);
    }
    for (const index of [0x1_0003, 0x1_0001, 0xffff, 0xffc4, 0xffc3, 0]) {
      assert.equal(receiver.receive(transform.seal(AB, index)), "rtcp_replayed", `${index}`);
    }
    assert.deepEqual(receiver.receive(transform.seal(AB, 0x1_0002)), AB);
  }
});

Deno.test("After 64 sources new ones are refused, and those continue", () => {
  const [{ transform }] = LIBSRTP;
  const receiver = new SrtcpReceiver(transform);
  const from = (ssrc: number, index: number) => {
    const rtcp = AB.slice();
    rtcp[7] = ssrc;
    return transform.seal(rtcp, index);
  };
  for (let ssrc = 0; ssrc < 64; ssrc++) assert.ok(receiver.receive(from(ssrc, 1)) instanceof Uint8Array);
  assert.equal(receiver.receive(from(64, 1)), "rtcp_too_many_sources");
  assert.ok(receiver.receive(from(0, 2)) instanceof Uint8Array);
});

Deno.test("Packets too short for header, index and tag are malformed", () => {
  for (const { transform, packet } of LIBSRTP) {
    const least = 12 + transform.tagBytes;
    for (let length = 0; length < least; length++) {
      assert.equal(new SrtcpReceiver(transform).receive(packet.subarray(0, length)), "rtcp_malformed");
    }
    assert.equal(new SrtcpReceiver(transform).receive(packet.subarray(0, least)), "rtcp_forged");
  }
});

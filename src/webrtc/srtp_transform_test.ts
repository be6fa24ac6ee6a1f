/** Against the vectors of the RFCs, and two packets of libsrtp's own validation. The sanitizers watch the ciphers. */
import assert from "@std/assert";
import {
  AEAD_AES_128_GCM,
  AES128_CM_HMAC_SHA1_80,
  CounterModeTransform,
  deriveSrtpKey,
  GcmTransform,
  type SrtpTransform,
  srtpTransform,
} from "./srtp_transform.ts";

const bytes = (hex: string) =>
  Uint8Array.from(hex.replaceAll(/\s/g, "").match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** RFC 7714, section 16.1.1. */
const GCM = new GcmTransform(
  bytes("000102030405060708090a0b0c0d0e0f"),
  new TextEncoder().encode("Quid pro quo"),
);
const GALLIA = bytes(`8040f17b 8041f8d3 5501a0b2
  f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833
  899d7f27 beb16a91 52cf765e e4390cce`);
const GALLIA_SSRC = 0x5501a0b2;

/** What libsrtp sends with SSRC 0xcafebabe, sequence number 0x1234: sixteen bytes of 0xab. */
const LIBSRTP: { profile: number; key: string; salt: string; packet: string }[] = [
  {
    profile: AES128_CM_HMAC_SHA1_80,
    key: "e1f97a0d3e018be0d64fa32c06de4139",
    salt: "0ec675ad498afeebb6960b3aabe6",
    packet: "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb",
  },
  {
    profile: AEAD_AES_128_GCM,
    key: "000102030405060708090a0b0c0d0e0f",
    salt: "a0a1a2a3a4a5a6a7a8a9aaab",
    packet: "800f1234decafbadcafebabe c5002ede04cfdd2eb91159e0880aa06e d2976826f796b201df3131a127e8a392",
  },
];

/** Each transform with a packet that it opens. */
const PACKETS: [SrtpTransform, Uint8Array, number][] = [
  [GCM, GALLIA, GALLIA_SSRC],
  ...LIBSRTP.map(({ profile, key, salt, packet }): [SrtpTransform, Uint8Array, number] => [
    srtpTransform({ profile, key: bytes(key), salt: bytes(salt) }),
    bytes(packet),
    0xcafebabe,
  ]),
];

Deno.test("RFC 7714, 16.1.1: AEAD_AES_128_GCM", () => {
  const payload = GCM.open(GALLIA, 12, GALLIA_SSRC, 0);
  assert.equal(new TextDecoder().decode(payload), "Gallia est omnis divisa in partes tres");
});

Deno.test("RFC 3711, B.2: AES in counter mode", () => {
  const stream = bytes(`e03ead0935c95e80e166b16dd92b4eb4 d23513162b02d0f72a43a2fe4a5f97ab
    41e95b3bb0a2e8dd477901e4fca894c0`);
  // The vector has SSRC 0 and index 0, and no authentication: the tag is HMAC-SHA1's under a key of zeros.
  const transform = new CounterModeTransform(
    bytes("2b7e151628aed2a6abf7158809cf4f3c"),
    bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfd"),
    new Uint8Array(20),
  );
  const packet = new Uint8Array([
    128,
    111,
    ...Array(10).fill(0),
    ...stream,
    ...bytes("0484990187d6fff538d9"),
  ]);
  assert.deepEqual(transform.open(packet, 12, 0, 0), new Uint8Array(stream.length));
});

Deno.test("RFC 3711, B.3: session keys", () => {
  const key = bytes("e1f97a0d3e018be0d64fa32c06de4139");
  const salt = bytes("0ec675ad498afeebb6960b3aabe6");
  assert.deepEqual(deriveSrtpKey(key, salt, 0, 16), bytes("c61e7a93744f39ee10734afe3ff7a087"));
  assert.deepEqual(deriveSrtpKey(key, salt, 2, 14), bytes("30cbbc08863d8c85d49db34a9ae1"));
  const authentication = bytes(`cebe321f6ff7716b6fd4ab49af256a15 6d38baa48f0a0acf3c34e2359e6cdbce
    e049646c43d9327ad175578ef7227098 6371c10c9a369ac2f94a8c5fbcdddc25
    6d6e919a48b610ef17c2041e47403576 6b68642c59bbfc2f34db60dbdfb2`);
  assert.deepEqual(deriveSrtpKey(key, salt, 1, 94), authentication);
});

Deno.test("Packets of libsrtp open with their master keys", () => {
  for (const [transform, packet, ssrc] of PACKETS.slice(1)) {
    assert.deepEqual(transform.open(packet, 12, ssrc, 0), new Uint8Array(16).fill(0xab));
  }
});

Deno.test("One bit changed anywhere, or another rollover counter, and nothing comes out", () => {
  for (const [transform, packet, ssrc] of PACKETS) {
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const tampered = packet.slice();
      tampered[bit >> 3] ^= 1 << (bit & 7);
      assert.equal(transform.open(tampered, 12, ssrc, 0), undefined, `bit ${bit}`);
    }
    assert.equal(transform.open(packet.subarray(0, -1), 12, ssrc, 0), undefined);
    assert.equal(transform.open(packet, 12, ssrc, 1), undefined);
    assert.notEqual(transform.open(packet, 12, ssrc, 0), undefined, "and the packet itself still opens");
  }
});

Deno.test("The packet stays as it was, and the payload has memory of its own", () => {
  for (const [transform, packet, ssrc] of PACKETS) {
    const before = packet.slice();
    const payload = transform.open(packet, 12, ssrc, 0);
    assert.deepEqual(packet, before);
    assert.equal(payload?.constructor, Uint8Array);
    assert.equal(payload?.buffer.byteLength, payload?.length);
  }
});

/** Against the vectors of the RFCs, two packets of libsrtp's own validation, and packets that node:crypto protects. */
import assert from "@std/assert";
import { createCipheriv, createHmac, randomBytes, randomInt } from "node:crypto";
import {
  AEAD_AES_128_GCM,
  AES128_CM_HMAC_SHA1_80,
  deriveSrtpKey,
  PACKET_BYTES_MAX,
  SrtpTransform,
  srtpTransform,
} from "./srtp_transform.ts";

const bytes = (hex: string) =>
  Uint8Array.from(hex.replaceAll(/\s/g, "").match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** RFC 7714, section 16.1.1. */
const GCM = SrtpTransform.gcm(
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
  const transform = SrtpTransform.counterMode(
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

Deno.test("A packet with any bit or the rollover counter changed does not open", () => {
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

Deno.test("The packet is not changed", () => {
  for (const [transform, packet, ssrc] of PACKETS) {
    const before = packet.slice();
    const payload = transform.open(packet, 12, ssrc, 0);
    assert.equal(payload?.constructor, Uint8Array);
    assert.deepEqual(packet, before);
  }
});

/** A packet's header and what of the other side's state its protection depends on. */
interface Clear {
  header: Uint8Array;
  payload: Uint8Array;
  ssrc: number;
  rollovers: number;
}

/** Session keys with a transform for them, and their use by node:crypto. */
interface Sealing {
  transform: SrtpTransform;
  seal(clear: Clear): Uint8Array;
}

/** Random in all but its length. */
function clearOf(payloadBytes: number): Clear {
  const header = new Uint8Array(randomBytes(12 + 4 * randomInt(20)));
  const ssrc = randomBytes(4).readUint32BE();
  new DataView(header.buffer).setUint32(8, ssrc);
  return {
    header,
    payload: new Uint8Array(randomBytes(payloadBytes)),
    ssrc,
    rollovers: randomBytes(4).readUint32BE(),
  };
}

/** RFC 3711, section 4.1.1, and RFC 7714, section 8.1: they put the same in different places. */
function nonceOf(
  salt: Uint8Array,
  length: number,
  ssrcAt: number,
  { header, ssrc, rollovers }: Clear,
): Uint8Array {
  const nonce = new Uint8Array(length);
  const view = new DataView(nonce.buffer);
  view.setUint32(ssrcAt, ssrc);
  view.setUint32(ssrcAt + 4, rollovers);
  nonce.set(header.subarray(2, 4), ssrcAt + 8);
  return nonce.map((byte, at) => byte ^ (salt[at] ?? 0));
}

function gcmSealing(): Sealing {
  const [key, salt] = [randomBytes(16), randomBytes(12)];
  const seal = (clear: Clear) => {
    const cipher = createCipheriv("aes-128-gcm", key, nonceOf(salt, 12, 2, clear));
    cipher.setAAD(clear.header);
    const encrypted = cipher.update(clear.payload);
    cipher.final();
    return new Uint8Array([...clear.header, ...encrypted, ...cipher.getAuthTag()]);
  };
  return { transform: SrtpTransform.gcm(key, salt), seal };
}

function counterModeSealing(): Sealing {
  const [key, salt, authenticationKey] = [randomBytes(16), randomBytes(14), randomBytes(20)];
  const seal = (clear: Clear) => {
    const cipher = createCipheriv("aes-128-ctr", key, nonceOf(salt, 16, 4, clear));
    const authenticated = new Uint8Array([...clear.header, ...cipher.update(clear.payload)]);
    cipher.final();
    const rollovers = new Uint8Array(4);
    new DataView(rollovers.buffer).setUint32(0, clear.rollovers);
    const tag = createHmac("sha1", authenticationKey).update(authenticated).update(rollovers).digest();
    return new Uint8Array([...authenticated, ...tag.subarray(0, 10)]);
  };
  return { transform: SrtpTransform.counterMode(key, salt, authenticationKey), seal };
}

const SEALINGS = [gcmSealing, counterModeSealing];

Deno.test("What node:crypto protects opens at every size up to 1500, and not with a bit changed", () => {
  for (const sealing of SEALINGS) {
    for (let from = 0; from <= 1_500; from += 100) {
      const { transform, seal } = sealing(); // other keys now and then
      using _ = transform;
      for (let size = from; size < from + 100; size++) {
        const clear = clearOf(size);
        const packet = seal(clear);
        const { header, ssrc, rollovers } = clear;
        assert.deepEqual(
          transform.open(packet, header.length, ssrc, rollovers),
          clear.payload,
          `${size} bytes`,
        );
        packet[randomInt(packet.length)] ^= 1 << randomInt(8);
        assert.equal(transform.open(packet, header.length, ssrc, rollovers), undefined);
      }
    }
  }
});

Deno.test("The longest packet opens, one byte more does not, and nothing beside it is overwritten", () => {
  for (const sealing of SEALINGS) {
    const { transform, seal } = sealing();
    const clear = clearOf(0);
    const payloadBytes = PACKET_BYTES_MAX - clear.header.length - transform.tagBytes;
    const longest = { ...clear, payload: new Uint8Array(randomBytes(payloadBytes)) };
    const { header, ssrc, rollovers } = clear;
    const open = (packet: Uint8Array) => transform.open(packet, header.length, ssrc, rollovers);
    assert.deepEqual(open(seal(longest)), longest.payload);
    const longer = { ...clear, payload: new Uint8Array(payloadBytes + 1) };
    assert.equal(open(seal(longer)), undefined);
    assert.equal(open(new Uint8Array(100_000).fill(255)), undefined);
    assert.deepEqual(open(seal(longest)), longest.payload);
    transform[Symbol.dispose]();
  }
});

Deno.test("A packet shorter than its header or tag does not open", () => {
  for (const [transform, packet, ssrc] of PACKETS) {
    for (
      const headerBytes of [0, 11, packet.length - transform.tagBytes + 1, packet.length + 1, -1, Infinity]
    ) {
      assert.equal(transform.open(packet, headerBytes, ssrc, 0), undefined, `${headerBytes}`);
    }
    for (const length of [0, 1, 12, transform.tagBytes, 11 + transform.tagBytes]) {
      assert.equal(transform.open(packet.subarray(0, length), 12, ssrc, 0), undefined, `${length}`);
    }
  }
});

Deno.test("A disposed session opens nothing, and disposing it again does not end the next one", () => {
  for (const sealing of SEALINGS) {
    const before = sealing();
    const clear = clearOf(20);
    const packet = before.seal(clear);
    const { header, payload, ssrc, rollovers } = clear;
    const open = ({ transform }: Sealing, of: Uint8Array) =>
      transform.open(of, header.length, ssrc, rollovers);
    assert.deepEqual(open(before, packet), payload);
    before.transform[Symbol.dispose]();
    assert.equal(open(before, packet), undefined);
    const after = sealing(); // in the same place
    before.transform[Symbol.dispose]();
    assert.equal(open(before, packet), undefined);
    assert.equal(open(after, packet), undefined);
    assert.deepEqual(open(after, after.seal(clear)), payload);
    after.transform[Symbol.dispose]();
  }
});

Deno.test("2,048 sessions at most, each with its own keys; a disposed one can be replaced", () => {
  const sealings: Sealing[] = [];
  try {
    assert.throws(() => {
      for (;;) sealings.push(SEALINGS[sealings.length % 2]());
    }, new RangeError("Cannot receive SRTP: too many sessions are open"));
    assert.ok(sealings.length > 2_000 && sealings.length <= 2_048, `${sealings.length}`);
    for (const { transform, seal } of sealings) {
      const clear = clearOf(10);
      assert.deepEqual(
        transform.open(seal(clear), clear.header.length, clear.ssrc, clear.rollovers),
        clear.payload,
      );
    }
    sealings[7].transform[Symbol.dispose]();
    sealings[7] = gcmSealing();
    assert.throws(gcmSealing, RangeError);
  } finally {
    for (const { transform } of sealings) transform[Symbol.dispose]();
  }
});

/** What the module gives; its memory begins anew with each instance. */
interface Instance {
  memory: WebAssembly.Memory;
  bufferAddress(): number;
  startGcm(): number;
  startCounterMode(): number;
  end(slot: number): void;
}

async function newInstance(): Promise<Instance> {
  const file = await Deno.readFile(new URL("./srtp_crypto.wasm", import.meta.url));
  const { instance } = await WebAssembly.instantiate(file);
  return instance.exports as unknown as Instance;
}

Deno.test("Memory starts at 64 KiB, is 448 KiB with 500 sessions and 1.75 MiB with all, and is reused", async () => {
  const { memory, startGcm, startCounterMode, end } = await newInstance();
  const kibibytes = () => memory.buffer.byteLength / 1024;
  assert.equal(kibibytes(), 64);
  for (let slot = 0; slot < 500; slot++) assert.equal(slot % 2 ? startGcm() : startCounterMode(), slot);
  assert.equal(kibibytes(), 448);
  for (let round = 0; round < 100; round++) {
    for (let slot = 0; slot < 500; slot++) end(slot);
    for (let slot = 0; slot < 500; slot++) startGcm();
  }
  assert.equal(kibibytes(), 448);
  for (let slot = 500; slot < 2_048; slot++) assert.equal(startGcm(), slot);
  assert.deepEqual([startGcm(), startCounterMode()], [-1, -1]);
  assert.equal(kibibytes(), 1_792);
});

Deno.test("Keys remain neither in the shared buffer nor, after dispose, in the session", async () => {
  const { memory, bufferAddress, startGcm, end } = await newInstance();
  const salt = randomBytes(12); // kept as it is, so it can be looked for
  const held = () => new Uint8Array(memory.buffer, bufferAddress());
  const found = () =>
    Array.from(held().keys()).filter((at) => salt.every((byte, n) => held()[at + n] === byte));
  held().set(randomBytes(16));
  held().set(salt, 16);
  const slot = startGcm();
  assert.deepEqual(held().subarray(0, 28), new Uint8Array(28));
  assert.equal(found().length, 1);
  end(slot);
  assert.equal(found().length, 0);
});

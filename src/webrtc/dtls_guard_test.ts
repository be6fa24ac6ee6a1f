import assert from "@std/assert";
import { DtlsGuard, type DtlsView } from "./dtls_guard.ts";
import type { DtlsRecord } from "./dtls_records.ts";

/** Encrypted content is its own plaintext here; content that begins with this byte does not decrypt. */
const FORGED = 0xff;

interface State {
  phase?: DtlsView["phase"];
  isClient?: boolean;
  isPeer?: boolean;
}

function view({ phase = "handshake", isClient = true, isPeer = true }: State = {}): DtlsView {
  const decrypt = ({ fragment }: DtlsRecord) => fragment[0] === FORGED ? undefined : fragment;
  return { phase, isClient, isPeer, decrypt };
}

function record(type: number, epoch: number, fragment: readonly number[], version = [254, 253]): number[] {
  const { length } = fragment;
  return [type, ...version, 0, epoch, 0, 0, 0, 0, 0, 1, length >> 8, length & 255, ...fragment];
}

function message(
  type: number,
  { length = 4, sequence = 0, offset = 0, bytes = length }: {
    length?: number;
    sequence?: number;
    offset?: number;
    bytes?: number;
  } = {},
): number[] {
  const three = (number: number) => [number >> 16, number >> 8 & 255, number & 255];
  return [
    type,
    ...three(length),
    sequence >> 8,
    sequence & 255,
    ...three(offset),
    ...three(bytes),
    ...Array(bytes).fill(0),
  ];
}

const SERVER_HELLO = record(22, 0, message(2));
const CHANGE_CIPHER_SPEC = record(20, 0, [1]);
const FINISHED = record(22, 1, message(20, { length: 12, sequence: 5 }));
const CLOSE_NOTIFY = [1, 0];

function judged(bytes: readonly number[], state?: State, guard = new DtlsGuard(), nowMs = 0): unknown {
  const verdict = guard.judge(Uint8Array.from(bytes), nowMs, view(state));
  return typeof verdict === "string" ? verdict : verdict.map((part) => [...part]);
}

Deno.test("A server's flights pass during the handshake", () => {
  const flights = [
    SERVER_HELLO,
    record(22, 0, message(3), [254, 255]),
    record(22, 0, [...message(11), ...message(12), ...message(13), ...message(14, { length: 0 })]),
    record(22, 0, message(11, { length: 3_000, offset: 1_000, bytes: 1_000 })),
  ];
  for (const flight of flights) assert.deepEqual(judged(flight), [flight]);
  assert.deepEqual(judged([...CHANGE_CIPHER_SPEC, ...FINISHED]), [CHANGE_CIPHER_SPEC, FINISHED]);
});

Deno.test("A client's flights pass to a server only", () => {
  const hello = record(22, 0, message(1));
  const answer = record(22, 0, [...message(11), ...message(16), ...message(15)]);
  for (const flight of [hello, answer]) {
    assert.deepEqual(judged(flight, { isClient: false }), [flight]);
    assert.equal(judged(flight), "dtls_unexpected");
  }
  assert.equal(judged(SERVER_HELLO, { isClient: false }), "dtls_unexpected");
});

Deno.test("A client's last flight passes in one datagram, although its keys depend on messages in it", () => {
  const plain = record(22, 0, [...message(11), ...message(16), ...message(15)]);
  const finished = record(22, 1, [FORGED, 0, 0]); // cannot be decrypted yet
  const passed = judged([...plain, ...CHANGE_CIPHER_SPEC, ...finished], { isClient: false });
  assert.deepEqual(passed, [plain, CHANGE_CIPHER_SPEC, finished]);
  const guard = new DtlsGuard();
  const verdicts = Array.from({ length: 100 }, () => judged(finished, {}, guard));
  assert.equal(verdicts.filter((verdict) => verdict === "dtls_too_much").length, 80, "20 a second pass");
});

Deno.test("Nothing passes from a stranger, and nothing after the end", () => {
  for (const phase of ["handshake", "connected", "ended"] as const) {
    for (const flight of [SERVER_HELLO, FINISHED, record(21, 1, CLOSE_NOTIFY)]) {
      assert.equal(judged(flight, { phase, isPeer: false }), "dtls_stranger");
    }
  }
  assert.equal(judged(FINISHED, { phase: "ended" }), "dtls_unexpected");
});

Deno.test("A malformed or truncated record makes the whole datagram malformed", () => {
  const malformed = [
    [0x19, 0xfe, 0xfd, ...Array(10).fill(0)], // the content type that closed werift's associations
    record(24, 0, []),
    record(22, 0, message(2), [3, 3]),
    SERVER_HELLO.slice(0, -1),
    [...SERVER_HELLO, 22],
    [22],
  ];
  for (const phase of ["handshake", "connected"] as const) {
    for (const bytes of malformed) assert.equal(judged(bytes, { phase }), "dtls_malformed");
  }
  assert.equal(judged(record(22, 0, message(2).slice(0, -1))), "dtls_malformed");
  assert.equal(judged(record(22, 0, message(2, { length: 4, offset: 3, bytes: 4 }))), "dtls_malformed");
  assert.equal(judged(record(22, 0, [])), "dtls_malformed");
});

Deno.test("During the handshake no alert passes, no data, no plaintext Finished", () => {
  for (
    const bytes of [
      record(21, 0, CLOSE_NOTIFY),
      record(21, 0, [2, 40]),
      record(21, 1, CLOSE_NOTIFY),
      record(23, 0, [1]),
      record(23, 1, [1]),
      record(22, 0, message(20, { length: 12 })),
      record(22, 0, message(0, { length: 0 })),
      record(22, 2, message(20, { length: 12 })),
    ]
  ) assert.equal(judged(bytes), "dtls_unexpected");
});

Deno.test("A handshake is bounded: message length and sequence, total bytes and fragments", () => {
  assert.equal(judged(record(22, 0, message(11, { length: 20_000, bytes: 100 }))), "dtls_too_much");
  assert.equal(judged(record(22, 0, message(11, { sequence: 17 }))), "dtls_too_much");
  const passed = (flight: number[]) => {
    const guard = new DtlsGuard();
    const verdicts = Array.from({ length: 1_000 }, () => judged(flight, {}, guard));
    const first = verdicts.findIndex((verdict) => verdict === "dtls_too_much");
    assert.ok(
      verdicts.slice(first).every((verdict) => verdict === "dtls_too_much"),
      "none passes after the first refusal",
    );
    return first;
  };
  assert.equal(passed(record(22, 0, message(11, { length: 1_200, bytes: 1_188 }))), 54, "64 KB");
  assert.equal(passed(record(22, 0, message(14, { length: 0 }))), 256);
});

Deno.test("After the handshake no plaintext passes", () => {
  for (const isClient of [true, false]) {
    const flights = [
      SERVER_HELLO,
      CHANGE_CIPHER_SPEC,
      record(22, 0, message(1)),
      record(21, 0, CLOSE_NOTIFY),
    ];
    for (const bytes of flights) {
      assert.equal(judged(bytes, { phase: "connected", isClient }), "dtls_unprotected");
    }
  }
});

Deno.test("Of a retransmitted flight only the Finished passes to a server, and nothing to a client", () => {
  const flight = [...record(22, 0, message(16)), ...CHANGE_CIPHER_SPEC, ...FINISHED];
  assert.deepEqual(judged(flight, { phase: "connected", isClient: false }), [FINISHED]);
  assert.equal(judged(flight, { phase: "connected" }), "dtls_unprotected");
  assert.equal(judged(FINISHED, { phase: "connected" }), "dtls_unexpected");
  const hello = record(22, 1, message(1));
  assert.equal(judged(hello, { phase: "connected", isClient: false }), "dtls_unexpected", "renegotiation");
});

Deno.test("An alert ends the association when it decrypts and is close_notify or fatal", () => {
  const alert = (...content: number[]) => judged(record(21, 1, content), { phase: "connected" });
  assert.equal(alert(...CLOSE_NOTIFY), "ended");
  assert.equal(alert(2, 20), "ended");
  assert.equal(alert(1, 100), "dtls_unexpected", "no_renegotiation is a warning");
  assert.equal(alert(FORGED, 0), "dtls_forged");
  assert.equal(judged(record(21, 2, CLOSE_NOTIFY), { phase: "connected" }), "dtls_unexpected");
});

Deno.test("After the handshake data passes when it decrypts", () => {
  const data = record(23, 1, [1, 2, 3]);
  assert.deepEqual(judged(data, { phase: "connected" }), [data]);
  assert.equal(judged(record(23, 1, [FORGED]), { phase: "connected" }), "dtls_forged");
});

Deno.test("Twenty records a second are decrypted", () => {
  const guard = new DtlsGuard();
  const forged = record(21, 1, [FORGED, 0]);
  const counts = new Map<unknown, number>();
  for (let i = 0; i < 1_000; i++) {
    const verdict = judged(forged, { phase: "connected" }, guard);
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  }
  assert.deepEqual([...counts], [["dtls_forged", 20], ["dtls_too_much", 980]]);
  assert.equal(judged(record(21, 1, CLOSE_NOTIFY), { phase: "connected" }, guard, 1_000), "ended");
});

Deno.test("A hundred thousand random datagrams throw no error and end nothing", () => {
  let seed = 1;
  const random = (below: number) => {
    seed = Math.imul(seed, 1_103_515_245) + 12_345 >>> 0;
    return (seed >>> 8) % below;
  };
  const guard = new DtlsGuard();
  for (let i = 0; i < 100_000; i++) {
    const bytes = Uint8Array.from({ length: random(60) }, () => random(256));
    if (i % 2 === 0 && bytes.length > 13) bytes.set([20 + random(4), 254, 253, 0, random(3)]);
    const phase = i % 3 === 0 ? "handshake" : "connected";
    const verdict = guard.judge(bytes, i, { ...view({ phase }), decrypt: () => undefined });
    assert.notEqual(verdict, "ended");
  }
});

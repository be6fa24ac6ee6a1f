import assert from "@std/assert";
import { LIMITS } from "../domain/mod.ts";
import { EarlyCandidates, PeerAddresses, usableCandidate } from "./candidates.ts";

const HOST = "candidate:1 1 udp 2015363327 192.0.2.7 20000 typ host";

Deno.test("IPv4, IPv6 and relayed candidates are usable", () => {
  for (
    const candidate of [
      HOST,
      "candidate:1 1 UDP 1 2001:db8::7 20000 typ host",
      "candidate:1 1 udp 1 198.51.100.1 5000 typ relay raddr 192.0.2.7 rport 5001 generation 0",
    ]
  ) assert.equal(usableCandidate({ candidate, sdpMid: "", sdpMLineIndex: 7 }), candidate);
});

Deno.test("An IPv6 address is written as the kernel does", () => {
  const written = (address: string) => `candidate:1 1 udp 1 ${address} 20000 typ host`;
  assert.equal(usableCandidate({ candidate: written("2001:DB8:0:0:0:0:0:7") }), written("2001:db8::7"));
});

Deno.test("Names, TCP, the end of candidates and malformed candidates are not usable", () => {
  for (
    const candidate of [
      "",
      " ",
      "end-of-candidates",
      "candidate:1 1 udp 1 host.local 20000 typ host",
      "candidate:1 1 udp 1 example.org 20000 typ host",
      "candidate:1 1 udp 1 192.0.2.7 port typ host",
      "candidate:1 1 udp 1 192.0.2.777 20000 typ host",
      "candidate:1 1 udp 1 fe80::7 20000 typ host",
      "candidate:1 1 udp 1 2001:db8::7::1 20000 typ host",
      "candidate:1 1 udp 1 2001:db8::7%eth0 20000 typ host",
      "candidate:1 1 udp 1 2001:db8::1%eth0::7 20000 typ host",
      "candidate:1 1 tcp 1 192.0.2.7 9 typ host tcptype active",
      HOST + " x".repeat(1_000),
    ]
  ) assert.equal(usableCandidate({ candidate }), undefined, candidate);
});

Deno.test("Addresses that are not unicast, and invalid ports, are not usable", () => {
  const of = (address: string, port = "20000") =>
    usableCandidate({ candidate: `candidate:1 1 udp 1 ${address} ${port} typ host` });
  for (
    const address of [
      "0.0.0.0",
      "0.1.2.3",
      "224.0.0.251",
      "239.255.255.250",
      "255.255.255.255",
      "::",
      "::ffff:192.0.2.7",
      "::ffff:224.0.0.1",
      "ff02::fb",
      "FF05::1",
    ]
  ) assert.equal(of(address), undefined, address);
  assert.ok(of("223.255.255.254"));
  assert.equal(of("192.0.2.7", "0"), undefined);
  assert.equal(of("192.0.2.7", "65536"), undefined);
});

Deno.test("Sixteen addresses of a peer are checked, from its offer and after it, and again after an ICE restart", () => {
  const candidates = (first: number, count: number) =>
    Array.from({ length: count }, (_, i) => `candidate:1 1 udp 1 192.0.2.${first + i} 20000 typ host`);
  const checked = (sdp: string) => sdp.split("\r\n").filter((line) => line.startsWith("a=candidate:")).length;
  const addresses = new PeerAddresses();
  const offer = (ufrag: string, of: string[]) =>
    addresses.describe({ sdp: "v=0\r\n", ufrag, candidates: of });
  assert.equal(offer("u", candidates(1, 2)), `v=0\r\na=${candidates(1, 2).join("\r\na=")}\r\n`);
  assert.equal(checked(offer("u", candidates(3, 10))), 10);
  assert.deepEqual(candidates(20, 6).map((each) => addresses.admits(each)), [
    ...Array(4).fill(true),
    false,
    false,
  ]);
  assert.equal(checked(offer("u", candidates(1, 2))), 2, "known ones stay admitted");
  assert.equal(checked(offer("u", candidates(100, 1))), 0);
  assert.equal(checked(offer("v", candidates(100, 100))), 16);
});

Deno.test("Early candidates wait by sid, in order, and are returned once", () => {
  const early = new EarlyCandidates();
  for (const [sid, candidate] of [["a", "1"], ["b", "2"], ["a", "3"]]) early.add(sid, candidate);
  assert.deepEqual(early.take("a"), ["1", "3"]);
  assert.deepEqual(early.take("a"), []);
  assert.deepEqual(early.take("b"), ["2"]);
});

Deno.test("Too many early candidates drop the oldest, of any sid", () => {
  const early = new EarlyCandidates();
  early.add("old", "first");
  for (let count = 0; count < LIMITS.earlyCandidates; count++) early.add("new", `${count}`);
  assert.deepEqual(early.take("old"), []);
  assert.equal(early.take("new").length, LIMITS.earlyCandidates);
});

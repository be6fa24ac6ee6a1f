import assert from "@std/assert";
import { readIceServers } from "./ice_servers.ts";

const turn = (...urls: string[]) => ({ urls, username: "u", credential: "c" });
const waysOf = (...urls: string[]) =>
  readIceServers([turn(...urls)]).turn.map(({ ways }) =>
    ways.map(({ transport, host, port }) => `${transport} ${host} ${port}`)
  );

Deno.test("A TURN server is tried over UDP, then TCP, then TLS, in whatever order they are configured", () => {
  assert.deepEqual(waysOf("turns:a:443?transport=tcp", "turn:a:80?transport=tcp", "turn:a"), [
    ["udp a 3478", "tcp a 80", "tls a 443"],
  ]);
});

Deno.test("With only UDP configured, TCP is tried at the same port", () => {
  assert.deepEqual(waysOf("turn:a:99?transport=udp"), [["udp a 99", "tcp a 99"]]);
  assert.deepEqual(waysOf("turn:a?transport=tcp"), [["tcp a 3478"]]);
});

Deno.test("IPv6 addresses, default ports and spellings that browsers accept", () => {
  assert.deepEqual(waysOf("turns:[2001:db8::1]"), [["tls 2001:db8::1 5349"]]);
  assert.deepEqual(waysOf(" TURN://a:1?transport=TCP "), [["tcp a 1"]]);
  assert.deepEqual(readIceServers([{ urls: ["stun:a", "stun:[2001:db8::1]:5"] }]).stun, [
    ["a", 3_478],
    ["2001:db8::1", 5],
  ]);
});

Deno.test("Several entries of one server are merged; several servers are not", () => {
  const servers = [
    turn("turn:a?transport=udp"),
    turn("turn:a?transport=tcp"),
    turn("turns:a"),
    turn("turn:b?transport=tcp"),
  ];
  assert.deepEqual(
    readIceServers(servers).turn.map(({ ways }) => ways.map(({ transport, host }) => transport + host)),
    [["udpa", "tcpa", "tlsa"], ["tcpb"]],
  );
});

Deno.test("Unusable servers are ignored, and their number is bounded", () => {
  for (
    const url of ["turn:", "turn:a:0", "turn:a:70000", "turns:a?transport=udp", "http://a", "turn:[a]:1"]
  ) {
    assert.deepEqual(waysOf(url), [], url);
  }
  assert.deepEqual(readIceServers([{ urls: ["turn:a"] }, { urls: ["stuns:a"] }]), { stun: [], turn: [] });
  const many = Array.from(
    { length: 9 },
    (_, i) => [turn(`turn:t${i}?transport=tcp`), { urls: [`stun:s${i}`] }],
  );
  const { stun, turn: servers } = readIceServers(many.flat());
  assert.deepEqual([stun.length, servers.length], [2, 4]);
  assert.deepEqual(servers.map(({ ways }) => ways[0].host), ["t0", "t1", "t2", "t3"]);
  assert.equal(waysOf(...Array.from({ length: 9 }, (_, i) => `turn:a:${i + 1}?transport=tcp`))[0].length, 4);
});

import assert from "@std/assert";
import { filterOf } from "./udp_filter.ts";
import type { Address } from "./udp_socket.ts";

/** Does what the kernel does with a program, to the headers of a datagram. */
function lets(program: Uint8Array<ArrayBuffer>, ip: readonly number[], port: number): boolean {
  const view = new DataView(program.buffer);
  const headers = new DataView(Uint8Array.from(ip).buffer);
  let accumulator = 0;
  for (let at = 0;; at += 8) {
    const operand = view.getUint32(at + 4, true);
    switch (view.getUint16(at, true)) {
      case 0x20:
        accumulator = headers.getUint32(operand - 0xfff0_0000);
        break;
      case 0x28:
        assert.equal(operand, 0);
        accumulator = port;
        break;
      case 0x15:
        at += 8 * view.getUint8(at + (accumulator === operand ? 2 : 3));
        break;
      case 0x06:
        return operand > 0;
      default:
        assert.fail("no such operation");
    }
  }
}

const ipv4 = (host: string) => [...Array(12).fill(0), ...host.split(".").map(Number), 127, 0, 0, 1];
const ipv6 = (...groups: number[]) => [
  ...Array(8).fill(0),
  ...groups.flatMap((group) => [group >> 8, group & 255]),
  ...Array(16).fill(1),
];

Deno.test("Datagrams from these addresses pass, others are dropped", () => {
  const program = filterOf(4, [["192.0.2.1", 5_000], ["203.0.113.255", 65_535], ["::1", 5_000]]);
  assert.ok(lets(program, ipv4("192.0.2.1"), 5_000));
  assert.ok(lets(program, ipv4("203.0.113.255"), 65_535));
  const others: [string, number][] = [["192.0.2.1", 5_001], ["192.0.2.2", 5_000], ["203.0.113.255", 5_000]];
  for (const [host, port] of others) assert.ok(!lets(program, ipv4(host), port), `${host} ${port}`);
});

Deno.test("The same with IPv6, in any spelling of an address", () => {
  const written: Address[] = [["2001:DB8:0::1:0:2", 9], ["::", 1], ["::ffff:192.0.2.1", 2], ["192.0.2.1", 9]];
  const program = filterOf(6, written);
  assert.ok(lets(program, ipv6(0x2001, 0xdb8, 0, 0, 0, 1, 0, 2), 9));
  assert.ok(lets(program, ipv6(0, 0, 0, 0, 0, 0, 0, 0), 1));
  assert.ok(lets(program, ipv6(0, 0, 0, 0, 0, 0xffff, 0xc000, 0x201), 2));
  assert.ok(!lets(program, ipv6(0x2001, 0xdb8, 0, 0, 0, 1, 0, 3), 9));
  assert.ok(!lets(program, ipv6(0x2001, 0xdb8, 0, 1, 0, 1, 0, 2), 9));
  assert.ok(!lets(program, ipv6(0, 0, 0, 0, 0, 0, 0, 0), 9));
});

Deno.test("Without an address, and for names, everything is dropped", () => {
  for (const addresses of [[], [["localhost", 9]], [["127.0.0.1%lo", 9]]] as Address[][]) {
    assert.ok(!lets(filterOf(4, addresses), ipv4("127.0.0.1"), 9));
  }
});

Deno.test("As many addresses as a peer may have fit", () => {
  const addresses = Array.from({ length: 100 }, (_, i): Address => [`2001:db8::${i.toString(16)}`, i]);
  const program = filterOf(6, addresses);
  assert.ok(program.length / 8 < 4_096, "BPF_MAXINSNS");
  assert.ok(lets(program, ipv6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 99), 99));
});

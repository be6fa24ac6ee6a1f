import assert from "@std/assert";
import { type InterfaceAddress, localSockets, type Machine } from "./local_addresses.ts";

const v4 = (address: string): InterfaceAddress => ({ family: "IPv4", address });
const v6 = (address: string): InterfaceAddress => ({ family: "IPv6", address });

function machine(addresses: InterfaceAddress[], sources: { 4?: string; 6?: string } = {}): Machine {
  return { addresses: () => addresses, source: (family) => sources[family] };
}

Deno.test("A machine with thirty bridges opens one socket, and offers the address of its default route first", () => {
  const bridges = Array.from({ length: 30 }, (_, i) => v4(`172.${i}.0.1`));
  const sockets = localSockets({}, machine([...bridges, v4("192.0.2.7")], { 4: "192.0.2.7" }));
  assert.deepEqual(sockets, [
    { family: 4, host: "0.0.0.0", offered: ["192.0.2.7", "172.0.0.1", "172.1.0.1", "172.2.0.1"] },
  ]);
});

Deno.test("IPv6 is used where the machine has a reachable address", () => {
  const both = [v4("192.0.2.7"), v6("fe80::1"), v6("fd00::7"), v6("2001:db8::7")];
  assert.deepEqual(localSockets({}, machine(both, { 6: "2001:db8::7" })), [
    { family: 4, host: "0.0.0.0", offered: ["192.0.2.7"] },
    { family: 6, host: "::", offered: ["2001:db8::7", "fd00::7"] },
  ]);
  assert.deepEqual(localSockets({}, machine([v6("fd00::7")])), [
    { family: 6, host: "::", offered: ["fd00::7"] },
  ]);
  assert.deepEqual(
    localSockets({}, machine([v4("127.0.0.1"), v6("::1"), v4("169.254.3.4"), v6("fe80::1")])),
    [],
  );
});

Deno.test("Configured addresses get a socket each, whatever the machine has", () => {
  const interfaceAddresses = ["192.0.2.8", "2001:db8::8", "192.0.2.9"];
  assert.deepEqual(localSockets({ interfaceAddresses }, machine([v4("192.0.2.7")])), [
    { family: 4, host: "192.0.2.8", offered: ["192.0.2.8"] },
    { family: 6, host: "2001:db8::8", offered: ["2001:db8::8"] },
    { family: 4, host: "192.0.2.9", offered: ["192.0.2.9"] },
  ]);
});

Deno.test("The unspecified address of one family disables the other", () => {
  const both = machine([v4("192.0.2.7"), v6("fd00::7")]);
  assert.deepEqual(localSockets({ interfaceAddresses: ["0.0.0.0"] }, both), [
    { family: 4, host: "0.0.0.0", offered: ["192.0.2.7"] },
  ]);
  assert.deepEqual(localSockets({ interfaceAddresses: ["::"] }, both), [
    { family: 6, host: "::", offered: ["fd00::7"] },
  ]);
});

Deno.test("A source address of no interface is not offered", () => {
  assert.deepEqual(localSockets({}, machine([v4("192.0.2.7")], { 4: "127.0.0.1" })), [
    { family: 4, host: "0.0.0.0", offered: ["192.0.2.7"] },
  ]);
});

/**
 * A socket filter for Linux (classic BPF, bpf(4) of the BSDs): the kernel drops datagrams from other addresses before they
 * reach the socket's buffer. Only the program; udp_libc.ts attaches it.
 */
import { isIPv4, isIPv6 } from "node:net";
import type { Address } from "./udp_socket.ts";

/** struct sock_filter, little-endian: operation, jumps when true and false, operand. */
export const FILTER_INSTRUCTION_BYTES = 8;
const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
/** SKF_NET_OFF: offset of the IP header; other offsets count from the UDP header. */
const NETWORK = 0xfff0_0000;
/** Offsets of the sender in the headers of IPv4, IPv6 and UDP. */
const IPV4_SOURCE = 12;
const IPV6_SOURCE = 8;
const UDP_SOURCE = 0;
const WHOLE = 0xffff;

/** A program that accepts datagrams from these addresses; those of the other family are skipped. */
export function filterOf(family: 4 | 6, addresses: readonly Address[]): Uint8Array<ArrayBuffer> {
  const instructions: [operation: number, ifTrue: number, ifFalse: number, operand: number][] = [];
  for (const [host, port] of addresses) {
    const words = wordsOf(family, host);
    if (!words) continue;
    const first = family === 4 ? IPV4_SOURCE : IPV6_SOURCE;
    const tests = [
      ...words.map((word, index) => [LOAD_WORD, NETWORK + first + 4 * index, word]),
      [LOAD_HALF, UDP_SOURCE, port],
    ];
    for (const [index, [load, offset, operand]] of tests.entries()) {
      // To the next address: over the remaining tests and the return.
      const skipped = 2 * (tests.length - index - 1) + 1;
      instructions.push([load, 0, 0, offset], [JUMP_IF_EQUAL, 0, skipped, operand]);
    }
    instructions.push([RETURN, 0, 0, WHOLE]);
  }
  instructions.push([RETURN, 0, 0, 0]);
  const program = new DataView(new ArrayBuffer(instructions.length * FILTER_INSTRUCTION_BYTES));
  for (const [index, [operation, ifTrue, ifFalse, operand]] of instructions.entries()) {
    const at = index * FILTER_INSTRUCTION_BYTES;
    program.setUint16(at, operation, true);
    program.setUint8(at + 2, ifTrue);
    program.setUint8(at + 3, ifFalse);
    program.setUint32(at + 4, operand, true);
  }
  return new Uint8Array(program.buffer);
}

/** An address as 32-bit words; undefined when it is of the other family. */
function wordsOf(family: 4 | 6, host: string): number[] | undefined {
  if (family === 4) {
    if (!isIPv4(host)) return undefined;
    return [host.split(".").reduce((word, byte) => (word << 8 | Number(byte)) >>> 0, 0)];
  }
  if (!isIPv6(host)) return undefined;
  // URLs normalise addresses: lower case, the longest run of zeros left out, no embedded IPv4.
  const [head, tail] = new URL(`http://[${host}]`).hostname.slice(1, -1).split("::");
  const groups = (text = "") => text === "" ? [] : text.split(":").map((group) => parseInt(group, 16));
  const [before, after] = [groups(head), groups(tail)];
  const all = [...before, ...Array(8 - before.length - after.length).fill(0), ...after];
  return [0, 2, 4, 6].map((index) => (all[index] << 16 | all[index + 1]) >>> 0);
}

/** ICE candidates that participants send, by themselves and before their offer. */
import fc from "fast-check";
import { isIP } from "node:net";
import { Candidate } from "werift";
import { LIMITS } from "../../../src/domain/mod.ts";
import { EarlyCandidates, usableCandidate } from "../../../src/webrtc/candidates.ts";
import { defineTarget } from "../batch.ts";
import { CANARY, mutatedText } from "../mutations.ts";

const LINES = [
  "candidate:1 1 udp 2015363327 192.0.2.7 20000 typ host",
  "candidate:2 1 UDP 2015363326 2001:DB8::7 20000 typ host generation 0 ufrag abcd network-cost 999",
  `candidate:3 1 udp 2015363325 ${CANARY}.local 20000 typ host`,
  "candidate:4 2 udp 1015363325 192.0.2.8 20001 typ srflx raddr 10.0.0.1 rport 20002",
  "candidate:5 1 tcp 1015363325 192.0.2.8 9 typ host tcptype active",
  "candidate:6 1 udp 25108223 192.0.2.9 49999 typ relay raddr 0.0.0.0 rport 0",
  "",
];
const WORDS = [
  "typ",
  "host",
  "udp",
  "tcp",
  "::ffff:127.0.0.1",
  "fe80::1",
  "0x7f.1",
  "1.2.3",
  "-1",
  CANARY,
  " ",
  "\t",
  "é",
];

export const candidate = defineTarget({
  name: "candidate",
  about: "ICE candidates: what goes on to werift has a numeric address, and those that wait are bounded",
  inputs: fc.record({ text: mutatedText(LINES, WORDS), sid: fc.constantFrom("1", "2", CANARY) }),
  inputsPerWorld: 2_000,
  open() {
    const early = new EarlyCandidates();
    return {
      run({ text, sid }) {
        early.add(sid, text);
        const usable = usableCandidate({ candidate: text });
        if (usable === undefined) return;
        const address = usable.split(" ")[4];
        if (isIP(address) === 0) throw new Error("A candidate without a numeric address goes on to werift");
        try {
          Candidate.fromSdp(usable);
        } catch {
          // the receiver ignores it
        }
      },
      close() {
        const waiting = ["1", "2", CANARY].flatMap((sid) => early.take(sid));
        if (waiting.length > LIMITS.earlyCandidates) throw new Error(`${waiting.length} candidates wait`);
      },
    };
  },
});

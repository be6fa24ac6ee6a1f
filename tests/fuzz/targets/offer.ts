/** Offers and candidates to a receiver that answers them, with everything werift does about them. */
import fc from "fast-check";
import { AudioLedger } from "../../../src/domain/mod.ts";
import { WebRtcReceiver } from "../../../src/webrtc/mod.ts";
import { FakeLog, FakeMeter } from "../../fakes/telemetry.ts";
import { defineTarget } from "../batch.ts";
import { assertQuotesNothing, CANARY, mutatedText } from "../mutations.ts";
import { expectNegotiationError, OFFERS, SDP_WORDS } from "./sdp.ts";

/** Most of an answer's time is waited. */
const AT_ONCE = 32;

const offers = fc.array(
  fc.record({
    sdp: mutatedText(OFFERS, SDP_WORDS),
    sid: fc.constantFrom("1", "1", "2", CANARY),
    candidate: fc.option(
      fc.constantFrom(
        "candidate:1 1 udp 2015363327 127.66.0.1 9 typ host",
        "candidate:2 1 udp 1 2001:db8::7 9 typ host",
        "candidate:3 65536 udp 99999999999 127.66.0.2 0 typ nothing",
      ),
      { nil: undefined },
    ),
  }),
  { minLength: 1, maxLength: 3 },
);

export const offer = defineTarget({
  name: "offer",
  about:
    "offers and candidates to a receiver: an answer with our candidates or a typed error, and nothing left",
  inputs: offers,
  inputsPerWorld: 64,
  open() {
    const underWay = new Set<Promise<void>>();
    const failed: unknown[] = [];
    const check = () => {
      if (failed.length > 0) throw failed[0];
    };
    return {
      async run(list) {
        const answering = answer(list).catch((error) => void failed.push(error)).finally(() => {
          underWay.delete(answering);
        });
        underWay.add(answering);
        if (underWay.size >= AT_ONCE) await Promise.race(underWay);
        check();
      },
      async close() {
        await Promise.all(underWay);
        check();
      },
    };
  },
});

type Offers = typeof offers extends fc.Arbitrary<infer List> ? List : never;

async function answer(list: Offers): Promise<void> {
  const log = new FakeLog();
  const receiver = new WebRtcReceiver({
    ledger: new AudioLedger(),
    log,
    meter: new FakeMeter(),
    onAudioLost: () => {},
    onAudio: () => {},
    network: { interfaceAddresses: ["127.0.0.1"] },
  });
  for (const { sdp, sid, candidate } of list) {
    if (candidate !== undefined) receiver.addCandidate(sid, { candidate });
    try {
      const { sdp: answered } = await receiver.answer({ sid, sdp }, []);
      if (!declinesAudio(answered) && !answered.includes("a=candidate:")) {
        throw new Error("An answer has no candidate");
      }
      if (candidate !== undefined) receiver.addCandidate(sid, { candidate });
    } catch (error) {
      expectNegotiationError(error);
    }
  }
  await receiver[Symbol.asyncDispose]();
  assertQuotesNothing(JSON.stringify(log.lines), "A log line");
}

/** Whether the audio section has port 0, as a later offer may ask for (RFC 3264, section 8.2). */
function declinesAudio(answer: string): boolean {
  return /^m=audio 0 /m.test(answer);
}

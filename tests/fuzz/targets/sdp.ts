/** Offers of an SFU, or of anybody in its place, up to where werift reads them. */
import fc from "fast-check";
import { isIP } from "node:net";
import { SessionDescription } from "werift";
import { NegotiationError } from "../../../src/domain/mod.ts";
import { completeAnswer, opusPayloadType, readOffer } from "../../../src/webrtc/sdp.ts";
import { defineTarget } from "../batch.ts";
import { assertQuotesNothing, CANARY, mutatedText } from "../mutations.ts";

const SESSION = [
  "v=0",
  "o=- 1 1 IN IP4 0.0.0.0",
  `s=${CANARY}`,
  "t=0 0",
  "a=group:BUNDLE d a v",
  "a=extmap-allow-mixed",
];
const DATA = [
  "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
  "c=IN IP4 0.0.0.0",
  "a=mid:d",
  "a=sctp-port:5000",
];
const FINGERPRINT = `a=fingerprint:sha-256 ${Array(32).fill("A7").join(":")}`;
const AUDIO = [
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "c=IN IP4 192.0.2.7",
  "a=ice-ufrag:ufrg",
  "a=ice-pwd:passwordpasswordpassword",
  "a=ice-options:trickle",
  "a=setup:actpass",
  "a=candidate:1 1 udp 2015363327 192.0.2.7 20000 typ host",
  "a=candidate:2 1 udp 2015363326 2001:db8::7 20000 typ host",
  `a=candidate:3 1 udp 2015363325 ${CANARY}.local 20000 typ host`,
  "a=candidate:4 1 udp 1015363325 192.0.2.8 20001 typ srflx raddr 10.0.0.1 rport 20002",
  "a=end-of-candidates",
  FINGERPRINT,
  "a=sendonly",
  "a=mid:a",
  "a=msid:janus janusa0",
  "a=rtcp-mux",
  "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
  "a=rtpmap:111 opus/48000/2",
  "a=fmtp:111 minptime=10;useinbandfec=1",
  "a=rtcp-fb:111 transport-cc",
  `a=ssrc:1234567 cname:${CANARY}`,
];
const VIDEO = [
  "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
  "a=sendonly",
  "a=mid:v",
  "a=rtpmap:96 VP8/90000",
  "a=rtpmap:97 rtx/90000",
  "a=fmtp:97 apt=96",
  "a=ssrc-group:FID 1 2",
];

const sdpOf = (...parts: string[][]) => parts.flat().join("\r\n") + "\r\n";
/** As Janus and browsers write them. */
export const OFFERS = [
  sdpOf(SESSION, AUDIO),
  sdpOf(SESSION, DATA, AUDIO, VIDEO),
  sdpOf([...SESSION, FINGERPRINT, "a=ice-lite"], VIDEO, AUDIO.filter((line) => line !== FINGERPRINT)),
];
const ANSWER = sdpOf(SESSION, [
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=recvonly",
  "a=mid:a",
  "a=rtpmap:111 opus/48000/2",
]);

export const SDP_WORDS = [
  ...[...SESSION, ...DATA, ...AUDIO, ...VIDEO].map((line) => `${line}\r\n`),
  ...[
    "a=mid:",
    "a=candidate:",
    "m=",
    "a=simulcast:send h;l",
    "a=rid:h send",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
  ],
  ...[
    "inactive",
    "sendrecv",
    "recvonly",
    "TCP/DTLS/SCTP",
    "RTP/AVP",
    "0",
    "host",
    "tcp",
    "udp",
    "127.0.0.1",
    "::1",
    "fe80::1%eth0",
  ],
  ...[CANARY, "\r", "\n", " ", "\u0000", "=", "a".repeat(300), "a=setup:passive\r\n", "a=setup:holdconn\r\n"],
];

export const sdp = defineTarget({
  name: "sdp",
  about: "offers read as text, and by werift: typed errors that quote nothing; answers have as many sections",
  inputs: fc.record({
    text: mutatedText(OFFERS, SDP_WORDS),
    mid: fc.option(fc.constantFrom("a", "v", "", CANARY), { nil: undefined }),
  }),
  inputsPerWorld: 2_000,
  open: () => ({
    run({ text, mid }) {
      let offer;
      try {
        offer = readOffer(text, mid);
      } catch (error) {
        return expectNegotiationError(error);
      }
      const completed = completeAnswer(offer, ANSWER);
      const sections = completed.split("\r\n").filter((line) => line.startsWith("m=")).length;
      if (sections !== offer.sections.length) {
        throw new Error(`${sections} sections for ${offer.sections.length}`);
      }
      let parsed;
      try {
        parsed = SessionDescription.parse(offer.sdp);
      } catch {
        return; // the receiver makes a NegotiationError of it
      }
      const candidates = parsed.media.flatMap(({ iceCandidates }) => iceCandidates);
      if (candidates.some(({ ip }) => isIP(ip) === 0)) {
        throw new Error("A candidate of a name goes on to werift");
      }
      try {
        opusPayloadType(offer.sdp);
      } catch (error) {
        expectNegotiationError(error);
      }
    },
    close() {},
  }),
});

export function expectNegotiationError(error: unknown): void {
  if (!(error instanceof NegotiationError)) throw error;
  assertQuotesNothing(error.message, "An error");
}

import assert from "@std/assert";
import { NegotiationError } from "../domain/mod.ts";
import { completeAnswer, opusPayloadType, readOffer } from "./sdp.ts";

const SESSION = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE d a v"];
const DATA = [
  "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
  "c=IN IP4 0.0.0.0",
  "a=mid:d",
  "a=sctp-port:5000",
];
const AUDIO = [
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=ice-ufrag:ufrg",
  "a=ice-pwd:password",
  "a=candidate:1 1 udp 2015363327 192.0.2.7 20000 typ host",
  "a=candidate:2 1 udp 2015363326 2001:db8::7 20000 typ host",
  "a=candidate:3 1 udp 2015363325 4be2e4d4-2b5c-4d0c-9a55-7b3d0d0f7a55.local 20000 typ host",
  "a=end-of-candidates",
  "a=fingerprint:sha-256 00:11",
  "a=sendonly",
  "a=mid:a",
  "a=rtpmap:111 opus/48000/2",
];
const VIDEO = ["m=video 9 UDP/TLS/RTP/SAVPF 96 97", "a=sendonly", "a=mid:v", "a=rtpmap:96 VP8/90000"];

const sdpOf = (...parts: string[][]) => parts.flat().join("\r\n") + "\r\n";
const OFFER = sdpOf(SESSION, DATA, AUDIO, VIDEO);

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof NegotiationError) return error.code;
    throw error;
  }
  return "";
}

Deno.test("Only the audio section is kept, without mDNS candidates and end-of-candidates", () => {
  const offer = readOffer(OFFER);
  assert.equal(offer.sdp, sdpOf(SESSION, AUDIO.filter((line) => !line.includes("candidate"))));
  assert.deepEqual(offer.candidates.map((candidate) => `a=${candidate}`), AUDIO.slice(3, 5));
  assert.equal(offer.ufrag, "a=ice-ufrag:ufrg");
  assert.equal(offer.mid, "a");
  assert.equal(offer.sendsAudio, true);
  assert.equal(readOffer(OFFER.replaceAll("\r\n", "\n")).sdp, offer.sdp);
});

Deno.test("Other sections are declined in their place", () => {
  const answered = ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=recvonly", "a=mid:a"];
  const answer = sdpOf(SESSION.slice(0, 4), ["a=group:BUNDLE a"], answered);
  assert.equal(
    completeAnswer(readOffer(OFFER), answer),
    sdpOf(
      SESSION.slice(0, 4),
      ["a=group:BUNDLE a"],
      ["m=application 0 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=inactive", "a=mid:d"],
      answered,
      ["m=video 0 UDP/TLS/RTP/SAVPF 96 97", "c=IN IP4 0.0.0.0", "a=inactive", "a=mid:v"],
    ),
  );
});

Deno.test("Of several audio sections the first that sends is used, and the same one in a re-offer", () => {
  const other = (mid: string, direction: string) =>
    AUDIO.map((line) => line.replace("a=mid:a", `a=mid:${mid}`).replace("a=sendonly", direction));
  const three = sdpOf(SESSION, other("x", "a=inactive"), AUDIO, other("y", "a=sendonly"));
  assert.equal(readOffer(three).mid, "a");
  assert.equal(readOffer(three, "y").mid, "y");
  assert.equal(readOffer(three, "x").sendsAudio, false);
  assert.equal(codeOf(() => readOffer(three, "gone")), "no_audio");
  assert.equal(readOffer(sdpOf(SESSION, other("x", "a=inactive"))).mid, "x");
});

Deno.test("Whether audio is sent follows the section's direction, the session's, and the port", () => {
  const sends = (from: string, to: string) => readOffer(sdpOf(SESSION, AUDIO).replace(from, to)).sendsAudio;
  assert.equal(sends("a=sendonly", "a=sendrecv"), true);
  assert.equal(sends("a=sendonly", "a=recvonly"), false);
  assert.equal(sends("a=sendonly", "a=inactive"), false);
  assert.equal(sends("a=sendonly\r\n", ""), true, "sendrecv is the default");
  assert.equal(sends("m=audio 9", "m=audio 0"), false);
  const session = sdpOf([...SESSION, "a=inactive"], AUDIO);
  assert.equal(readOffer(session).sendsAudio, true, "the section takes precedence");
  assert.equal(readOffer(session.replace("a=sendonly\r\n", "")).sendsAudio, false);
});

Deno.test("An unusable offer is refused with a code", () => {
  assert.equal(codeOf(() => readOffer("")), "bad_sdp");
  assert.equal(codeOf(() => readOffer("hello")), "bad_sdp");
  assert.equal(codeOf(() => readOffer(OFFER + "a=x\r\n".repeat(20_000))), "bad_sdp");
  for (const attribute of ["ice-ufrag", "ice-pwd", "fingerprint"]) {
    const without = AUDIO.filter((line) => !line.startsWith(`a=${attribute}`));
    assert.equal(codeOf(() => readOffer(sdpOf(SESSION, without, VIDEO))), "bad_sdp");
    const inSession = AUDIO.filter((line) => line.startsWith(`a=${attribute}`));
    assert.equal(codeOf(() => readOffer(sdpOf(SESSION, inSession, without))), "");
  }
  assert.equal(codeOf(() => readOffer(sdpOf(SESSION, DATA, VIDEO))), "no_audio");
});

Deno.test("Limits on what an offer makes us send: credentials in each check, sections in the answer", () => {
  for (const attribute of ["ice-ufrag", "ice-pwd", "fingerprint"]) {
    const of = (chars: number) =>
      sdpOf(
        SESSION,
        AUDIO.map((line) =>
          line.startsWith(`a=${attribute}:`) ? `a=${attribute}:${"x".repeat(chars)}` : line
        ),
      );
    assert.equal(codeOf(() => readOffer(of(256))), "");
    assert.equal(codeOf(() => readOffer(of(257))), "bad_sdp", attribute);
    const session = sdpOf([...SESSION, `a=${attribute}:${"x".repeat(257)}`], AUDIO);
    assert.equal(codeOf(() => readOffer(session)), "bad_sdp", attribute);
  }
  const sections = (count: number) => sdpOf(SESSION, AUDIO, ...Array(count - 1).fill(["m=video 0 x 0"]));
  assert.equal(codeOf(() => readOffer(sections(16))), "");
  assert.equal(codeOf(() => readOffer(sections(17))), "bad_sdp");
});

Deno.test("The Opus payload type is read from the accepted audio", () => {
  const read = (from: string, to: string) => opusPayloadType(sdpOf(SESSION, AUDIO).replace(from, to));
  assert.equal(read("", ""), 111);
  assert.equal(read("111 opus", "96 OPUS"), 96);
  assert.equal(codeOf(() => read("audio 9", "audio 0")), "no_opus");
  assert.equal(codeOf(() => read("opus/48000/2", "PCMU/8000")), "no_opus");
});

import assert from "@std/assert";
import { NegotiationError } from "../domain/mod.ts";
import { opusPayloadType, readOffer } from "./sdp.ts";

const OFFER = [
  "v=0",
  "o=- 1 1 IN IP4 0.0.0.0",
  "s=-",
  "t=0 0",
  "a=group:BUNDLE 0 1",
  "a=ice-ufrag:ufrg",
  "a=ice-pwd:password",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=candidate:1 1 udp 2015363327 192.0.2.7 20000 typ host",
  "a=candidate:2 1 udp 2015363326 2001:db8::7 20000 typ host",
  "a=candidate:3 1 udp 2015363325 4be2e4d4-2b5c-4d0c-9a55-7b3d0d0f7a55.local 20000 typ host",
  "a=end-of-candidates",
  "a=fingerprint:sha-256 00:11",
  "a=sendonly",
  "a=mid:0",
  "a=rtpmap:111 opus/48000/2",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "a=sendonly",
  "a=mid:1",
  "",
];
const offer = (change: (line: string) => string | undefined = (line) => line) =>
  OFFER.map(change).filter((line) => line !== undefined).join("\r\n");

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof NegotiationError) return error.code;
    throw error;
  }
  return "";
}

Deno.test("An offer is passed on without named candidates and the end of candidates", () => {
  const { sdp, sendsAudio } = readOffer(offer());
  const harmful = (line: string) => line.includes(".local") || line === "a=end-of-candidates";
  assert.equal(sdp, OFFER.filter((line) => !harmful(line)).join("\r\n"));
  assert.equal(sendsAudio, true);
});

Deno.test("Whether audio is sent follows the section's direction, the session's, and the port", () => {
  const with_ = (direction: string) => (line: string) => line === "a=sendonly" ? direction : line;
  assert.equal(readOffer(offer(with_("a=sendrecv"))).sendsAudio, true);
  assert.equal(readOffer(offer(with_("a=recvonly"))).sendsAudio, false);
  assert.equal(readOffer(offer(with_("a=inactive"))).sendsAudio, false);
  const without = (line: string) => line === "a=sendonly" ? undefined : line;
  assert.equal(readOffer(offer(without)).sendsAudio, true, "sendrecv is the default");
  const session = (line: string) => line === "t=0 0" ? "t=0 0\r\na=inactive" : without(line);
  assert.equal(readOffer(offer(session)).sendsAudio, false);
  const rejected = (line: string) => line.replace("m=audio 9", "m=audio 0");
  assert.equal(readOffer(offer(rejected)).sendsAudio, false);
});

Deno.test("What is no usable offer has a code that says why", () => {
  assert.equal(codeOf(() => readOffer("")), "bad_sdp");
  assert.equal(codeOf(() => readOffer("hello")), "bad_sdp");
  assert.equal(codeOf(() => readOffer(offer() + "a=x\r\n".repeat(20_000))), "bad_sdp");
  assert.equal(codeOf(() => readOffer(offer() + "m=video 9 x 96\r\n".repeat(20))), "bad_sdp");
  for (const attribute of ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint"]) {
    const without = offer((line) => line.startsWith(attribute) ? undefined : line);
    assert.equal(codeOf(() => readOffer(without)), "bad_sdp");
  }
  assert.equal(codeOf(() => readOffer(offer((line) => line.replace("m=audio", "m=text")))), "no_audio");
});

Deno.test("The Opus payload type is read from the accepted audio section", () => {
  assert.equal(opusPayloadType(offer()), 111);
  assert.equal(opusPayloadType(offer((line) => line.replace("111 opus", "96 OPUS"))), 96);
  assert.equal(codeOf(() => opusPayloadType(offer((line) => line.replace("audio 9", "audio 0")))), "no_opus");
  assert.equal(
    codeOf(() => opusPayloadType(offer((line) => line.replace("opus/48000/2", "PCMU/8000")))),
    "no_opus",
  );
});

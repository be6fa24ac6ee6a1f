/** The stack itself, before anything is tested on it: what a speaker sends is what an internal client hears. */
import assert from "@std/assert";
import { encodeOpus, readSpeech } from "../fakes/speech.ts";
import { bestCorrelation, decodeOpus, envelope } from "./envelope.ts";
import { InternalClient } from "./internal_client.ts";
import { installedHpbVersions, onRealStack, type RealCall, type RealStack } from "./stack.ts";

Deno.test("Both generations of the HPB are here (scripts/install-hpb)", () => {
  assert.ok(installedHpbVersions().length >= 2, `found: ${installedHpbVersions().join(", ") || "none"}`);
});

for (const hpbVersion of installedHpbVersions()) {
  const onStack = (name: string, test: (stack: RealStack) => Promise<void>) =>
    Deno.test(`HPB ${hpbVersion}: ${name}`, () => onRealStack({ hpbVersion }, test));

  onStack("An internal client hears a speaker's Opus byte for byte", async (stack) => {
    await using call = await stack.startCall();
    const speaker = await call.addSpeaker();
    await using client = await listenIn(stack, call);
    await client.subscribe(speaker.sessionId);
    const said = await encodeOpus(await readSpeech("train_slt"));
    await speaker.play(said);
    const last = hex(said.at(-1)!);
    await client.until(() => client.heard.some(({ payload }) => hex(payload) === last));
    const heard = client.heard.map(({ payload }) => hex(payload));
    const from = heard.indexOf(hex(said[0]!));
    assert.deepEqual(heard.slice(from, from + said.length), said.map(hex));
    assert.deepEqual(new Set(client.heard.map(({ payloadType }) => payloadType)), new Set([111]));
    const steps = new Set(
      client.heard.slice(1).map(({ timestamp }, i) => timestamp - client.heard[i]!.timestamp),
    );
    assert.deepEqual(steps, new Set([960]));
  });

  onStack("An internal client hears what a browser's microphone plays", async (stack) => {
    await using call = await stack.startCall();
    const speech = await readSpeech("train_slt");
    const speaker = await call.addChromiumSpeaker(speech);
    await using client = await listenIn(stack, call);
    await client.subscribe(speaker.sessionId);
    await speaker.said;
    const enough = client.heard.length + 50; // a second more covers what is still on its way
    await client.until(() => client.heard.length >= enough);
    const heard = envelope(await decodeOpus(client.heard.map(({ payload }) => payload)));
    const alike = bestCorrelation(envelope(speech), heard);
    const other = bestCorrelation(envelope(await readSpeech("river_rms")), heard);
    assert.ok(alike > 0.97, `correlation with what was said: ${alike}`);
    assert.ok(other < 0.9, `correlation with something else: ${other}`);
  });
}

function listenIn(stack: RealStack, call: RealCall): Promise<InternalClient> {
  const { hpbUrl, nextcloudUrl, internalSecret } = stack;
  return InternalClient.join({ hpbUrl, nextcloudUrl, internalSecret, roomToken: call.roomToken });
}

function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}

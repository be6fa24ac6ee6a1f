/** The stack itself, before anything is tested on it: an internal client receives what a speaker sends. */
import assert from "@std/assert";
import { encodeOpus, readSpeech } from "../fakes/speech.ts";
import { bestCorrelation, decodeOpus, envelope } from "../fakes/envelope.ts";
import { InternalClient } from "./internal_client.ts";
import { polled } from "./server_process.ts";
import { installedHpbVersions, onRealStack, type RealCall, type RealStack } from "./stack.ts";
import type { WeriftSpeaker } from "./werift_speaker.ts";

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
    assert.deepEqual(await heardOf(client, said), said.map(hex));
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
    const enough = client.heard.length + 50; // a second more covers what is still in transit
    await client.until(() => client.heard.length >= enough);
    const heard = envelope(await decodeOpus(client.heard.map(({ payload }) => payload)));
    const alike = bestCorrelation(envelope(speech), heard);
    const other = bestCorrelation(envelope(await readSpeech("river_rms")), heard);
    assert.ok(alike > 0.95, `correlation with what was said: ${alike}`);
    assert.ok(other < 0.7, `correlation with something else: ${other}`);
  });

  onStack("A speaker who comes back has a new session, and is heard", async (stack) => {
    await using call = await stack.startCall();
    const speaker = await call.addSpeaker();
    const before = { sessionId: speaker.sessionId, ncSessionId: speaker.ncSessionId };
    await speaker.rejoin();
    assert.notEqual(speaker.sessionId, before.sessionId);
    assert.equal(speaker.ncSessionId, before.ncSessionId);
    await assertHeard(stack, call, speaker);
  });

  onStack("Cutting the service's connections leaves the participants alone", async (stack) => {
    await using call = await stack.startCall();
    const speaker = await call.addSpeaker();
    await using client = await listenIn(stack, call);
    assert.equal(stack.dropHpbConnections(), 1);
    await client.closed;
    stack.hpbReachable = false;
    await assert.rejects(listenIn(stack, call), /Cannot connect to the HPB/);
    stack.hpbReachable = true;
    await assertHeard(stack, call, speaker);
  });

  onStack("A restarted HPB has forgotten everyone, and takes them again", async (stack) => {
    await using call = await stack.startCall();
    const speaker = await call.addSpeaker();
    await using client = await listenIn(stack, call);
    await stack.restartHpb();
    await client.closed;
    assert.equal((await stack.stats()).sessions, 0);
    await speaker.rejoin();
    await assertHeard(stack, call, speaker);
  });

  onStack("A restarted Janus carries the audio of who publishes again", async (stack) => {
    await using call = await stack.startCall();
    const speaker = await call.addSpeaker();
    await stack.killJanus();
    await stack.startJanus();
    await speaker.rejoin();
    await assertHeard(stack, call, speaker);
  });

  onStack("A call that ends leaves nobody behind", async (stack) => {
    const call = await stack.startCall();
    await call.addListener();
    await call.addSpeaker();
    assert.equal((await stack.stats()).sessions, 2);
    await call.end();
    await call[Symbol.asyncDispose]();
    await polled("the HPB to forget the call", 5_000, async () => (await stack.stats()).sessions === 0);
  });
}

function listenIn(stack: RealStack, call: RealCall): Promise<InternalClient> {
  const { hpbUrl, nextcloudUrl, internalSecret } = stack;
  return InternalClient.join({ hpbUrl, nextcloudUrl, internalSecret, roomToken: call.roomToken });
}

/** Sends a second of noise and waits until it has been received. */
async function assertHeard(stack: RealStack, call: RealCall, speaker: WeriftSpeaker): Promise<void> {
  await using client = await listenIn(stack, call);
  await client.subscribe(speaker.sessionId);
  const samples = Float32Array.from({ length: 16_000 }, (_, i) => Math.sin(i * i / 5_000) / 2);
  const said = await encodeOpus({ samples, sampleRateHz: 16_000 });
  await speaker.play(said);
  assert.deepEqual(await heardOf(client, said), said.map(hex));
}

/** What the client received from the first packet of `said` on, once it has received the last. */
async function heardOf(client: InternalClient, said: readonly Uint8Array[]): Promise<string[]> {
  const last = hex(said.at(-1)!);
  await client.until(() => client.heard.some(({ payload }) => hex(payload) === last));
  const heard = client.heard.map(({ payload }) => hex(payload));
  const from = heard.indexOf(hex(said[0]!));
  return heard.slice(from, from + said.length);
}

function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}

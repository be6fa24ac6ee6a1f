/** Names and terms to expect, from the request and the server's file to the recogniser and back to the viewers. */
import assert from "@std/assert";
import { FakeDeepgramServer } from "../fakes/stt_deepgram.ts";
import { HpbParticipant } from "../fakes/participant.ts";
import { localMissing } from "../fakes/local_recogniser.ts";
import { padded, readSpeech } from "../fakes/speech.ts";
import { eventually, finals, finalText, say, startWorld } from "./world.ts";

/** Spelled "garden" and "river" by a recogniser that does not expect them. */
const SPOKEN = ["red", "garden", "music", "river"];

async function caption({ words, file }: { words?: readonly string[]; file?: string }) {
  await using deepgram = FakeDeepgramServer.start();
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, file ?? "");
    await using world = await startWorld({
      environment: { STT_PROVIDER: "deepgram", DEEPGRAM_URL: deepgram.url, STT_WORDS_FILE: path },
    });
    await using call = await world.hpb.startCall();
    const listener = await call.addListener();
    const { ncSessionId } = listener;
    await using named = await HpbParticipant.join({
      ...{ hpbUrl: world.hpb.hpbUrl, nextcloudUrl: world.hpb.nextcloudUrl, roomToken: call.roomToken },
      ncSessionId: "nc-named",
      userId: "Garrden",
    });
    assert.ok(named.sessionId);
    const body = { roomToken: call.roomToken, ncSessionId, langId: "en", words };
    const response = await world.post("/api/v1/call/transcribe", body);
    assert.equal(response.status, 200, await response.text());
    const speaker = await call.addSpeaker();
    await world.heard(1);
    await say(speaker, SPOKEN);
    await eventually(
      "all words",
      () => finals(listener.transcripts).join(" ").split(" ").length === SPOKEN.length,
    );
    return {
      captions: finals(listener.transcripts).join(" "),
      sent: deepgram.connections[0].query.getAll("keyterm"),
    };
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("A name is spelled right with the list, and wrong without", async () => {
  const without = await caption({});
  assert.deepEqual(without, { captions: "red garden music river", sent: [] });
  const requested = await caption({ words: ["Gaarden"], file: "# names\nPhoebe Ryver\n" });
  assert.equal(requested.captions, "red Gaarden music Ryver");
  // The participants' names stay here: "Garrden" would have been expected too.
  assert.deepEqual(requested.sent, ["Gaarden", "Phoebe Ryver"]);
});

const missing = await localMissing();

/** The offline recogniser's captions of a sentence with a name, in a call with somebody of this name. */
async function captionWith(displayName: string): Promise<string> {
  await using world = await startWorld({ environment: { STT_PROVIDER: "local" } });
  await using call = await world.hpb.startCall();
  const listener = await call.addListener();
  await using _named = await HpbParticipant.join({
    ...{ hpbUrl: world.hpb.hpbUrl, nextcloudUrl: world.hpb.nextcloudUrl, roomToken: call.roomToken },
    ncSessionId: "nc-named",
    userId: displayName,
  });
  await world.enable(call.roomToken, listener);
  const speaker = await call.addSpeaker();
  await world.heard(1);
  await speaker.say(padded(await readSpeech("names_slt"), 300, 1_500));
  await eventually("a final", () => finals(listener.transcripts).length > 0, 20_000);
  return finalText(listener.transcripts);
}

Deno.test({
  name: `With the offline recogniser the name of a participant is spelled right${
    missing ? ` (ignored: ${missing})` : ""
  }`,
  ignore: missing !== undefined,
  async fn() {
    assert.match(await captionWith("Katharina Sørensen"), /Katharina Sørensen/);
    assert.doesNotMatch(await captionWith("Grace Hopper"), /Sørensen/);
  },
});

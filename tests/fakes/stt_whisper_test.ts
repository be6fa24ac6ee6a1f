import assert from "@std/assert";
import { toInt16 } from "../../src/stt/pcm.ts";
import { formBody } from "../../src/stt/whisper/codec.ts";
import { FakeWhisperServer } from "./stt_whisper.ts";
import { toneSpeech } from "./tones.ts";

const { samples } = toneSpeech(["red", "river"]);

async function ask(
  server: FakeWhisperServer,
  fields: Record<string, string> = {},
  key?: string,
): Promise<Response> {
  const body = new FormData();
  for (const [name, value] of Object.entries({ model: "whisper-1", ...fields })) body.set(name, value);
  const form = new Response(formBody(toInt16(samples), { model: "", language: "", isVerbose: false }, "b"), {
    headers: { "Content-Type": "multipart/form-data; boundary=b" },
  });
  body.set("file", (await form.formData()).get("file") ?? "");
  const headers = key === undefined ? undefined : { Authorization: `Bearer ${key}` };
  return await fetch(`${server.url}/v1/audio/transcriptions`, { method: "POST", headers, body });
}

Deno.test("It transcribes a WAV file, by the format asked for", async () => {
  await using server = FakeWhisperServer.start({ punctuates: true });
  assert.deepEqual(await (await ask(server, { response_format: "json" })).json(), { text: " Red river." });
  const verbose = await (await ask(server, { response_format: "verbose_json", language: "en" })).json();
  assert.deepEqual([verbose.text, verbose.language, verbose.segments.length], [" Red river.", "en", 1]);
  assert.deepEqual(server.asked.map(({ text, isSilent }) => [text, isSilent]), [
    ["Red river.", false],
    ["Red river.", false],
  ]);
});

Deno.test("It refuses other keys, models, formats and addresses", async () => {
  await using server = FakeWhisperServer.start({ key: "right", model: "tiny", isPlain: true });
  const statuses: number[] = [];
  for (
    const response of [
      await ask(server, {}, "wrong"),
      await ask(server, { model: "other" }, "right"),
      await ask(server, { model: "tiny", response_format: "verbose_json" }, "right"),
      await fetch(`${server.url}/elsewhere`, { headers: { Authorization: "Bearer right" } }),
      await ask(server, { model: "tiny", response_format: "json" }, "right"),
    ]
  ) {
    statuses.push(response.status);
    await response.body?.cancel();
  }
  assert.deepEqual(statuses, [401, 404, 400, 404, 200]);
});

Deno.test("It is in any mood that a test wants", async () => {
  await using server = FakeWhisperServer.start();
  server.mood = { status: 503 };
  const refused = await ask(server);
  assert.equal(refused.status, 503);
  await refused.body?.cancel();
  server.mood = "garbage";
  assert.match(await (await ask(server)).text(), /html/);
  server.mood = "well";
  server.texts.push("Thank you.");
  assert.equal((await (await ask(server)).json()).text, " Thank you.");
  assert.equal((await (await ask(server)).json()).text, " red river");
});

/** Who reads the transcript of a voice session: by their tokens and links, through the whole service and its database. */
import assert from "@std/assert";
import { padded } from "../fakes/speech.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { startVoice, type VoiceWorld } from "./voice_world.ts";
import { PHRASE } from "./world.ts";

const ALICE = { user_id: "alice", opco_id: "north" };

async function tempFolder() {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** The id of the transcript of a session in which Alice said the phrase. */
async function spoken(world: VoiceWorld): Promise<string> {
  await using client = await world.connect({ token: await world.issuer.token(ALICE) });
  client.control({ type: "start", language: "en" });
  await client.ready();
  const { transcript } = client.messages.find(({ type }) => type === "ready") ?? {};
  await client.say(padded(toneSpeech(PHRASE), 300, 300));
  client.control({ type: "stop" });
  await client.closed();
  return transcript?.id ?? assert.fail("no transcript");
}

async function ask(world: VoiceWorld, token: string, path: string, method = "GET", body?: object) {
  const response = await fetch(`${world.base}/api/v1/transcripts${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

Deno.test("A user reads, links and deletes their own transcripts; nobody else finds them", async () => {
  await using folder = await tempFolder();
  await using world = await startVoice({ TRANSCRIPTS: "on", TIRO_DATA_DIR: folder.path });
  const id = await spoken(world);
  const { issuer } = world;
  const alice = await issuer.token(ALICE);
  const { status, text } = await ask(world, alice, `/${id}.txt`);
  assert.equal(status, 200);
  for (const word of PHRASE) assert.match(text, new RegExp(`\\b${word}\\b`));
  assert.match((await ask(world, alice, "")).text, new RegExp(id));

  const others = {
    "another user": await issuer.token({ user_id: "bob", opco_id: "north" }),
    "a user of the same name in another tenant": await issuer.token({ user_id: "alice", opco_id: "south" }),
    "a user of the same name without a tenant": await issuer.token({ user_id: "alice" }),
    "the front end, whose calls these are not": world.apiToken,
  };
  for (const [who, token] of Object.entries(others)) {
    for (
      const [path, method] of [[`/${id}`, "GET"], [`/${id}.vtt`, "GET"], [`/${id}/events`, "GET"], [
        `/${id}`,
        "DELETE",
      ]]
    ) {
      assert.equal((await ask(world, token, path, method)).status, 404, `${who}: ${method} ${path}`);
    }
    assert.equal((await ask(world, token, `/${id}/links`, "POST", {})).status, 404, who);
    assert.doesNotMatch((await ask(world, token, "")).text, new RegExp(id), who);
  }
  const strangers = {
    "an expired token": await issuer.token({ ...ALICE, exp: 1_000_000 }),
    "a token for another service": await issuer.token({ ...ALICE, azp: "another" }),
    "a forged token": await issuer.token(ALICE, { key: await issuer.makeKey("ES256", issuer.keys[0].kid) }),
    "no token": "",
  };
  for (const [who, token] of Object.entries(strangers)) {
    const { status, text } = await ask(world, token, `/${id}`);
    assert.deepEqual([status, text], [401, '{"error":"not authorised"}'], who);
  }

  assert.equal((await ask(world, alice, `/${id}`, "DELETE")).status, 200);
  assert.equal((await ask(world, alice, `/${id}`)).status, 404);
});

Deno.test("A link reads one transcript, also after a restart, and nothing once it is deleted", async () => {
  await using folder = await tempFolder();
  const environment = { TRANSCRIPTS: "on", TIRO_DATA_DIR: folder.path };
  const made = await (async () => {
    await using world = await startVoice(environment);
    const [id, other] = [await spoken(world), await spoken(world)];
    const alice = await world.issuer.token(ALICE);
    const { status, text } = await ask(world, alice, `/${id}/links`, "POST", { hours: 1 });
    assert.equal(status, 200);
    const [, key] = /#key=(.+)$/.exec(JSON.parse(text).url) ?? assert.fail("no key");
    assert.equal((await ask(world, key, `/${id}`)).status, 200);
    return { id, other, key };
  })();
  await using world = await startVoice(environment);
  const { id, other, key } = made;
  assert.equal((await ask(world, key, `/${id}.srt`)).status, 200);
  for (const [path, method] of [[`/${other}`, "GET"], [`/${id}`, "DELETE"], [`/${id}/links`, "POST"]]) {
    assert.equal((await ask(world, key, path, method, method === "POST" ? {} : undefined)).status, 404, path);
  }
  assert.equal((await ask(world, key, "")).status, 403, "it lists nothing");
  assert.equal((await ask(world, `${key.slice(0, -3)}AAA`, `/${id}`)).status, 401);
  const metrics = await fetch(`${world.base}/metrics`, { headers: { authorization: `Bearer ${key}` } });
  await metrics.body?.cancel();
  assert.equal(metrics.status, 403);

  assert.equal((await ask(world, await world.issuer.token(ALICE), `/${id}`, "DELETE")).status, 200);
  assert.equal((await ask(world, key, `/${id}`)).status, 404);
  const logged = JSON.stringify(world.log.lines);
  for (const hidden of [key, key.split(".")[3], "alice", ...PHRASE.map((word) => ` ${word} `)]) {
    assert.ok(!logged.includes(hidden), "a key, a user or speech is logged");
  }
});

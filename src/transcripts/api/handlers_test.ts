import assert from "@std/assert";
import { settle } from "../../../tests/fakes/clock.ts";
import { STORE_AWAY } from "../../../tests/fakes/records.ts";
import { ANYONE, type Principal, UnavailableError } from "../../domain/mod.ts";
import { VOICE } from "../testing_test.ts";
import { ADA, Api, FRONT_END, principal } from "./testing_test.ts";

Deno.test("A transcript is served by extension, and by what the client accepts", async () => {
  await using api = new Api();
  const id = await api.talk();
  const cases: [path: string, accept: string, type: string, text: RegExp][] = [
    [`/${id}.vtt`, "application/json", "text/vtt; charset=utf-8", /^WEBVTT\n[\s\S]*<v Ada>Hello\.<\/v>/],
    [`/${id}`, "text/vtt", "text/vtt; charset=utf-8", /^WEBVTT/],
    [
      `/${id}.srt`,
      "*/*",
      "application/x-subrip; charset=utf-8",
      /^1\n00:00:00,000 --> .*\nAda: Hello\.\n\n$/,
    ],
    [`/${id}`, "application/x-subrip", "application/x-subrip; charset=utf-8", /^1\n/],
    [`/${id}.txt`, "*/*", "text/plain; charset=utf-8", /^\[00:00:00\] Ada: Hello\.\n$/],
    [`/${id}`, "*/*", "application/json; charset=utf-8", /"text":"Hello\."/],
  ];
  for (const [path, accept, type, text] of cases) {
    const response = await api.ask("GET", path, undefined, { accept });
    assert.equal(response.status, 200, path);
    assert.equal(response.headers.get("content-type"), type);
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.equal(
      response.headers.get("content-disposition"),
      path.includes(".") ? `attachment; filename="transcript-2026-11-28${path.slice(-4)}"` : null,
    );
    assert.match(await response.text(), text);
    const head = await api.ask("HEAD", path, undefined, { accept });
    assert.deepEqual([head.status, head.headers.get("content-type"), await head.text()], [200, type, ""]);
  }
});

/** What each may do with a transcript of Talk, and with one of Ada's voice sessions. */
const CLIENTS: [who: string, principal: Principal, talk: boolean, voice: boolean][] = [
  ["the front end by token", FRONT_END, true, false],
  ["AppAPI", principal("app_api"), true, false],
  ["anyone, where no credentials are configured", principal("anyone"), true, false],
  ["the user", ADA, false, true],
  ["another user", principal("user", { userId: "eve", tenantId: "acme" }), false, false],
  ["the user of another tenant", principal("user", { userId: "ada", tenantId: "other" }), false, false],
  ["the user without a tenant", principal("user", { userId: "ada" }), false, false],
  ["a user without an id", principal("user"), false, false],
  ["the key of another transcript", principal("viewer", { transcriptId: "A".repeat(22) }), false, false],
];

for (const [who, client, talk, voice] of CLIENTS) {
  Deno.test(`Who reads what: ${who}`, async () => {
    await using api = new Api();
    const spoken = { talk: await api.talk(), voice: "" };
    api.open(VOICE).say("Mine.");
    [spoken.voice] = await api.ids({ door: "voice" });
    api.as = client;
    for (const [id, may] of [[spoken.talk, talk], [spoken.voice, voice]] as const) {
      const expected = may ? 200 : 404;
      assert.equal(await api.status("GET", `/${id}`), expected);
      assert.equal(await api.status("GET", `/${id}/events`), expected);
      assert.equal(await api.status("POST", `/${id}/links`, {}), expected);
    }
    const listed = await api.ask("GET", "");
    if (["viewer"].includes(client.kind) || client.kind === "user" && !client.userId) {
      assert.equal(listed.status, 403);
    } else {
      const { transcripts }: { transcripts: { id: string }[] } = await listed.json();
      assert.deepEqual(
        transcripts.map(({ id }) => id),
        [...talk ? [spoken.talk] : [], ...voice ? [spoken.voice] : []],
      );
    }
    await listed.body?.cancel().catch(() => {}); // it was read
    for (const [id, may] of [[spoken.talk, talk], [spoken.voice, voice]] as const) {
      assert.equal(await api.status("POST", `/${id}/stop`), may ? 200 : 404);
      assert.equal(await api.status("DELETE", `/${id}`), may ? 200 : 404);
      assert.equal(await api.transcripts.find(id) === undefined, may, "deleted or not");
    }
  });
}

Deno.test("Where no credentials are configured, everyone reads those of voice sessions without a user", async () => {
  await using api = new Api();
  api.open({ door: "voice", name: "v2", userId: ANYONE }).say("Hi.");
  api.open(VOICE).say("Mine.");
  const [id, other] = await api.ids();
  for (const [client, expected] of [["anyone", 200], ["token", 404]] as const) {
    api.as = principal(client);
    assert.equal(await api.status("GET", `/${id}`), expected);
    assert.equal(await api.status("GET", `/${other}`), 404);
  }
  api.as = principal("anyone");
  assert.deepEqual((await (await api.ask("GET", "")).json()).transcripts.length, 1);
});

Deno.test("A user reads no transcript of Talk, whoever is named in it", async () => {
  await using api = new Api();
  api.open({ ...VOICE, door: "talk" }).say("Hi.");
  api.as = ADA;
  assert.equal(await api.status("GET", `/${(await api.ids())[0]}`), 404);
  assert.deepEqual(await (await api.ask("GET", "")).json(), { transcripts: [] });
});

Deno.test("The key of a link reads the one transcript and changes nothing", async () => {
  await using api = new Api();
  const id = await api.talk();
  api.as = principal("viewer", { transcriptId: id });
  assert.equal(await api.status("GET", `/${id}.vtt`), 200);
  assert.equal(await api.status("GET", `/${id}/events`), 200);
  for (
    const [method, path, body] of [["DELETE", `/${id}`], ["POST", `/${id}/stop`], [
      "POST",
      `/${id}/links`,
      {},
    ]] as const
  ) {
    assert.equal(await api.status(method, path, body), 404, path);
  }
  const { hasToken } = await api.ask("GET", `/${id}`).then(async (response) => ({
    hasToken: (await response.text()).includes("room1"),
  }));
  assert.equal(hasToken, false, "the room's token is not for viewers");
  await api.transcripts.delete(id);
  assert.equal(await api.status("GET", `/${id}`), 404);
});

Deno.test("A user without a tenant has their list to themselves, however many a user of that name has", async () => {
  await using api = new Api();
  const about = (name: string, tenantId?: string) => ({ door: "voice", name, userId: "ada", tenantId });
  const own = api.open(about("own"));
  own.say("Mine.");
  const [id] = await api.ids();
  own.close();
  await api.clock.advance(1_000);
  for (const name of ["v2", "v3"]) {
    const other = api.open(about(name, "acme"));
    other.say("Theirs.");
    if (name === "v2") other.close();
  }
  api.as = principal("user", { userId: "ada" });
  const { transcripts } = await (await api.ask("GET", "?limit=1")).json();
  assert.deepEqual(transcripts.map((each: { id: string }) => each.id), [id]);
});

Deno.test("The front end lists the transcripts of a room, the newest first", async () => {
  await using api = new Api();
  for (const name of ["room1", "room2", "room1"]) {
    await api.clock.advance(1_000);
    const session = api.open({ door: "talk", name });
    session.say("Hi.");
    if (name === "room2") session.close();
  }
  const list = async (query: string) => (await (await api.ask("GET", query)).json()).transcripts;
  const all = await list("");
  assert.deepEqual(all.map(({ roomToken, isLive }: Record<string, unknown>) => [roomToken, isLive]), [
    ["room1", true],
    ["room2", true],
    ["room1", true],
  ]);
  assert.deepEqual([all[0].endedAtMs, typeof all[1].endedAtMs], [undefined, "number"]);
  assert.equal((await list("?roomToken=room1")).length, 2);
  assert.equal((await list("?limit=1")).length, 1);
  for (const wrong of ["?limit=-1", "?limit=1.5", "?limit=1001", "?limit=x", "?roomToken=%00"]) {
    assert.equal(await api.status("GET", wrong), 400, wrong);
  }
});

Deno.test("On request, the front end has a transcript of a call that is being captioned kept", async () => {
  await using api = new Api("request");
  const session = api.open();
  assert.equal(await api.status("POST", "", { roomToken: "other" }), 404);
  assert.equal(await api.status("POST", "", {}), 400);
  const { id } = await (await api.ask("POST", "", { roomToken: "room1" })).json();
  session.say("Hello.");
  assert.match(await (await api.ask("GET", `/${id}.txt`)).text(), /Hello/);
  api.workRefusal = new UnavailableError("Cannot accept the request: shutting down", "draining");
  assert.equal(await api.status("POST", "", { roomToken: "room1" }), 503);
  api.workRefusal = undefined;
  api.as = ADA;
  assert.equal(await api.status("POST", "", { roomToken: "room1" }), 403);
});

Deno.test("Where transcripts are off, every route says so", async () => {
  await using api = new Api("off");
  const id = "A".repeat(22);
  const asked: [string, string, unknown?][] = [
    ["GET", ""],
    ["POST", "", { roomToken: "room1" }],
    ["GET", `/${id}`],
    ["GET", `/${id}/events`],
    ["DELETE", `/${id}`],
    ["POST", `/${id}/stop`],
    ["POST", `/${id}/links`, {}],
  ];
  for (const [method, path, body] of asked) {
    const response = await api.ask(method, path, body);
    assert.equal(response.status, 403, `${method} ${path}`);
    assert.match((await response.json()).error, /set TRANSCRIPTS$/);
  }
});

Deno.test("A link has its key in the fragment, and expires", async () => {
  await using api = new Api();
  const id = await api.talk();
  const issued = async (body: unknown) => await (await api.ask("POST", `/${id}/links`, body)).json();
  assert.deepEqual(await issued({ hours: 2 }), {
    url: `captions/${id}#key=${id}-key`,
    expiresAtMs: 1_000_000 + 2 * 3_600_000,
  });
  assert.equal((await issued({})).expiresAtMs, 1_000_000 + 24 * 3_600_000);
  for (const hours of [0, 721, 1.5, "2"]) {
    assert.equal(await api.status("POST", `/${id}/links`, { hours }), 400);
  }
});

Deno.test("While the store is away what is in memory is served, the rest is 503, and nothing of it is disclosed", async () => {
  await using api = new Api();
  const id = await api.talk();
  api.records.memory.failure = STORE_AWAY;
  assert.equal(await api.status("GET", `/${id}.vtt`), 200);
  assert.equal(await api.status("GET", `/${id}/events`), 200);
  for (const [method, path] of [["GET", ""], ["GET", `/${"A".repeat(22)}`], ["DELETE", `/${id}`]]) {
    const response = await api.ask(method, path);
    assert.deepEqual([response.status, response.headers.get("retry-after")], [503, "5"], path);
    assert.deepEqual(await response.json(), { error: "Cannot read or delete records: the database is away" });
  }
});

Deno.test("A long transcript is not read from the store faster than the client takes it", async () => {
  await using api = new Api();
  const session = api.open(VOICE);
  for (let word = 0; word < 5_000; word++) session.say(`word ${word}`);
  session.close();
  api.as = ADA;
  const [id] = await api.ids();
  const response = await api.ask("GET", `/${id}.txt`);
  const reader = response.body!.getReader();
  await reader.read();
  for (let turn = 0; turn < 20; turn++) await settle();
  assert.ok(api.records.memory.calls.cues! <= 2, `${api.records.memory.calls.cues} steps`);
  let bytes = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) bytes += read.value.length;
  assert.ok(bytes > 100_000);
  assert.ok(api.records.memory.calls.cues! >= 50);
});

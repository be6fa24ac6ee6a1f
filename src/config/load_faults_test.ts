/** What the faults of an environment say, and that neither they nor the configuration show a secret. */
import assert from "@std/assert";
import { inspect } from "node:util";
import { READABLE, WRITABLE as WRITABLE_FOLDERS } from "./fields.ts";
import { READ_ONLY_DATA_FOLDERS } from "../models/mod.ts";
import { formatConfigError, loadConfig, Secret } from "./mod.ts";
import { COMPLETE, EXAPP, faultsOf, PEM, problems, WRITABLE } from "./load_testing_test.ts";

Deno.test("All faults are reported at once, in the order of the documentation", () => {
  const error = faultsOf({
    NEXTCLOUD_URL: "cloud.example.org",
    STT_PROVIDER: "modal",
    PORT: "70000",
    LOG_LEVEL: "chatty",
    STT_CHUNK_MS: "20",
  });
  assert.deepEqual(error.faults.map((fault) => [fault.variable, fault.problem]), [
    ["LT_HPB_URL", "is not set"],
    ["LT_INTERNAL_SECRET", "is not set"],
    ["NEXTCLOUD_URL", "is not a URL; it must start with https:// or http://"],
    ["MODAL_WORKSPACE", "is not set"],
    ["MODAL_KEY", "is not set"],
    ["MODAL_SECRET", "is not set"],
    ["STT_CHUNK_MS", "must be a whole number from 80 to 200"],
    ["PORT", "must be a whole number from 0 to 65535"],
    ["LOG_LEVEL", "must be one of debug, info, warn, error"],
  ]);
  assert.ok(error.faults.every((fault) => fault.example.length > 0));
});

Deno.test("No fault quotes the value", () => {
  const wrong: Record<string, readonly string[]> = {
    LT_HPB_URL: [
      "hpb",
      "ftp://hpb.example.org",
      "https://me:pw@hpb.example.org",
      "https://h.org/?a=1",
      "https://h.org/?",
      "https://h.org/#a",
    ],
    NEXTCLOUD_URL: [
      "wss://cloud.example.org",
      "https://me@cloud.example.org",
      "https://c.org/?x=1",
      "https://c.org/#",
    ],
    STT_STREAM_URL: ["https://stt.example.org", "wss://a:b@stt.example.org", "nonsense"],
    LT_INTERNAL_SECRET: [" padded", "padded\n", "two\nlines"],
    MODAL_KEY: ["with space", "new\nline", "ümlaut"],
    MODAL_WORKSPACE: ["My Workspace", "-a", "a.b", "a/b", "a@evil.example.org", "a".repeat(64)],
    STT_PROVIDER: ["parrot", "modal2"],
    STT_CHUNK_MS: ["79", "201", "100.5", "1e2", "0x64", "-100", "soon"],
    LT_DEFAULT_LANGUAGE: ["English", "../de", "e"],
    CAPTION_PARTIALS: ["maybe", "2", "onn"],
    TRANSLATION_PROVIDER: ["google", "deep-l"],
    LIBRETRANSLATE_URL: ["libretranslate", "ws://lt:5000"],
    DEEPL_URL: ["https://key@api.deepl.com"],
    DEEPL_API_KEY: ["with space"],
    LT_API_TOKEN: [
      "with space",
      "new\nline",
      "ümlaut",
      "a",
      "password",
      "x".repeat(64),
      "aabbccddeeaabbccddee",
    ],
    LT_API_OPEN: ["maybe", "truee"],
    HOST: ["not a host", "http://0.0.0.0"],
    APP_ID: ["Live Transcription", "a/b"],
    AA_VERSION: ["new\nline"],
    APP_HOST: ["not a host"],
    APP_PORT: ["65536"],
    HP_EXAPP_SOCK: ["exapp.sock", `/${"a".repeat(107)}`],
    PORT: ["-1", "65536", "http"],
    LOG_LEVEL: ["trace", "infoo", "constructor"],
    SKIP_CERT_VERIFY: ["maybe", "-1"],
    HTTPS_PROXY: ["ftp://proxy.example", "http://:3128", "a proxy"],
    ALL_PROXY: ["unix:///run/proxy.sock"],
    MAX_ROOMS: ["0", "10001", "many"],
    MEDIA_ADDRESS: [
      "eth0",
      "192.0.2.300",
      "fe80::1",
      "224.0.0.1",
      "[::1]",
      "192.0.2.7;192.0.2.8",
      "198.51.100.9",
    ],
    MEDIA_OPUS: ["native", "opus.wasm"],
    MEDIA_PORTS: ["20000", "20000-", "-20000", "30000-20000", "20000-66000", "0-65535", "20000-20100"],
    MAX_SPEAKERS: ["0", "10001"],
    MAX_SPEAKERS_PER_ROOM: ["0"],
    EMPTY_ROOM_SECONDS: ["0", "86401"],
  };
  for (const [variable, values] of Object.entries(wrong)) {
    for (const value of values) {
      const error = faultsOf({ ...COMPLETE, LT_API_OPEN: "true", [variable]: value });
      assert.deepEqual(error.faults.map((fault) => fault.variable), [variable], `${variable}=${value}`);
      const { problem } = error.faults[0];
      assert.ok(value.length < 3 || !problem.includes(value), `${variable}: "${problem}" shows the value`);
      assert.match(problem, /^(is|must|has|holds|names) /);
    }
  }
});

Deno.test("Each cause is reported once", () => {
  const open = { ...COMPLETE, HOST: "0.0.0.0" };
  assert.deepEqual(problems({ ...open, LT_API_OPEN: "maybe" }), {
    LT_API_OPEN: "must be true or false",
  });
  const { MODAL_WORKSPACE: _1, MODAL_KEY: _2, MODAL_SECRET: _3, ...bare } = COMPLETE;
  assert.deepEqual(Object.keys(problems({ ...bare, STT_PROVIDER: "parrot" })), ["STT_PROVIDER"]);
  assert.deepEqual(Object.keys(problems({ ...COMPLETE, TRANSLATION_PROVIDER: "deep-l" })), [
    "TRANSLATION_PROVIDER",
  ]);
});

Deno.test("A certificate file must exist and contain a certificate", async () => {
  const path = await Deno.makeTempFile();
  try {
    const env = { ...COMPLETE, LT_CA_CERTS: path };
    assert.deepEqual(problems(env), { LT_CA_CERTS: "names a file without a PEM certificate in it" });
    await Deno.writeTextFile(path, `${PEM}\n`);
    assert.deepEqual(loadConfig(env).tls.caCerts, [PEM]);
  } finally {
    await Deno.remove(path);
  }
  assert.deepEqual(problems({ ...COMPLETE, LT_CA_CERTS: path }), {
    LT_CA_CERTS: "names a file that does not exist",
  });
});

Deno.test("A file of words to expect is refused with the line and the cause, and never shown", () => {
  const of = (text: string) => {
    const { STT_WORDS_FILE } = problems({ ...COMPLETE, STT_WORDS_FILE: "words.txt" }, { read: () => text });
    assert.ok(!STT_WORDS_FILE.includes("5ecret"), STT_WORDS_FILE);
    return STT_WORDS_FILE;
  };
  assert.equal(
    of(`Moshi\n\n# names\n${"5ecret ".repeat(12)}`),
    "names a file whose line 4 is longer than 80 characters",
  );
  assert.equal(of("Moshi\r\n--"), "names a file whose line 2 has no letter or digit");
  assert.equal(of("5ecret\ufffd"), "names a file that is not UTF-8");
  const many = Array.from({ length: 201 }, (_, at) => `5ecret${at}`).join("\n");
  assert.equal(of(many), "names a file with 201 words or phrases; at most 200 are used");
  const missing = problems({ ...COMPLETE, STT_WORDS_FILE: "/nowhere/words.txt" });
  assert.deepEqual(missing, { STT_WORDS_FILE: "names a file that does not exist" });
});

Deno.test("A path outside Deno's permissions is distinguished from a missing one", () => {
  const refuse = () => {
    throw new Deno.errors.NotCapable("Requires read access");
  };
  const env = { ...COMPLETE, ...EXAPP, LT_CA_CERTS: "/srv/ca.pem" };
  const why = "where Tiro has no permission; use";
  assert.deepEqual(problems(env, { read: refuse, probe: refuse }), {
    APP_PERSISTENT_STORAGE: `names a folder ${why} a folder in ${WRITABLE_FOLDERS}`,
    LT_CA_CERTS: `names a file ${why} a file in ${READABLE}`,
  });
  assert.deepEqual(problems({ ...COMPLETE, STT_WORDS_FILE: "/srv/words" }, { read: refuse }), {
    STT_WORDS_FILE: `names a file ${why} a file in ${READABLE}`,
  });
});

Deno.test("The folders that errors name are those of the permissions in deno.json", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  const allowed = (flag: string) =>
    new RegExp(`--allow-${flag}=(\\S+)`).exec(tasks.compile)?.[1].split(",") ?? [];
  const named = (folders: string) => folders.split(/, | or /);
  const writable = named(WRITABLE_FOLDERS);
  assert.deepEqual([...writable, "/tmp/exapp.sock"], allowed("write"));
  const readable = [...named(READABLE), ...writable, "/tmp/exapp.sock", "/usr/share/pocketsphinx"];
  assert.deepEqual([...readable, ...READ_ONLY_DATA_FOLDERS], allowed("read"));
});

Deno.test("No secret can be seen in the configuration or in its faults", () => {
  const config = loadConfig({
    ...COMPLETE,
    ...EXAPP,
    LT_API_TOKEN: "api-5ecret-0f1e2d3c",
    DEEPL_API_KEY: "dl-5ecret",
    LIBRETRANSLATE_API_KEY: "lt-5ecret",
    HP_SHARED_KEY: "harp-5ecret",
  }, WRITABLE);
  const error = faultsOf({
    ...COMPLETE,
    LT_API_TOKEN: "api 5ecret",
    APP_SECRET: " 5ecret",
    LT_HPB_URL: "https://u:5ecret@h",
    MODAL_SECRET: "5ecret with space",
  });
  const shown = [
    JSON.stringify(config),
    Deno.inspect(config, { depth: 9, showHidden: true }),
    `${config.talk?.internalSecret}`,
    String(config.stt.providers[0].settings),
    Object.entries(config.stt.providers[0]).join(),
    JSON.stringify(error),
    Deno.inspect(error),
    error.stack ?? "",
    formatConfigError(error),
  ].join("\n");
  assert.ok(!shown.includes("5ecret"), shown);
  assert.ok(shown.includes("[hidden]"));
});

Deno.test("A secret is shown by reveal() alone", () => {
  const secret = new Secret("5ecret");
  assert.equal(secret.reveal(), "5ecret");
  assert.equal(`${secret}`, "[hidden]");
  assert.equal(JSON.stringify({ secret }), '{"secret":"[hidden]"}');
  assert.equal(Deno.inspect({ secret }), "{ secret: [hidden] }");
  assert.equal(inspect({ secret }), "{ secret: [hidden] }");
  assert.deepEqual(Object.keys(secret), []);
});

Deno.test("As text each fault has the variable, the problem and an example", () => {
  const { LT_HPB_URL: _, ...env } = COMPLETE;
  assert.equal(
    formatConfigError(faultsOf({ ...env, PORT: "http" })),
    [
      "Cannot start: 2 faults in the environment",
      "",
      "  LT_HPB_URL is not set",
      "      example: LT_HPB_URL=https://signaling.example.org",
      "  PORT must be a whole number from 0 to 65535",
      "      example: PORT=8080",
      "",
    ].join("\n"),
  );
  assert.match(formatConfigError(faultsOf(env)), /^Cannot start: 1 fault in the environment\n/);
});

import assert from "@std/assert";
import { ConfigError, LIMITS } from "../domain/mod.ts";
import { type Environment, listenAddressIn, loadConfig, outgoingIn, VARIABLES } from "./mod.ts";
import { modalUrl } from "../stt/mod.ts";
import {
  APP_SECRET,
  COMPLETE,
  EXAPP,
  faultsOf,
  PEM,
  problems,
  SECRETS,
  WRITABLE,
} from "./load_testing_test.ts";

const TOKEN = "t0ken-4715-0f1e2d3c";

Deno.test("The required variables alone give the documented defaults", () => {
  const config = loadConfig(COMPLETE);
  assert.equal(config.talk?.hpbUrl, "wss://signaling.example.org/spreed");
  assert.equal(config.talk?.internalSecret.reveal(), SECRETS.LT_INTERNAL_SECRET);
  assert.equal(config.talk?.nextcloudUrl, "https://cloud.example.org");
  assert.equal(config.stt.providers[0].provider, "modal");
  assert.equal(config.stt.providers[0].address, modalUrl("my-workspace"));
  assert.deepEqual(config.stt.providers[0].settings.reveal(), {
    url: modalUrl("my-workspace"),
    key: SECRETS.MODAL_KEY,
    secret: SECRETS.MODAL_SECRET,
  });
  assert.equal(config.stt.chunkMs, 200);
  assert.equal(config.captions.partials, true);
  assert.equal(config.translation, undefined);
  assert.deepEqual(config.http, { host: "127.0.0.1", port: 8080 });
  assert.deepEqual(config.auth, { token: undefined });
  assert.equal(config.exApp, undefined);
  assert.deepEqual(config.log, { level: "info" });
  assert.deepEqual(config.tls, { caCerts: [], skipVerify: false });
  assert.deepEqual(config.limits, {
    rooms: LIMITS.sessions,
    speakers: LIMITS.speakers,
    speakersPerRoom: LIMITS.speakersPerSession,
    emptyRoomMs: LIMITS.emptySessionMs,
  });
});

Deno.test("Every variable can be set", () => {
  const env = {
    ...COMPLETE,
    STT_STREAM_URL: "ws://127.0.0.1:9000/v1/stream",
    STT_CHUNK_MS: "80",
    STT_WORDS_FILE: "words.txt",
    LT_DEFAULT_LANGUAGE: "fr_CA",
    CAPTION_PARTIALS: "off",
    TRANSLATION_PROVIDER: "libretranslate",
    LIBRETRANSLATE_URL: "http://libretranslate:5000/",
    LIBRETRANSLATE_API_KEY: "lt-5ecret",
    DEEPL_API_KEY: "dl-5ecret",
    DEEPL_URL: "https://deepl.example.org/",
    HOST: "0.0.0.0",
    PORT: "0",
    LT_API_TOKEN: TOKEN,
    LT_API_OPEN: "false",
    LOG_LEVEL: "debug",
    LT_CA_CERTS: "ca.pem",
    SKIP_CERT_VERIFY: "true",
    MAX_ROOMS: "5",
    MAX_SPEAKERS: "8",
    MAX_SPEAKERS_PER_ROOM: "6",
    EMPTY_ROOM_SECONDS: "7",
  };
  const machine = { read: (path: string) => path === "ca.pem" ? `first\n${PEM}\nsecond\n${PEM}\n` : "Moshi" };
  const config = loadConfig(env, machine);
  const other = loadConfig({ ...env, STT_PROVIDER: "pocketsphinx", TRANSLATION_PROVIDER: "deepl" }, machine);
  assert.equal(config.stt.providers[0].address, "ws://127.0.0.1:9000/v1/stream");
  assert.equal(config.stt.chunkMs, 80);
  assert.deepEqual([
    other.stt.providers[0].provider,
    other.stt.providers[0].settings.reveal(),
    other.stt.providers[0].address,
  ], [
    "pocketsphinx",
    {},
    undefined,
  ]);
  assert.deepEqual(config.captions, { partials: false, defaultLanguage: "fr_CA", words: ["Moshi"] });
  assert.equal(config.translation?.provider, "libretranslate");
  assert.deepEqual(config.translation?.settings.reveal(), {
    url: "http://libretranslate:5000",
    apiKey: "lt-5ecret",
  });
  assert.deepEqual(other.translation?.settings.reveal(), {
    url: "https://deepl.example.org",
    key: "dl-5ecret",
  });
  assert.deepEqual(config.http, { host: "0.0.0.0", port: 0 });
  assert.equal(config.auth.token?.reveal(), TOKEN);
  assert.equal(config.log.level, "debug");
  assert.deepEqual(config.tls, { caCerts: [PEM, PEM], skipVerify: true });
  assert.deepEqual(config.limits, { rooms: 5, speakers: 8, speakersPerRoom: 6, emptyRoomMs: 7_000 });
});

Deno.test("The HPB's address is accepted in every spelling operators use", () => {
  const spellings = {
    "https://hpb.example.org": "wss://hpb.example.org/spreed",
    "https://hpb.example.org/": "wss://hpb.example.org/spreed",
    "http://hpb:8081": "ws://hpb:8081/spreed",
    "ws://hpb:8081/spreed": "ws://hpb:8081/spreed",
    "wss://hpb.example.org/spreed/": "wss://hpb.example.org/spreed",
    "https://example.org/standalone-signaling/": "wss://example.org/standalone-signaling/spreed",
    " https://hpb.example.org \n": "wss://hpb.example.org/spreed",
  };
  for (const [given, used] of Object.entries(spellings)) {
    assert.equal(loadConfig({ ...COMPLETE, LT_HPB_URL: given }).talk?.hpbUrl, used, given);
  }
});

Deno.test("Nextcloud's address is accepted as operators and AppAPI write it, with its path", () => {
  for (const folder of ["", "/nextcloud"]) {
    const address = `http://example.org:8080${folder}`;
    for (const end of ["", "/", "/index.php", "/index.php/"]) {
      const { talk } = loadConfig({ ...COMPLETE, NEXTCLOUD_URL: address + end });
      assert.equal(talk?.nextcloudUrl, address, folder + end);
    }
  }
});

Deno.test("Without credentials only a loopback address is accepted, unless LT_API_OPEN is set", () => {
  const refused = {
    LT_API_TOKEN: "is not set, and HOST is not a loopback address (LT_API_OPEN=true serves everyone)",
  };
  for (
    const HOST of ["0.0.0.0", "::", "192.0.2.7", "tiro", "localhost.example.org", "127.0.0.1.example.org"]
  ) {
    const env = { ...COMPLETE, HOST };
    assert.deepEqual(problems(env), refused, HOST);
    assert.deepEqual(problems({ ...env, LT_API_OPEN: "false", LT_API_TOKEN: "" }), refused, HOST);
    assert.equal(loadConfig({ ...env, LT_API_OPEN: "true" }).http.host, HOST);
    assert.equal(loadConfig({ ...env, LT_API_TOKEN: TOKEN }).http.host, HOST);
    assert.equal(loadConfig({ ...env, ...EXAPP }, WRITABLE).http.host, HOST);
  }
  for (const HOST of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) {
    assert.equal(loadConfig({ ...COMPLETE, HOST }).http.host, HOST);
  }
});

Deno.test("A secret of API clients must be hard to guess; the error shows how to generate one", () => {
  const easy = "is easily guessed: it must have 16 characters or more, 6 of them different";
  for (const weak of ["a", "12345", "0123456789abcde", "a".repeat(128), "abcde".repeat(10)]) {
    const error = faultsOf({ ...COMPLETE, LT_API_TOKEN: weak });
    assert.deepEqual(error.faults, [{
      variable: "LT_API_TOKEN",
      problem: easy,
      example: "the output of: openssl rand -hex 32",
    }]);
    assert.deepEqual(problems({ ...COMPLETE, ...EXAPP, APP_SECRET: weak }, WRITABLE), {
      APP_SECRET: `${easy}; register the app anew with such a one, or with none: then AppAPI makes it`,
    });
  }
  const fromAppApi = "Zk3v+/aQ".repeat(16); // 128 characters of base64's
  for (const strong of [fromAppApi, "0123456789abcdef", "f".repeat(10) + "0123456"]) {
    assert.equal(loadConfig({ ...COMPLETE, LT_API_TOKEN: strong }).auth.token?.reveal(), strong);
    const env = { ...COMPLETE, ...EXAPP, APP_SECRET: strong };
    assert.equal(loadConfig(env, WRITABLE).exApp?.secret.reveal(), strong);
  }
});

Deno.test("A health check gets the address from the same environment", () => {
  assert.deepEqual(listenAddressIn({ PORT: "" }), { host: "127.0.0.1", port: "8080" });
  const app = { APP_SECRET, APP_HOST: "0.0.0.0", APP_PORT: "23000", HOST: "::1" };
  assert.deepEqual(listenAddressIn(app), { host: "0.0.0.0", port: "23000" });
  assert.equal(listenAddressIn({ ...app, HP_SHARED_KEY: "k" }).unixSocket, "/tmp/exapp.sock");
});

Deno.test("MEDIA_ADDRESS accepts addresses of this machine, or all of a family", () => {
  const machine = { addresses: () => ["127.0.0.1", "192.0.2.7", "::1", "2001:db8::7"] };
  const addresses = (MEDIA_ADDRESS: string) =>
    loadConfig({ ...COMPLETE, MEDIA_ADDRESS }, machine).media.addresses;
  assert.deepEqual(addresses("192.0.2.7"), ["192.0.2.7"]);
  assert.deepEqual(addresses("192.0.2.7, 2001:DB8:0::7"), ["192.0.2.7", "2001:db8::7"]);
  assert.deepEqual(addresses("0.0.0.0"), ["0.0.0.0"]);
  assert.deepEqual(addresses("::"), ["::"]);
  assert.equal(addresses(""), undefined);
  const problem = (MEDIA_ADDRESS: string) => problems({ ...COMPLETE, MEDIA_ADDRESS }, machine).MEDIA_ADDRESS;
  assert.equal(problem("192.0.2.7,198.51.100.9"), "names an address that this machine does not have");
  assert.equal(problem("192.0.2.7,192.0.2.7"), "names an address twice");
  assert.equal(problem("0.0.0.0,192.0.2.7"), "names all addresses of a family and one of them");
  assert.equal(
    problem(Array(5).fill(0).map((_, i) => `127.0.0.${i + 1}`).join()),
    "names more than 4 addresses",
  );
});

Deno.test("MEDIA_PORTS must be enough for the speakers; the error has the number needed", () => {
  const few = { ...COMPLETE, MAX_SPEAKERS: "50" };
  assert.deepEqual(loadConfig({ ...few, MEDIA_PORTS: "20000-20069" }).media.ports, [20_000, 20_069]);
  assert.deepEqual(loadConfig({ ...few, MEDIA_PORTS: " 20000 - 20100 " }).media.ports, [20_000, 20_100]);
  assert.equal(loadConfig(few).media.ports, undefined);
  assert.deepEqual(problems({ ...few, MEDIA_PORTS: "20000-20068" }), {
    MEDIA_PORTS:
      "has 69 ports and needs 70: one for each of MAX_SPEAKERS (350 a media worker at most), and 20 for those who reconnect",
  });
  assert.deepEqual(Object.keys(problems({ ...COMPLETE, MAX_SPEAKERS: "many", MEDIA_PORTS: "20000-20001" })), [
    "MEDIA_PORTS",
    "MAX_SPEAKERS",
  ]);
  assert.deepEqual(Object.keys(problems({ ...COMPLETE, MAX_SPEAKERS: "many", MEDIA_PORTS: "20000-20020" })), [
    "MAX_SPEAKERS",
  ]);
  const oneWorker = { ...COMPLETE, MEDIA_WORKERS: "1" };
  assert.deepEqual(loadConfig({ ...oneWorker, MEDIA_PORTS: "20000-20369" }).media.ports, [20_000, 20_369]);
  assert.match(problems({ ...oneWorker, MEDIA_PORTS: "20000-20368" }).MEDIA_PORTS, /needs 370/);
  assert.match(problems({ ...few, MEDIA_PORTS: "1023-20000" }).MEDIA_PORTS, /^has privileged ports/);
});

Deno.test("Proxy variables are accepted in either case, as in other programs, and passwords stay hidden", () => {
  const proxies = (env: Environment) => {
    const { http, https, except, unusable } = loadConfig({ ...COMPLETE, ...env }).proxies;
    return { http: http?.reveal(), https: https?.reveal(), except, unusable };
  };
  const none = { http: undefined, https: undefined, except: [], unusable: [] };
  assert.deepEqual(proxies({}), none);
  assert.deepEqual(
    proxies({
      HTTPS_PROXY: "http://u:5ecret@proxy.example:3128/",
      NO_PROXY: " hpb, .example.org\t10.0.0.0/8,",
    }),
    {
      ...none,
      https: "http://u:5ecret@proxy.example:3128",
      except: ["hpb", ".example.org", "10.0.0.0/8"],
    },
  );
  const [a, b] = ["http://a.example:1", "https://b.example:2"];
  assert.deepEqual(proxies({ all_proxy: "a.example:1", http_proxy: b }), { ...none, http: b, https: a });
  assert.deepEqual(proxies({ HTTPS_PROXY: a, https_proxy: b, no_proxy: "*" }), {
    ...none,
    https: a,
    except: ["*"],
  });
  assert.deepEqual(proxies({ HTTPS_PROXY: "", https_proxy: b }), { ...none, https: b });
  // Not a fault: every connection may be direct.
  assert.deepEqual(proxies({ ALL_PROXY: "socks5h://u:5ecret@socks.example:1080", HTTP_PROXY: a }), {
    ...none,
    http: a,
    unusable: ["ALL_PROXY"],
  });
  const config = loadConfig({ ...COMPLETE, HTTPS_PROXY: "http://u:5ecret@proxy.example:3128" });
  assert.doesNotMatch(Deno.inspect(config, { depth: 9 }) + JSON.stringify(config), /5ecret@/);
});

Deno.test("A name from a list is accepted in any case", () => {
  const { LIBRETRANSLATE_URL, ...env } = { ...COMPLETE, LIBRETRANSLATE_URL: "http://lt:5000" };
  for (const level of ["INFO", "Info", " info ", "DEBUG", "Warn", "WARNING", "ERROR"]) {
    const expected = level.trim().toLowerCase().replace("warning", "warn");
    assert.equal(loadConfig({ ...env, LOG_LEVEL: level }).log.level, expected, level);
  }
  assert.equal(
    loadConfig({ ...env, STT_PROVIDER: "PocketSphinx" }).stt.providers[0].provider,
    "pocketsphinx",
  );
  assert.equal(
    loadConfig({ ...env, MODAL_WORKSPACE: "My-Workspace" }).stt.providers[0].address,
    modalUrl("my-workspace"),
  );
  assert.equal(loadConfig({ ...env, STT_PROVIDER: "Modal" }).stt.providers[0].provider, "modal");
  const translating = { ...env, LIBRETRANSLATE_URL, TRANSLATION_PROVIDER: "LibreTranslate" };
  assert.equal(loadConfig(translating).translation?.provider, "libretranslate");
  // Variables that depend on the name are required too.
  const { MODAL_KEY: _, ...keyless } = env;
  assert.deepEqual(problems({ ...keyless, STT_PROVIDER: "Modal", TRANSLATION_PROVIDER: "DEEPL" }), {
    MODAL_KEY: "is not set",
    DEEPL_API_KEY: "is not set",
  });
});

Deno.test("An empty variable counts as unset", () => {
  const empty = Object.fromEntries(VARIABLES.map(({ name }) => [name, ""]));
  assert.deepEqual(
    Object.values(problems(empty)),
    [
      "is not set (without Talk, for voice sessions alone: set VOICE_JWT_SECRET instead of these)",
      "is not set",
      "is not set",
    ],
  );
  const config = loadConfig({ ...empty, ...COMPLETE, STT_STREAM_URL: "  " });
  assert.equal(config.http.port, 8080);
  assert.equal(config.stt.providers[0].address, modalUrl("my-workspace"));
});

Deno.test("The default language is taken in every spelling of a locale", () => {
  for (const spelling of ["ar_TN", "pt_BR", "zh-Hant-TW", "EN-us", "de_DE.UTF-8", "de_DE@euro", "es-419"]) {
    const env = { ...COMPLETE, LT_DEFAULT_LANGUAGE: spelling };
    assert.equal(loadConfig(env).captions.defaultLanguage, spelling);
  }
});

Deno.test("Words to expect are read from their file, each once, without comments", () => {
  const file = "\ufeff# Names\r\nGrace Hopper\r\n\r\n  Moshi \n\t# terms\nC# \nنكست كلاود\nMoshi\n";
  const read = (path: string) => path === "/etc/tiro/words.txt" ? file : "";
  const words = (env = {}) => loadConfig({ ...COMPLETE, ...env }, { read }).captions.words;
  assert.deepEqual(words({ STT_WORDS_FILE: "/etc/tiro/words.txt" }), [
    "Grace Hopper",
    "Moshi",
    "C#",
    "نكست كلاود",
  ]);
  assert.deepEqual(words({ STT_WORDS_FILE: "/etc/tiro/empty.txt" }), []);
  assert.deepEqual(words(), []);
});

Deno.test("The configuration cannot be changed, at any depth", () => {
  const config = loadConfig({ ...COMPLETE, ...EXAPP, LT_CA_CERTS: "x" }, { ...WRITABLE, read: () => PEM });
  const visit = (value: object) => {
    assert.ok(Object.isFrozen(value));
    for (const inner of Object.values(value)) if (typeof inner === "object" && inner !== null) visit(inner);
  };
  visit(config);
  assert.throws(() => Object.assign(config.http, { port: 1 }), TypeError);
});

Deno.test("Every documented example is accepted, and every default", () => {
  for (const variable of VARIABLES) {
    if ("secret" in variable) continue; // their examples tell where to get one
    const needed = { LIBRETRANSLATE_URL: "http://lt:5000" };
    const env = { ...COMPLETE, ...needed, [variable.name]: variable.example };
    loadConfig(env, { ...WRITABLE, read: () => PEM, addresses: () => ["192.0.2.7", "2001:db8::7"] });
  }
  assert.equal(new Set(VARIABLES.map(({ name }) => name)).size, VARIABLES.length);
});

Deno.test("How other servers are reached is known without the rest of the configuration, with its faults", () => {
  const given = outgoingIn({
    https_proxy: "proxy.example:3128",
    NO_PROXY: "a, b",
    LT_CA_CERTS: "/certs/ca.pem",
  }, {
    read: () => PEM,
  });
  assert.equal(given.proxies.https?.reveal(), "http://proxy.example:3128");
  assert.deepEqual([given.proxies.http, given.proxies.except], [undefined, ["a", "b"]]);
  assert.equal(given.caCerts.length, 1);
  assert.deepEqual(outgoingIn({}), {
    caCerts: [],
    proxies: { http: undefined, https: undefined, except: [] },
  });
  const fault = { variable: "HTTP_PROXY", problem: "must start with http:// or https://" };
  assert.throws(() => outgoingIn({ HTTP_PROXY: "ftp://proxy" }), (error: unknown) => {
    if (!(error instanceof ConfigError)) throw error;
    const [{ variable, problem }, ...others] = error.faults;
    assert.deepEqual([{ variable, problem }, others], [fault, []]);
    return true;
  });
});

Deno.test("With the voice door's variables alone there is no Talk; with one of Talk's all are required", () => {
  const voice = { VOICE_JWT_SECRET: "0123456789abcdef0123456789abcdef" };
  assert.equal(loadConfig(voice).talk, undefined);
  assert.equal(loadConfig(voice).voice.secret?.reveal(), voice.VOICE_JWT_SECRET);
  assert.deepEqual(
    faultsOf({ ...voice, NEXTCLOUD_URL: COMPLETE.NEXTCLOUD_URL }).faults.map(({ variable }) => variable),
    ["LT_HPB_URL", "LT_INTERNAL_SECRET"],
  );
  assert.notEqual(loadConfig({ ...COMPLETE, ...voice }).talk, undefined);
});

Deno.test("The secret of tokens is long, and the database is PostgreSQL", () => {
  const env = {
    VOICE_JWT_ISSUER: "https://login.example.org/realms/school/",
    VOICE_JWT_SECRET: "too short",
    DATABASE_URL: "mysql://db.example.org/tiro",
  };
  assert.deepEqual(faultsOf(env).faults.map(({ variable, problem }) => [variable, problem]), [
    ["VOICE_JWT_SECRET", "must have 32 characters or more, 6 of them different"],
    ["DATABASE_URL", "must be a URL that starts with postgres:// or postgresql://"],
  ]);
});

Deno.test("Nothing is kept unless it is asked for", () => {
  const { records } = loadConfig(COMPLETE);
  assert.deepEqual(records, {
    ...{ transcripts: "off", transcriptDays: 30, audit: false, auditDays: 365 },
    dataFolder: "/var/lib/tiro",
    databaseUrl: undefined,
  });
});

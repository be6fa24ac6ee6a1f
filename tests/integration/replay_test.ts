/**
 * Every call Talk and AppAPI make, in their order, with AppAPI's headers, while the HPB is up, slow or out of reach.
 * Talk gives up after 3 s: each answer has the stated status and shape, and waits for nothing.
 */
import assert from "@std/assert";
import { FakeHpb } from "../fakes/hpb.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { FakeLibreTranslate } from "../fakes/translators.ts";
import { PromptAnswers } from "./prompt_answers.ts";
import { baseUrl, eventually, serviceFor } from "./world.ts";

const EX_APP = {
  id: "live_transcription",
  secret: "secret-of-the-exapp",
  version: "2.1.3",
  aaVersion: "32.0.0",
};
const NO_AUTH = {};
/** A guest: AppAPI sends no user id. */
const HEADERS = {
  "EX-APP-ID": EX_APP.id,
  "EX-APP-VERSION": EX_APP.version,
  "AA-VERSION": EX_APP.aaVersion,
  "AUTHORIZATION-APP-API": btoa(`:${EX_APP.secret}`),
};
const API = "/api/v1";
const ROOM = { roomToken: "x7k2p9qa" };
const LISTENER = { ...ROOM, ncSessionId: "1Fd3vkLtPqVQ0qYxw2sW/+=" };
const TURN_SERVERS = [{
  urls: ["turn:turn.example.org:3478?transport=udp"],
  username: "1:u",
  credential: "c",
}];

type Check = (json: Record<string, unknown>) => void;
interface Call {
  method: string;
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  status: number;
  shape: Check;
}

const equals = (wanted: unknown): Check => (json) => assert.deepEqual(json, wanted);
const message: Check = (json) => assert.deepEqual(Object.entries(json).map(kind), [["message", "string"]]);
const error: Check = (json) => assert.deepEqual(Object.entries(json).map(kind), [["error", "string"]]);
const kind = ([name, value]: [string, unknown]) => [name, typeof value];

/** `{id: {name, metadata: {separator, rtl}}}` with at least these ids. */
function languages(value: unknown, ids: readonly string[]): void {
  const entries = value as Record<string, { name: string; metadata: { separator: string; rtl: boolean } }>;
  for (const { name, metadata, ...rest } of Object.values(entries)) {
    assert.deepEqual([typeof name, typeof metadata.separator, typeof metadata.rtl], [
      "string",
      "string",
      "boolean",
    ]);
    assert.deepEqual(rest, {});
  }
  for (const id of ids) assert.ok(id in entries, id);
}
const translationLanguages: Check = ({ origin_languages, target_languages }) => {
  languages(origin_languages, ["en", "fr"]);
  languages(target_languages, ["de", "ar"]);
};

function post(path: string, body: unknown, status: number, shape = status === 200 ? message : error): Call {
  return { method: "POST", path, body, status, shape };
}
function get(path: string, shape: Check, headers?: Record<string, string>): Call {
  return { method: "GET", path, status: 200, shape, headers };
}
const transcribe = (more: object, status: number) =>
  post(`${API}/call/transcribe`, { ...LISTENER, langId: "en", ...more }, status);
const target = (body: object, status: number) =>
  post(`${API}/translation/set-target-language`, { ...LISTENER, ...body }, status);
const language = (body: object, status: number) =>
  post(`${API}/call/set-language`, { ...ROOM, ...body }, status);

/** AppAPI brings the app up. */
const APP: readonly Call[] = [
  get("/heartbeat", equals({ status: "ok" }), NO_AUTH),
  { method: "POST", path: "/init", status: 200, shape: equals({}) },
  { method: "PUT", path: "/enabled?enabled=1", status: 200, shape: equals({ error: "" }) },
  get("/enabled", equals({ enabled: true })),
];
const QUESTIONS: readonly Call[] = [
  get("/capabilities", ({ live_transcription }) => {
    const told = live_transcription as Record<string, Record<string, unknown>>;
    assert.equal(told.version, EX_APP.version);
    assert.deepEqual(told.features, ["live_transcription", "live_translation"]);
    languages(told.live_transcription.supported_languages, ["en", "fr"]);
    translationLanguages(told.live_translation.supported_translation_languages as Record<string, unknown>);
  }),
  get(`${API}/languages`, (json) => languages(json, ["en", "fr"])),
  get(`${API}/translation/languages?roomToken=${ROOM.roomToken}`, translationLanguages),
];
/** Somebody turns captions on, and a language of their own at once, before their session is known. */
const ENABLE: readonly Call[] = [
  transcribe({ enable: true, turnServers: TURN_SERVERS }, 200),
  target({ langId: "de" }, 200),
];
const CHANGES: readonly Call[] = [
  target({ langId: null }, 200),
  target({ langId: "de_DE" }, 200),
  target({ langId: "AR" }, 200),
  target({ langId: "en" }, 400),
  target({ langId: "tlh" }, 400),
  target({ ncSessionId: "somebody else", langId: "de" }, 412),
  target({ roomToken: "elsewhere", langId: "de" }, 404),
  language({ langId: "fr" }, 200),
  language({ langId: "fr_CA" }, 200),
  language({ languageId: "en" }, 200),
  language({ langId: "" }, 200),
  language({ langId: "tlh" }, 400),
  language({ roomToken: "elsewhere", langId: "en" }, 404),
  transcribe({ langId: "tlh" }, 400),
  transcribe({ roomToken: "a/b" }, 400),
];
/** Once more, now with everything in one call, by the other name. */
const AGAIN: readonly Call[] = [
  transcribe({ langId: undefined, languageId: "en", translationTargetLangId: "ar" }, 200),
  // A target that cannot be had costs the translation, not the captions.
  transcribe({ translationTargetLangId: "en" }, 200),
  transcribe({ translationTargetLangId: "tlh" }, 200),
  transcribe({ translationTargetLangId: null }, 200),
];
const LEAVE: readonly Call[] = [
  transcribe({ enable: false }, 200),
  post(`${API}/call/leave`, ROOM, 200),
  {
    method: "DELETE",
    path: `${API}/call/transcribe/${ROOM.roomToken}`,
    status: 200,
    shape: equals({ status: "stopped", ...ROOM }),
  },
  language({ langId: "en" }, 404),
  target({ langId: "de" }, 404),
];
const health = (status: string): Call =>
  get("/healthz", ({ memory_mb, timestamp, ...rest }) => {
    assert.deepEqual([typeof memory_mb, typeof timestamp, rest.status], ["number", "string", status]);
    assert.deepEqual(Object.entries(rest).map(kind), [["status", "string"], ["rooms", "number"], [
      "speakers",
      "number",
    ]]);
  }, NO_AUTH);
const DISABLE: readonly Call[] = [
  { method: "PUT", path: "/enabled?enabled=0", status: 200, shape: equals({ error: "" }) },
  get("/enabled", equals({ enabled: false })),
  transcribe({}, 503),
];

interface Replay extends AsyncDisposable {
  hpb: FakeHpb;
  translator: FakeLibreTranslate;
  ask(call: Call): Promise<void>;
  replay(...parts: (Call | readonly Call[])[]): Promise<void>;
  statusOf(call: Call): Promise<number>;
}

async function startReplay(environment: (translatorUrl: string) => Record<string, string>): Promise<Replay> {
  await using stack = new AsyncDisposableStack();
  const storage = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(storage, { recursive: true }));
  const hpb = stack.use(await FakeHpb.start());
  hpb.nextcloud.register(EX_APP);
  const stt = stack.use(FakeKyutaiServer.start());
  const translator = stack.use(new FakeLibreTranslate());
  const answers = new PromptAnswers();
  const service = stack.use(
    await serviceFor(hpb, {
      STT_STREAM_URL: stt.url,
      APP_SECRET: EX_APP.secret,
      APP_VERSION: EX_APP.version,
      AA_VERSION: EX_APP.aaVersion,
      APP_PERSISTENT_STORAGE: storage,
      ...environment(translator.url),
    }, { clock: answers.clock }),
  );
  const base = baseUrl(service);
  const requestOf = ({ method, path, body, headers = HEADERS }: Call) =>
    new Request(base + path, {
      method,
      headers: { ...headers, ...(body !== undefined && { "content-type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  const ask = async (call: Call) => {
    const what = `${call.method} ${call.path} ${JSON.stringify(call.body)}`;
    const response = await answers.to(requestOf(call));
    const text = await response.text();
    assert.equal(response.status, call.status, `${what}: ${text}`);
    assert.match(response.headers.get("content-type") ?? "", /^application\/json/, what);
    call.shape(JSON.parse(text));
  };
  const owned = stack.move();
  return {
    hpb,
    translator,
    ask,
    async replay(...parts) {
      for (const call of parts.flat()) await ask(call as Call);
    },
    async statusOf(call) {
      const response = await fetch(requestOf(call));
      await response.body?.cancel();
      return response.status;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const withTranslator = (url: string) => ({ TRANSLATION_PROVIDER: "libretranslate", LIBRETRANSLATE_URL: url });

/** Translations are offered once the provider's languages are known. */
async function translationReady({ statusOf }: Replay): Promise<void> {
  const known = get(`${API}/translation/languages`, () => {});
  await eventually("the translator's languages are known", async () => await statusOf(known) === 200);
}

Deno.test("With the HPB up, every call of Talk's gets its stated answer", async () => {
  await using world = await startReplay(withTranslator);
  await world.replay(APP);
  await translationReady(world);
  await world.replay(QUESTIONS, ENABLE, CHANGES, AGAIN, health("healthy"), LEAVE, ENABLE, DISABLE);
});

Deno.test("With an HPB that takes 20 s to answer, every call gets the same answers", async () => {
  await using world = await startReplay(withTranslator);
  world.hpb.helloDelayMs = 20_000;
  await world.replay(APP);
  await translationReady(world);
  await world.replay(QUESTIONS, ENABLE, CHANGES, AGAIN, health("healthy"), LEAVE, ENABLE, DISABLE);
});

Deno.test("With the HPB out of reach the first request is taken; once that is known, 503 and all else as ever", async () => {
  await using world = await startReplay(withTranslator);
  world.hpb.refuseConnections(true);
  await world.replay(APP);
  await translationReady(world);
  await world.replay(QUESTIONS, ENABLE);
  const another = transcribe({ roomToken: "another" }, 503);
  await eventually("the HPB is known to be out of reach", async () => await world.statusOf(another) === 503);
  await world.replay(
    another,
    transcribe({}, 503),
    transcribe({ translationTargetLangId: "ar" }, 503),
    QUESTIONS,
    language({ roomToken: "elsewhere", langId: "en" }, 404),
    target({ roomToken: "elsewhere", langId: "de" }, 404),
    transcribe({ langId: "tlh" }, 400),
    health("degraded"),
    LEAVE,
  );
});

Deno.test("Without a translator, or with one that will not do, translation is 550 and captions go on", async () => {
  const cases: [environment: (url: string) => Record<string, string>, status: number][] = [
    [() => ({}), 550],
    [withTranslator, 550],
  ];
  for (const [environment, status] of cases) {
    await using world = await startReplay(environment);
    world.translator.languagesMood = { status: 403 };
    await world.replay(APP);
    const ask: Call = { ...get(`${API}/translation/languages`, error), status };
    await eventually("the answer is final", async () => await world.statusOf(ask) === status);
    await world.replay(
      ask,
      transcribe({}, 200),
      target({ langId: "de" }, status),
      target({ langId: null }, 200),
      transcribe({ translationTargetLangId: "de" }, 200),
      get("/capabilities", ({ live_transcription }) => {
        const { features, ...told } = live_transcription as Record<string, unknown>;
        assert.deepEqual(features, ["live_transcription"]);
        assert.equal("live_translation" in told, false);
      }),
    );
  }
});

Deno.test("While the translator's languages are not known yet, translation is 503 and captions go on", async () => {
  await using world = await startReplay(withTranslator);
  world.translator.languagesMood = "silent";
  await world.replay(
    APP,
    { ...get(`${API}/translation/languages`, error), status: 503 },
    transcribe({}, 200),
    target({ langId: "de" }, 503),
    target({ langId: null }, 200),
  );
});

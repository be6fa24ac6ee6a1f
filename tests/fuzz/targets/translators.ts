/** What translators and Nextcloud answer, and what answers in their place. */
import fc from "fast-check";
import { TranslationError, type Translator, UpstreamError } from "../../../src/domain/mod.ts";
import { Scope } from "../../../src/flow/mod.ts";
import { createOcs, type OcsReply, SignalingSettings } from "../../../src/nextcloud/mod.ts";
import { deeplTranslator } from "../../../src/translation/deepl/translator.ts";
import { libreTranslateTranslator } from "../../../src/translation/libretranslate/translator.ts";
import { taskProcessingTranslator } from "../../../src/translation/nextcloud/translator.ts";
import { FakeClock, settle } from "../../fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../fakes/telemetry.ts";
import { defineTarget } from "../batch.ts";
import { assertQuotesNothing, CANARY, mutatedJson } from "../mutations.ts";

const STATUSES = [200, 200, 200, 200, 400, 401, 403, 404, 412, 413, 429, 456, 500, 503, 529, 302];
const ANSWERS = [
  { translations: [{ detected_source_language: "EN", text: CANARY }] },
  [{ language: "PT-BR", name: "Portuguese (Brazilian)", supports_formality: true }, {
    language: "DE",
    name: CANARY,
  }],
  { translatedText: CANARY },
  [{ code: "en", name: "English", targets: ["de", "ar"] }, { code: "zh-Hans", name: CANARY }],
  { error: `Invalid API key ${CANARY}` },
  { message: "Quota exceeded" },
  { error: "de is not supported" },
];
const WORDS = [
  "text",
  "code",
  "name",
  "targets",
  "error",
  "slowdown",
  "exceeds text limit",
  "de",
  "__proto__",
  CANARY,
];
const TO_GERMAN = { text: "hello", originId: "en", targetId: "de" };

/** Uses a translator, whose errors are typed and quote nothing. */
async function use(translator: Translator, isList: boolean, signal: AbortSignal): Promise<void> {
  try {
    if (isList) {
      const { origin, target } = await translator.languages(signal);
      for (const { id, name } of [...origin, ...target]) {
        if (typeof id !== "string" || typeof name !== "string") throw new Error("A language is none");
      }
    } else if (typeof await translator.translate(TO_GERMAN, signal) !== "string") {
      throw new Error("A translation is no text");
    }
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof TranslationError)) throw error;
    assertQuotesNothing(error.message, "An error");
  }
}

/** Every call is a connection, which the kernel remembers for a minute by both its addresses. */
const HOSTS = 200;

const overHttp = (name: string, create: (url: string) => Translator) =>
  defineTarget({
    name,
    about: `answers of ${name} over HTTP: a translation, or a typed error that quotes nothing`,
    inputs: fc.record({
      body: mutatedJson(ANSWERS, WORDS),
      status: fc.constantFrom(...STATUSES),
      type: fc.constantFrom("application/json", "text/html", ""),
      isList: fc.boolean(),
    }),
    inputsPerWorld: 200,
    open() {
      let answer = () => new Response();
      const server = Deno.serve({ hostname: "0.0.0.0", port: 0, onListen: () => {} }, async (request) => {
        await request.body?.cancel();
        return answer();
      });
      let host = 0;
      return {
        async run({ body, status, type, isList }) {
          answer = () => new Response(body, { status, headers: { "content-type": type } });
          host = host % HOSTS + 1;
          await use(
            create(`http://127.0.0.${host}:${server.addr.port}`),
            isList,
            AbortSignal.timeout(20_000),
          );
        },
        close: () => server.shutdown(),
      };
    },
  });

export const deepl = overHttp("deepl", (url) => deeplTranslator({ url, key: "key" }));
export const libretranslate = overHttp(
  "libretranslate",
  (url) => libreTranslateTranslator({ url, apiKey: "key" }),
);

const OCS = [
  {
    types: {
      "core:text2text:translate": {
        inputShapeEnumValues: {
          origin_language: [{ name: "English", value: "en" }],
          target_language: [{ name: CANARY, value: "de" }],
        },
      },
    },
  },
  { task: { id: 7, status: "STATUS_SCHEDULED", output: null } },
  { task: { id: 7, status: "STATUS_SUCCESSFUL", output: { output: CANARY } } },
  { task: { id: 7, status: "STATUS_FAILED", output: [] } },
  {
    stunservers: [{ urls: ["stun:192.0.2.1:3478"] }],
    turnservers: [{
      urls: ["turn:192.0.2.1:3478?transport=udp"],
      username: "1900000000:x",
      credential: CANARY,
    }],
  },
  { types: [] },
];
const OCS_WORDS = [
  "STATUS_RUNNING",
  "STATUS_SUCCESSFUL",
  "task",
  "id",
  "status",
  "output",
  "urls",
  "username",
  "turn:",
  CANARY,
];
const TASK_MS = 60_000;

export const nextcloud = defineTarget({
  name: "nextcloud",
  about:
    "what Nextcloud answers about translations and TURN servers: used, or a typed error that quotes nothing",
  inputs: fc.record({
    replies: fc.array(fc.tuple(fc.constantFrom(...STATUSES), mutatedJson(OCS, OCS_WORDS)), {
      minLength: 1,
      maxLength: 4,
    }),
    ask: fc.constantFrom("languages", "translate", "servers"),
  }),
  inputsPerWorld: 200,
  open: () => ({
    async run({ replies, ask }) {
      const clock = new FakeClock();
      const log = new FakeLog();
      let asked = 0;
      const ocs = {
        request(): Promise<OcsReply> {
          const [status, text] = replies[Math.min(asked++, replies.length - 1)];
          if (status === 429) {
            return Promise.reject(
              new UpstreamError("Cannot ask: wait", { code: "throttled", retryable: true }),
            );
          }
          return Promise.resolve({ status, data: parsed(text) });
        },
      };
      if (ask === "servers") {
        const settings = new SignalingSettings({ ocs, clock, log });
        for (const { urls } of await settings.iceServers()) {
          if (urls.some((url) => !/^(stun|turn)s?:/.test(url))) throw new Error("An address is no server's");
        }
        await settings[Symbol.asyncDispose]();
      } else {
        const scope = new Scope("fuzz");
        const abort = new AbortController();
        const translator = taskProcessingTranslator({ ocs, appId: "app", scope, clock });
        const done = use(translator, ask === "languages", abort.signal);
        await clock.advance(TASK_MS);
        abort.abort();
        await done;
        await scope[Symbol.asyncDispose]();
      }
      await settle();
      if (clock.pending > 0) throw new Error(`${clock.pending} timers are left`);
      assertQuotesNothing(JSON.stringify(log.lines), "A log line");
    },
    close() {},
  }),
});

const ENVELOPES = [
  ...OCS.map((data) => ({ ocs: { meta: { status: "ok", statuscode: 200, message: "OK" }, data } })),
  { ocs: { meta: { status: "failure", statuscode: 997, message: CANARY }, data: [] } },
];

export const ocs = defineTarget({
  name: "ocs",
  about: "OCS envelopes over HTTP: a reply, or a typed error that quotes nothing",
  inputs: fc.record({
    body: mutatedJson(ENVELOPES, [...OCS_WORDS, "ocs", "meta", "statuscode", "data"]),
    status: fc.constantFrom(...STATUSES),
    retryAfter: fc.constantFrom("", "5", "-1", "1e9", "Fri, 31 Dec 1999 23:59:59 GMT", CANARY),
  }),
  inputsPerWorld: 200,
  open() {
    let answer = () => new Response();
    const server = Deno.serve({ hostname: "0.0.0.0", port: 0, onListen: () => {} }, async (request) => {
      await request.body?.cancel();
      return answer();
    });
    let host = 0;
    return {
      async run({ body, status, retryAfter }) {
        answer = () => new Response(body, { status, headers: { "retry-after": retryAfter } });
        host = host % HOSTS + 1;
        const log = new FakeLog();
        const client = createOcs({
          nextcloudUrl: `http://127.0.0.${host}:${server.addr.port}`,
          log,
          meter: new FakeMeter(),
        });
        try {
          const request = { method: "GET", path: "/ocs/v2.php/x", timeoutMs: 20_000 } as const;
          const reply = await client.request({ ...request, signal: AbortSignal.timeout(20_000) });
          if (!Number.isSafeInteger(reply.status)) throw new Error("A status is no number");
        } catch (error) {
          if (!(error instanceof UpstreamError)) throw error;
          assertQuotesNothing(error.message, "An error");
        }
        assertQuotesNothing(JSON.stringify(log.lines), "A log line");
      },
      close: () => server.shutdown(),
    };
  },
});

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no envelope
  }
}

/** Requests of anybody: to the routes, and as bytes to the listening socket. */
import fc from "fast-check";
import { Scope } from "../../../src/flow/mod.ts";
import { apiOf } from "../../../src/api.ts";
import { createHttpApp } from "../../../src/http/mod.ts";
import { talkRoutes } from "../../../src/talk/mod.ts";
import { createLog, createMeter } from "../../../src/telemetry/mod.ts";
import {
  ListedTranslations,
  RecordingExApp,
  RecordingRooms,
  sessionsOf,
  startApi,
} from "../../integration/api.ts";
import { defineTarget } from "../batch.ts";
import {
  assertQuotesNothing,
  byteChanges,
  CANARY,
  changedBytes,
  mutatedJson,
  mutatedText,
} from "../mutations.ts";

const TOKEN = "right-token-of-some-length";
/** Talk's own status, and what a body of the service can say. */
const FATAL = 550;
const PATHS = [
  "/api/v1/call/transcribe",
  "/api/v1/call/transcribe/room1",
  "/api/v1/call/leave",
  "/api/v1/call/set-language",
  "/api/v1/languages",
  "/api/v1/translation/languages?roomToken=room1",
  "/api/v1/translation/set-target-language",
  "/capabilities",
  "/heartbeat",
  "/init",
  "/enabled?enabled=1",
  "/healthz",
  "/metrics",
  "/openapi.json",
  "/docs",
];
const PATH_WORDS = [
  "/",
  "..",
  "%2e%2e",
  "%00",
  "%",
  "%ff",
  "?",
  "&",
  "=",
  "//",
  "#",
  CANARY,
  "room1",
  "enabled=0",
  "é",
  "\\",
];
const METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "QUERY", "get"];
const BODIES = [
  { roomToken: "room1", ncSessionId: "abc+/=", enable: true, langId: "en", translationTargetLangId: "he" },
  {
    roomToken: CANARY,
    ncSessionId: CANARY,
    turnServers: [{ urls: ["turn:192.0.2.1:3478"], username: CANARY, credential: CANARY }],
  },
  { roomToken: "room1", langId: "tlh" },
  { roomToken: "room1", ncSessionId: "abc", languageId: null },
];
const BODY_WORDS = [
  "room1",
  "en",
  "he",
  "roomToken",
  "ncSessionId",
  "enable",
  "langId",
  "turnServers",
  "urls",
  CANARY,
];
const header = fc.tuple(
  fc.constantFrom(
    "content-type",
    "content-length",
    "authorization",
    "host",
    "origin",
    "accept",
    "x-forwarded-for",
  ),
  fc.constantFrom(
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "0",
    "-1",
    `Bearer ${CANARY}`,
    "",
    CANARY,
  ),
);

export const http = defineTarget({
  name: "http",
  about: "requests to the routes: answered with a status that is meant, errors as JSON that quotes nothing",
  inputs: fc.record({
    method: fc.constantFrom(...METHODS),
    path: mutatedText(PATHS, PATH_WORDS),
    headers: fc.array(header, { maxLength: 3 }),
    body: fc.option(mutatedJson(BODIES, BODY_WORDS), { nil: undefined }),
    /** With the right token. */
    isKnown: fc.boolean(),
  }),
  inputsPerWorld: 500,
  open() {
    const lines: string[] = [];
    const scope = new Scope("fuzz");
    const [rooms, translations] = [new RecordingRooms(), new ListedTranslations()];
    const app = createHttpApp(apiOf({
      doors: [talkRoutes({ rooms, translations, version: "1.2.3", requireWork: () => {} })],
      sessions: sessionsOf(rooms),
      translations,
      exApp: new RecordingExApp(),
      version: "1.2.3",
      credentials: { token: TOKEN },
      meter: scope.use(createMeter()),
      log: createLog({ level: "debug", format: "json", write: (line) => void lines.push(line) }),
      acceptingWork: () => true,
    }));
    return {
      async run({ method, path, headers, body, isKnown }) {
        const hasBody = body !== undefined && method !== "GET" && method !== "HEAD" && method !== "get";
        let request: Request;
        try {
          request = new Request(`http://127.0.0.1/${path.replace(/^\//, "")}`, {
            method,
            headers: [
              ...headers,
              ...(isKnown ? [["authorization", `Bearer ${TOKEN}`] as [string, string]] : []),
            ],
            ...(hasBody && { body }),
          });
        } catch {
          return; // none that a server could be given
        }
        const response = await app.fetch(request, { source: "127.0.0.1", hold: () => Promise.resolve() });
        const text = await response.text();
        if (response.status >= 500 && response.status !== FATAL) {
          throw new Error(`Answered with ${response.status}`);
        }
        if (response.status >= 400 && method !== "HEAD") {
          const { error } = JSON.parse(text);
          if (typeof error !== "string") throw new Error(`${response.status} without an error in it`);
          assertQuotesNothing(error, "An answer");
        }
        for (const line of lines) assertQuotesNothing(line, "A log line");
        lines.length = 0;
      },
      close: () => scope[Symbol.asyncDispose](),
    };
  },
});

const crlf = (...lines: string[]) => new TextEncoder().encode(lines.join("\r\n"));
const RAW = [
  crlf("GET /healthz HTTP/1.1", "Host: 127.0.0.1", "", ""),
  crlf("GET /capabilities HTTP/1.0", "", ""),
  crlf(
    "POST /api/v1/call/leave HTTP/1.1",
    "Host: x",
    "Content-Type: application/json",
    "Content-Length: 21",
    "",
    '{"roomToken":"room1"}',
  ),
  crlf(
    "POST /api/v1/call/leave HTTP/1.1",
    "Host: x",
    "Transfer-Encoding: chunked",
    "",
    "15",
    '{"roomToken":"room1"}',
    "0",
    "",
    "",
  ),
  crlf("GET / HTTP/1.1", `Host: ${CANARY}:99999`, "Connection: Upgrade", "Upgrade: websocket", "", ""),
  crlf("GET /healthz HTTP/1.1", "Host: a b", "", "GET /healthz HTTP/1.1", "Host: x", "", ""),
  crlf(
    "PUT /enabled?enabled=1 HTTP/1.1",
    "Host: x",
    "Expect: 100-continue",
    "Content-Length: 5",
    "",
    "hello",
  ),
  crlf("PRI * HTTP/2.0", "", "SM", "", ""),
];
/** The service's own; a server may say that it does not know a version, or what is asked of it. */
const NOT_KNOWN = ["501", "505"];
/** An answer that is not there by then does not come: a request may be half of one. */
const ANSWER_MS = 20;
/** A request in between, that is answered. */
const HONEST_EVERY = 25;

export const httpBytes = defineTarget({
  name: "http-bytes",
  about: "bytes to the listening socket: no 5xx, no log line that quotes, and the next caller is answered",
  inputs: fc.record({
    sample: fc.nat(RAW.length - 1),
    changes: byteChanges,
    /** Where it is cut in two writes. */
    cut: fc.nat(300),
  }),
  inputsPerWorld: 200,
  async open() {
    const api = await startApi({ credentials: { token: TOKEN } });
    let taken = 0;
    return {
      async run({ sample, changes, cut }) {
        const bytes = changedBytes(RAW[sample], changes);
        const answer = await answerTo(api.port, [bytes.subarray(0, cut), bytes.subarray(cut)]);
        const [, status = ""] = /^HTTP\/1\.[01] (\d{3})/.exec(answer) ?? [];
        if (status.startsWith("5") && !NOT_KNOWN.includes(status)) throw new Error(`Answered with ${status}`);
        for (const line of api.lines) assertQuotesNothing(line, "A log line");
        api.lines.length = 0;
        if (++taken % HONEST_EVERY === 0) {
          const { status } = await api.request("GET", "/healthz", undefined, { connection: "close" });
          if (status !== 200) throw new Error(`An honest request is answered with ${status}`);
        }
      },
      close: () => api[Symbol.asyncDispose](),
    };
  },
});

/** What comes back to some bytes, until the server closes, or a moment after them. */
async function answerTo(port: number, parts: readonly Uint8Array[]): Promise<string> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(4_096);
  const decoder = new TextDecoder();
  let text = "";
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(() => late.resolve("late"), ANSWER_MS);
  const reading = (async () => {
    try {
      for (const part of parts) {
        for (let at = 0; at < part.length;) at += await connection.write(part.subarray(at));
      }
      await connection.closeWrite();
      for (;;) {
        const count = await connection.read(buffer);
        if (count === null) return;
        text += decoder.decode(buffer.subarray(0, count), { stream: true });
      }
    } catch {
      // The server has closed it, or we have below.
    }
  })();
  await Promise.race([reading, late.promise]);
  clearTimeout(timer);
  connection.close();
  await reading;
  return text;
}

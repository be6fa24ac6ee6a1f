/** The REST API on a real socket, with ports behind it that only write down what they are asked. */
import assert from "@std/assert";
import {
  InvalidRequestError,
  type Language,
  NotFoundError,
  TranslationError,
  type TranslationLanguages,
  type Translations,
  type TranslationTrouble,
} from "../../src/domain/mod.ts";
import { Scope } from "../../src/flow/scope.ts";
import { apiOf, workRequirement } from "../../src/api.ts";
import { createHttpApp, serveHttp, type ServeOptions } from "../../src/http/mod.ts";
import type { Credentials } from "../../src/identity/mod.ts";
import type { ExApp } from "../../src/nextcloud/mod.ts";
import type { SessionsStatus } from "../../src/sessions/sessions.ts";
import { type Rooms, talkRoutes, type TranscribeRequest } from "../../src/talk/mod.ts";
import { createLog, createMeter } from "../../src/telemetry/mod.ts";

export const ENGLISH: Language = { id: "en", name: "English", metadata: { separator: " ", rtl: false } };
export const HEBREW: Language = { id: "he", name: "עברית", metadata: { separator: " ", rtl: true } };

export class RecordingRooms implements Rooms {
  readonly languages = [ENGLISH, HEBREW];
  defaultLanguageId = "en";
  /** What the next captions come without. */
  untranslated: string | undefined;
  readonly asked: [string, ...unknown[]][] = [];
  readonly known = new Set(["room1"]);
  trouble: Rooms["trouble"];
  troubles: SessionsStatus["troubles"] = {};
  /** Thrown by the next calls. */
  failure: Error | undefined;

  transcribe(request: TranscribeRequest) {
    if (request.enable) this.#check(request.languageId, "languageId");
    if (request.translationTargetId) this.#check(request.translationTargetId, "translationTargetId");
    this.#ask("transcribe", request);
    return { untranslated: this.untranslated };
  }
  leave(roomToken: string): void {
    this.#ask("leave", roomToken);
  }
  setLanguage(roomToken: string, languageId: string): void {
    if (!this.known.has(roomToken)) throw new NotFoundError("Cannot set the language: no such room");
    this.#check(languageId, "languageId");
    this.#ask("setLanguage", roomToken, languageId);
  }
  setTranslationTarget(roomToken: string, ncSessionId: string, targetId: string | null): void {
    if (!this.known.has(roomToken)) throw new NotFoundError("Cannot translate captions: no such room");
    if (targetId !== null) this.#check(targetId, "translationTargetId");
    this.#ask("setTranslationTarget", roomToken, ncSessionId, targetId);
  }
  #check(languageId: string, field: "languageId" | "translationTargetId"): void {
    const isKnown = field === "translationTargetId"
      ? languageId !== "tlh" // translated to any language but Klingon
      : this.languages.some(({ id }) => id === languageId);
    if (isKnown) return;
    const known = this.languages.map(({ id }) => id).join(", ");
    throw new InvalidRequestError(`not supported; supported languages: ${known}`, field);
  }
  #ask(...call: [string, ...unknown[]]): void {
    if (this.failure) throw this.failure;
    this.asked.push(call);
  }
}

/** Beside these rooms. */
export function sessionsOf(rooms: RecordingRooms) {
  return {
    status: (): SessionsStatus => ({ sessions: 2, speakers: 3, viewers: 4, troubles: rooms.troubles }),
  };
}

/** An ExApp that remembers nothing. */
export class RecordingExApp implements ExApp {
  isEnabled = true;
  inits = 0;
  /** Calls wait for it. */
  gate: Promise<void> = Promise.resolve();
  /** Resolves when a call has come. */
  readonly called = Promise.withResolvers<void>();
  failure: Error | undefined;

  init(): void {
    this.inits++;
  }
  async setEnabled(enabled: boolean): Promise<void> {
    this.called.resolve();
    await this.gate;
    if (this.failure) throw this.failure;
    this.isEnabled = enabled;
  }
}

/** Translates nothing; returns its languages, or why it cannot. */
export class ListedTranslations implements Translations {
  isAvailable = true;
  trouble: TranslationTrouble | undefined;
  failure: TranslationError | undefined;

  languages(): TranslationLanguages {
    if (this.failure) throw this.failure;
    return { origin: [ENGLISH], target: [ENGLISH, HEBREW] };
  }
  resolveTarget(_originId: string, targetId: string): string {
    return targetId;
  }
  translate(): Promise<string> {
    return Promise.reject(
      new TranslationError("Cannot translate: not here", { code: "x", retryable: false }),
    );
  }
}

export interface Api extends AsyncDisposable {
  readonly rooms: RecordingRooms;
  readonly meter: ReturnType<typeof createMeter>;
  readonly lines: string[];
  readonly port: number;
  readonly scope: Scope;
  accepting: boolean;
  request(method: string, path: string, body?: unknown, headers?: HeadersInit): Promise<Answer>;
}

export interface Answer {
  status: number;
  headers: Headers;
  /** Parsed if the response's type is JSON, else the text. */
  json: unknown;
}

export interface ApiOptions {
  /** Default: any. */
  port?: number;
  credentials?: Credentials;
  exApp?: ExApp;
  translations?: Translations;
  bounds?: ServeOptions["bounds"];
}

export async function startApi(
  { credentials = {}, exApp, translations, port: asked = 0, bounds }: ApiOptions = {},
): Promise<Api> {
  const scope = new Scope("test");
  const rooms = new RecordingRooms();
  const meter = scope.use(createMeter());
  const lines: string[] = [];
  const log = createLog({ level: "debug", format: "json", write: (line) => void lines.push(line) });
  const state = { accepting: true };
  const acceptingWork = () => state.accepting;
  const version = "1.2.3";
  const requireWork = workRequirement({ exApp, acceptingWork });
  const app = createHttpApp(apiOf({
    doors: [talkRoutes({ rooms, translations, version, requireWork })],
    sessions: sessionsOf(rooms),
    ...{ translations, exApp, version, credentials, meter, log, acceptingWork },
  }));
  const { address: { port } } = await serveHttp({
    app,
    host: "127.0.0.1",
    port: asked,
    bounds,
    scope,
    log,
    meter,
  });
  return {
    rooms,
    meter,
    lines,
    scope,
    port,
    get accepting() {
      return state.accepting;
    },
    set accepting(accepting) {
      state.accepting = accepting;
    },
    request: (method, path, body, headers) => ask(`http://127.0.0.1:${port}${path}`, method, body, headers),
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}

const JSON_BODY = { "content-type": "application/json" };

/** Headers beside a body say its type too, unless they are all there is to be. */
async function ask(url: string, method: string, body: unknown, headers?: HeadersInit): Promise<Answer> {
  const raw = body === undefined || typeof body === "string" || body instanceof ReadableStream ||
    body instanceof Uint8Array;
  const response = await fetch(url, {
    method,
    headers: headers ?? (body === undefined ? {} : JSON_BODY),
    body: (raw ? body : JSON.stringify(body)) as BodyInit | undefined,
  });
  const text = await response.text();
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  const isJson = /^application\/json/.test(response.headers.get("content-type") ?? "");
  return {
    status: response.status,
    headers: response.headers,
    json: isJson && text ? JSON.parse(text) : text,
  };
}

export const SET_TARGET = "/api/v1/translation/set-target-language";
export const TRANSCRIBE = "/api/v1/call/transcribe";
export const LISTENER = { roomToken: "room1", ncSessionId: "abc+/=" };

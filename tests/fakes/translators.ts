/**
 * Translation servers on loopback: LibreTranslate, DeepL, and Nextcloud's TaskProcessing behind its OCS envelope. They
 * translate word by word from a table, the same way every time, and can be made to do what servers do on bad days.
 */
import { delay } from "../../src/flow/mod.ts";
import { ClaimedPorts } from "./ports.ts";
import { TONE_WORDS } from "./tones.ts";

/** How a server answers: as it should, not at all, with a status and its reason, or with what no client expects. */
export type Mood = "well" | "silent" | "garbage" | "too_long" | { status: number; said?: string };

/** A translation somebody asked for. */
export interface AskedTranslation {
  text: string;
  originId: string;
  targetId: string;
}

const WORDS: Record<string, readonly string[]> = {
  de: "rot Fluss Zug Treffen Morgen sieben Norden Papier Fenster Garten Musik Kaffee Wetter Abend".split(" "),
  ar: "أحمر نهر قطار اجتماع صباح سبعة شمال ورق نافذة حديقة موسيقى قهوة طقس مساء".split(" "),
};

/** What the servers make of a text: words of the toy language by the table, others as they are. */
export function inOtherWords(text: string, targetId: string): string {
  const words = WORDS[targetId.toLowerCase()];
  if (!words) return `[${targetId.toLowerCase()}] ${text}`;
  return text.split(" ").map((word) => words[(TONE_WORDS as readonly string[]).indexOf(word)] ?? word).join(
    " ",
  );
}

const ASKED_MAX = 10_000;
const TOO_LONG_BYTES = 4 * 1024 * 1024;

export abstract class FakeTranslationServer implements AsyncDisposable {
  /** For translations. */
  mood: Mood = "well";
  /** For lists of languages. */
  languagesMood: Mood = "well";
  /** A translation takes this long. */
  delayMs = 0;
  /** Translations asked for from now on wait for this too. */
  held: Promise<void> | undefined;
  /** Every translation asked for, the newest 10,000. */
  readonly asked: AskedTranslation[] = [];
  /** Addresses asked for, with their queries, as many. */
  readonly addresses: string[] = [];
  /** Translations asked for and not yet answered, and the most there were at once. */
  underWay = 0;
  underWayMax = 0;
  /** Nobody else's either once it has stopped. */
  readonly #ports = ClaimedPorts.claim();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #ending = new AbortController();

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: this.#ports.next(), onListen: () => {} },
      (request) => this.#receive(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** From now on the port refuses; what is under way is cut short. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#server.shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#ports[Symbol.dispose]();
  }

  /** What the server answers on a good day. */
  protected abstract answer(request: Request, url: URL): Promise<Response> | Response;

  /** Whether this is about languages, and not a translation. */
  protected abstract isList(url: URL): boolean;

  /** Remembers what was asked, waits as long as a translation takes, and gives it. */
  protected async translate(asked: AskedTranslation): Promise<string> {
    this.remember(asked);
    await this.held;
    if (this.delayMs > 0) await this.#wait(this.delayMs);
    return inOtherWords(asked.text, asked.targetId);
  }

  protected remember(asked: AskedTranslation): void {
    this.asked.push(asked);
    if (this.asked.length > ASKED_MAX) this.asked.shift();
  }

  async #receive(request: Request): Promise<Response> {
    const url = new URL(request.url);
    this.addresses.push(url.pathname + url.search);
    if (this.addresses.length > ASKED_MAX) this.addresses.shift();
    if (this.isList(url)) return await this.#inMood(this.languagesMood, request, url);
    this.underWayMax = Math.max(this.underWayMax, ++this.underWay);
    try {
      return await this.#inMood(this.mood, request, url);
    } finally {
      this.underWay--;
    }
  }

  async #inMood(mood: Mood, request: Request, url: URL): Promise<Response> {
    if (mood === "well") return await this.answer(request, url);
    await request.body?.cancel();
    if (mood === "silent") await this.#wait(3_600_000);
    if (mood === "garbage") return new Response("<html>It works!</html>");
    if (mood === "too_long") return new Response("x".repeat(TOO_LONG_BYTES));
    return mood === "silent" ? this.refusal(503) : this.refusal(mood.status, mood.said);
  }

  /** Shorter when the server stops. */
  async #wait(ms: number): Promise<void> {
    await delay(ms, this.#ending.signal).catch(() => {});
  }

  protected refusal(status: number, said = "as the test wants it"): Response {
    return Response.json({ error: said }, { status });
  }
}

/**
 * LibreTranslate, in its own words (libretranslate/app.py of 1.6). With a key, no other is let in; the list of
 * languages is open to all.
 */
export class FakeLibreTranslate extends FakeTranslationServer {
  constructor(readonly key?: string) {
    super();
  }

  protected override isList(url: URL): boolean {
    return url.pathname === "/languages";
  }

  protected override async answer(request: Request, url: URL): Promise<Response> {
    const targets = ["ar", "de", "en", "ja", "zh-Hans"];
    if (this.isList(url)) {
      const names = {
        ar: "Arabic",
        de: "German",
        en: "English",
        fr: "French",
        ja: "Japanese",
        "zh-Hans": "Chinese",
      };
      return Response.json(Object.entries(names).map(([code, name]) => ({ code, name, targets })));
    }
    if (url.pathname !== "/translate" || request.method !== "POST") return this.refusal(404);
    const { q, source, target, format, api_key } = await request.json();
    if (this.key !== undefined && api_key === undefined) {
      return this.refusal(400, "Please contact the server operator to get an API key");
    }
    if (this.key !== undefined && api_key !== this.key) return this.refusal(403, "Invalid API key");
    if (!q || format !== "text") return this.refusal(400, "Invalid request: missing q parameter");
    if (!targets.includes(target)) return this.refusal(400, `${target} is not supported`);
    const translatedText = await this.translate({ text: q, originId: source, targetId: target });
    return Response.json({ translatedText });
  }
}

export class FakeDeepl extends FakeTranslationServer {
  constructor(readonly key: string) {
    super();
  }

  protected override isList(url: URL): boolean {
    return url.pathname === "/v2/languages";
  }

  protected override refusal(status: number, said = "as the test wants it"): Response {
    return Response.json({ message: said }, { status });
  }

  protected override async answer(request: Request, url: URL): Promise<Response> {
    if (request.headers.get("authorization") !== `DeepL-Auth-Key ${this.key}`) {
      await request.body?.cancel();
      return this.refusal(403);
    }
    if (this.isList(url)) {
      const list = url.searchParams.get("type") === "source" ? DEEPL_SOURCES : DEEPL_TARGETS;
      return Response.json(
        Object.entries(list).map(([language, name]) => ({ language, name, supports_formality: false })),
      );
    }
    if (url.pathname !== "/v2/translate" || request.method !== "POST") return this.refusal(404);
    const { text: [text], source_lang, target_lang } = await request.json();
    if (!(source_lang in DEEPL_SOURCES)) return this.refusal(400, "Value for 'source_lang' not supported.");
    if (!(target_lang in DEEPL_TARGETS)) return this.refusal(400, "Value for 'target_lang' not supported.");
    const translated = await this.translate({ text, originId: source_lang, targetId: target_lang });
    return Response.json({ translations: [{ detected_source_language: source_lang, text: translated }] });
  }
}

const DEEPL_SOURCES = {
  AR: "Arabic",
  DE: "German",
  EN: "English",
  FR: "French",
  JA: "Japanese",
  PT: "Portuguese",
};
const DEEPL_TARGETS = {
  AR: "Arabic",
  DE: "German",
  "EN-GB": "English (British)",
  JA: "Japanese",
  "PT-BR": "Portuguese (Brazilian)",
  "ZH-HANS": "Chinese (simplified)",
};

const CONSUMER = "taskprocessing/tasks_consumer";

/** TaskProcessing as AppAPI shows it to ExApps: a task is scheduled, runs for `delayMs`, and is asked for until done. */
export class FakeTaskProcessing extends FakeTranslationServer {
  /** False: no translation app is installed. */
  hasProvider = true;
  /** Tasks fail instead of succeeding. */
  tasksFail = false;
  /** The next so many looks at a task are answered with 429, or with the status given. */
  refusedLooks = 0;
  refusedLookStatus = 429;
  /** Tasks can be scheduled, and not deleted. */
  refusesDeleting = false;
  readonly #tasks = new Map<number, { translated: string; doneAtMs: number }>();
  #ids = 0;

  /** `secret` is the ExApp's. */
  constructor(readonly secret: string) {
    super();
  }

  /** Tasks a look into the database would show. */
  get tasksKept(): number {
    return this.#tasks.size;
  }

  protected override isList(url: URL): boolean {
    return url.pathname === `/ocs/v2.php/${CONSUMER}/tasktypes`;
  }

  protected override async answer(request: Request, url: URL): Promise<Response> {
    const [, secret] = atob(request.headers.get("authorization-app-api") ?? "").split(":");
    if (secret !== this.secret) {
      await request.body?.cancel();
      return ocs({ message: "no" }, 401);
    }
    if (this.isList(url)) return ocs({ types: this.hasProvider ? TASK_TYPES : [] });
    if (url.pathname === `/ocs/v2.php/${CONSUMER}/schedule` && request.method === "POST") {
      return this.#schedule(await request.json());
    }
    const [, digits] =
      url.pathname.match(/^\/ocs\/v[12]\.php\/taskprocessing\/tasks_consumer\/task\/(\d+)$/) ?? [];
    const id = Number(digits);
    if (request.method === "DELETE") {
      if (this.refusesDeleting) return ocs({ message: "Internal error" }, 500);
      this.#tasks.delete(id);
      return ocs(null);
    }
    const task = this.#tasks.get(id);
    if (!task) return ocs({ message: "Task not found" }, 404);
    if (this.refusedLooks > 0) {
      this.refusedLooks--;
      return ocs([], this.refusedLookStatus);
    }
    return ocs({ task: this.#shown(id, task) });
  }

  protected override refusal(status: number, said = "as the test wants it"): Response {
    return ocs({ message: said }, status);
  }

  #schedule(wanted: {
    type: string;
    appId: string;
    customId: string;
    input: { input: string; origin_language: string; target_language: string };
  }): Response {
    if (!this.hasProvider) return ocs({ message: "The given provider is not available" }, 412);
    const { input, origin_language: originId, target_language: targetId } = wanted.input;
    const { origin_language, target_language } = LANGUAGES;
    const known = origin_language.some(({ value }) => value === originId) &&
      target_language.some(({ value }) => value === targetId);
    if (!known || wanted.type !== "core:text2text:translate") return ocs({ message: "invalid" }, 400);
    this.remember({ text: input, originId, targetId });
    const task = { translated: inOtherWords(input, targetId), doneAtMs: performance.now() + this.delayMs };
    const id = ++this.#ids;
    this.#tasks.set(id, task);
    return ocs({ task: { ...this.#shown(id, task), status: "STATUS_SCHEDULED", output: null } });
  }

  #shown(id: number, { translated, doneAtMs }: { translated: string; doneAtMs: number }) {
    const isDone = performance.now() >= doneAtMs;
    const status = !isDone ? "STATUS_RUNNING" : this.tasksFail ? "STATUS_FAILED" : "STATUS_SUCCESSFUL";
    return { id, status, output: status === "STATUS_SUCCESSFUL" ? { output: translated } : null };
  }
}

const LANGUAGES = {
  origin_language: [
    { name: "Detect language", value: "detect_language" },
    { name: "English", value: "en" },
    { name: "German", value: "de" },
  ],
  target_language: [
    { name: "German", value: "de" },
    { name: "Arabic", value: "ar" },
    { name: "Japanese", value: "ja" },
    { name: "Chinese", value: "zh_CN" },
  ],
};

const TASK_TYPES = {
  "core:text2text": { name: "Free text", description: "", inputShape: {}, inputShapeEnumValues: [] },
  "core:text2text:translate": {
    name: "Translate",
    description: "",
    inputShape: {},
    inputShapeEnumValues: LANGUAGES,
  },
};

/** The envelope of OCS. */
function ocs(data: unknown, status = 200): Response {
  const meta = { status: status < 400 ? "ok" : "failure", statuscode: status, message: "" };
  return Response.json({ ocs: { meta, data } }, { status });
}

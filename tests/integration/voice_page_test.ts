/** The pages in Chromium, whose microphone speaks the toy language, on the whole service. */
import assert from "@std/assert";
import { Hono } from "hono";
import type { Page } from "playwright-core";
import { voicePage } from "../../src/voice/page.ts";
import {
  assertAccessible,
  assertFits,
  chromiumMissing,
  DESKTOP,
  type OpenPage,
  PHONE,
  TestBrowser,
} from "../fakes/browser.ts";
import { padded, type Speech } from "../fakes/speech.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { TcpRelay } from "../real/tcp_relay.ts";
import { startVoice, type VoiceWorld } from "./voice_world.ts";
import { PHRASE } from "./world.ts";

/** The microphone speaks from the moment it is opened. */
const SPEECH = padded(toneSpeech(PHRASE), 1_000, 1_000);
const TWICE = joined(SPEECH, padded(SPEECH, 3_000, 0));

function joined(...parts: Speech[]): Speech {
  const samples = Float32Array.from(parts.flatMap(({ samples }) => [...samples]));
  return { samples, sampleRateHz: parts[0].sampleRateHz };
}

/** From the caption to the viewer. On a quiet machine it takes some milliseconds; asking every few seconds would take more. */
const SHOWN_WITHIN_MS = 2_000;

interface Stage {
  world: VoiceWorld;
  browser: TestBrowser;
}

function test(
  name: string,
  run: (stage: Stage) => Promise<void>,
  { flags, environment, speech = SPEECH, keeps = false }: {
    /** In place of a microphone. */
    flags?: string[];
    /** Whether the service has a folder. */
    keeps?: boolean;
    environment?: Record<string, string>;
    speech?: Speech;
  } = {},
): void {
  Deno.test({
    name: chromiumMissing === undefined ? name : `${name} (ignored: ${chromiumMissing})`,
    ignore: chromiumMissing !== undefined,
    async fn() {
      await using folders = new AsyncDisposableStack();
      const folder = keeps ? await Deno.makeTempDir({ prefix: "tiro-pages-" }) : undefined;
      if (folder) folders.defer(() => Deno.remove(folder, { recursive: true }));
      await using world = await startVoice({ ...environment, ...folder && { TIRO_DATA_DIR: folder } });
      await using browser = flags
        ? await TestBrowser.launch(undefined, flags)
        : await TestBrowser.launch(speech);
      await run({ world, browser });
    },
  });
}

async function openVoice({ world, browser }: Stage, query = "", options = DESKTOP): Promise<OpenPage> {
  return await browser.open(`${world.base}/voice${query}#token=${await world.issuer.token()}`, options);
}

async function shows({ page }: OpenPage, selector: string, text: string | RegExp): Promise<void> {
  await page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: 20_000 });
}

async function assertInView(page: Page, selector: string): Promise<void> {
  const box = await page.locator(selector).boundingBox() ?? assert.fail(`${selector} has no place`);
  assert.ok(
    box.y >= 0 && box.y + box.height <= (page.viewportSize()?.height ?? 0),
    `${selector} is out of view`,
  );
}

/** Notes the time of the first line of a page. */
const noteFirstLine = (page: Page) =>
  page.evaluate(`
    new MutationObserver(() => { globalThis.firstLineAt ??= Date.now(); })
      .observe(document.querySelector("#finals"), { childList: true });
  `);

const words = async (page: Page) => (await page.locator("#finals p").allTextContents()).join(" ").split(" ");

for (const format of ["pcm", "webm"]) {
  test(`Speech into the microphone becomes captions, as ${format}`, async (stage) => {
    const open = await openVoice(stage, `?format=${format}`);
    await open.page.getByRole("button", { name: "Start" }).click();
    await shows(open, "#state", "Captions on");
    await shows(open, "#partial", /\w/);
    await shows(open, "#finals", PHRASE.at(-1) ?? "");
    await open.page.getByRole("button", { name: "Stop" }).click();
    await shows(open, "#state", "Ready");
    assert.deepEqual(await words(open.page), PHRASE);
    assert.deepEqual(open.faults, []);
  });
}

test("The page is used with the keyboard alone", async (stage) => {
  const { page, faults } = await stage.browser.open(`${stage.world.base}/voice`);
  const focused = () => page.evaluate("document.activeElement.id");
  const until = async (id: string) => {
    for (let key = 0; key < 30 && await focused() !== id; key++) await page.keyboard.press("Tab");
    assert.equal(await focused(), id);
  };
  await until("token");
  await page.keyboard.insertText(await stage.world.issuer.token());
  await page.keyboard.press("Enter");
  const open = { page, faults };
  await shows(open, "#state", "Captions on");
  await until("larger");
  const before = await page.locator("#captions").evaluate((view) => view.style.fontSize);
  await page.keyboard.press("Space");
  await shows(open, "#finals", PHRASE.at(-1) ?? "");
  await until("start");
  await page.keyboard.press("Enter");
  await shows(open, "#state", "Ready");
  assert.deepEqual(await words(page), PHRASE);
  assert.deepEqual([before, faults], ["", []]);
});

test("The page is accessible and fits before, during and after a session, light and dark, on a phone", async (stage) => {
  for (const options of [DESKTOP, { ...PHONE, colorScheme: "dark" as const }]) {
    const open = await openVoice(stage, "", options);
    const { page } = open;
    const check = async (moment: string) => {
      await assertAccessible(page, `${moment}, ${JSON.stringify(options)}`);
      await assertFits(page, moment);
    };
    await page.getByText("More").click();
    await check("before");
    await page.getByRole("button", { name: "Start" }).click();
    await shows(open, "#partial", /\w/);
    await check("during");
    await shows(open, "#finals", /\w/);
    await page.getByRole("button", { name: "Settings" }).click();
    await check("settings");
    await page.getByRole("button", { name: "Stop" }).click();
    await shows(open, "#state", "Ready");
    await check("after");
    await page.context().close();
  }
});

test("The token leaves the address at once, and is kept for the tab alone, where that is asked for", async (stage) => {
  const { page } = await openVoice(stage);
  const token = await page.getByLabel("Access token").inputValue();
  assert.equal(page.url(), `${stage.world.base}/voice`);
  assert.equal(token.split(".").length, 3);
  const stored = () => page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])");
  assert.equal(await stored(), "[{},{}]");
  await page.reload();
  assert.equal(await page.getByLabel("Access token").inputValue(), "");
  await page.getByLabel("Access token").fill(token);
  await page.getByLabel("Keep the token until this tab is closed").check();
  await page.reload();
  assert.equal(await page.getByLabel("Access token").inputValue(), token);
  await page.getByLabel("Keep the token until this tab is closed").uncheck();
  assert.equal(await stored(), "[{},{}]");
});

test("What is wrong with a token is said in words, where another one can be entered", async (stage) => {
  const { world: { base, issuer }, browser } = stage;
  const cases = [
    ["", "Enter the access token"],
    ["abc def", "not a valid access token"],
    [await issuer.token({ exp: 1_000_000 }), "has expired"],
    [await issuer.token({ aud: "other", azp: "other" }), "for another service"],
  ];
  for (const [token, expected] of cases) {
    const open = await browser.open(`${base}/voice#token=${encodeURIComponent(token)}`, PHONE);
    await open.page.getByRole("button", { name: "Start" }).click();
    await shows(open, "#problem", expected);
    assert.equal(await open.page.getByLabel("Access token").getAttribute("aria-invalid"), "true", expected);
    assert.ok(await open.page.getByLabel("Access token").isEnabled());
    await assertAccessible(open.page, expected);
    await assertInView(open.page, "#start");
    await open.page.context().close();
  }
});

test("The languages of the service can be chosen, before the session and during it", async (stage) => {
  const open = await openVoice(stage);
  const { page } = open;
  const languages = page.getByLabel("Spoken language");
  assert.deepEqual(await languages.locator("option").allTextContents(), [
    "As the service is set up",
    "English",
    "Français",
  ]);
  await languages.selectOption("Français");
  await page.getByRole("button", { name: "Start" }).click();
  await shows(open, "#finals", /\w/);
  assert.equal(await page.locator("#finals p").first().getAttribute("lang"), "fr");
  await page.getByRole("button", { name: "Settings" }).click();
  await languages.selectOption("English");
  await page.locator('#finals p[lang="en"]').first().waitFor({ timeout: 20_000 });
  await page.reload();
  assert.equal(await languages.inputValue(), "en", "kept for the next time");
}, { speech: TWICE });

test("A service that is full is tried again, at once where that is asked for", async (stage) => {
  await using other = await stage.world.connect();
  other.control({ type: "start" });
  await other.ready();
  const open = await openVoice(stage);
  await open.page.getByRole("button", { name: "Start" }).click();
  await shows(open, "#problem", "tried again automatically");
  await shows(open, "#state", "Connection lost");
  other.control({ type: "stop" });
  await other.closed();
  await open.page.getByRole("button", { name: "Connect now" }).click();
  await shows(open, "#state", "Captions on");
  assert.ok(await open.page.locator("#problem").isHidden());
}, { environment: { VOICE_MAX_SESSIONS: "1" } });

test(
  "When the network is back, the page connects again and captions go on",
  async (stage) => {
    await using network = new TcpRelay(stage.world.service.address.port ?? 0);
    const token = await stage.world.issuer.token();
    const open = await stage.browser.open(`http://127.0.0.1:${network.port}/voice#token=${token}`);
    await open.page.getByRole("button", { name: "Start" }).click();
    await shows(open, "#finals", /\w/);
    const before = await words(open.page);
    const lines = await open.page.locator("#finals p").count();
    network.refusing = true;
    await shows(open, "#problem", "cannot be reached");
    await shows(open, "#state", "Connection lost");
    network.refusing = false;
    await shows(open, "#state", "Captions on");
    assert.ok(await open.page.locator("#problem").isHidden());
    await shows(open, `#finals p:nth-child(n + ${lines + 1})`, /\w/);
    const after = await words(open.page);
    assert.deepEqual(after.slice(0, before.length), before);
  },
  { speech: TWICE },
);

test("Behind a prefix of a proxy the page finds the service", async ({ browser }) => {
  const app = new Hono().get("/tiro/voice", voicePage({ languages: () => [], transcripts: "off" }));
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => app.fetch(request),
  );
  const { page } = await browser.open(`http://127.0.0.1:${server.addr.port}/tiro/voice#token=a.b.c`);
  const sent = page.waitForEvent("websocket");
  await page.getByRole("button", { name: "Start" }).click();
  assert.equal((await sent).url(), `ws://127.0.0.1:${server.addr.port}/tiro/api/v1/voice/transcribe`);
  await page.getByRole("button", { name: "Stop" }).click();
});

test("A service that shuts down says so, and is tried again until the session is stopped", async (stage) => {
  const open = await openVoice(stage);
  await open.page.getByRole("button", { name: "Start" }).click();
  await shows(open, "#finals", /\w/);
  const before = await words(open.page);
  await stage.world.service.drain();
  await shows(open, "#problem", "being restarted");
  assert.deepEqual((await words(open.page)).slice(0, before.length), before, "what was said stays");
  await open.page.getByRole("button", { name: "Stop" }).click();
  await shows(open, "#state", "Ready");
  assert.ok(await open.page.locator("#problem").isHidden());
});

test("Without https the page says why there is no microphone", async ({ world, browser }) => {
  const address = `${world.base.replace("127.0.0.1", "captions.test")}/voice#token=${await world.issuer
    .token()}`;
  const open = await browser.open(address);
  await open.page.getByRole("button", { name: "Start" }).click();
  await shows(open, "#problem", "Open it with https://");
  await shows(open, "#state", "Stopped");
}, { flags: ["--host-resolver-rules=MAP captions.test 127.0.0.1"] });

for (
  const [flags, expected] of [
    [["--use-fake-device-for-media-stream", "--deny-permission-prompts"], "may not use the microphone"],
    [["--use-fake-ui-for-media-stream"], "No microphone was found"],
  ] as const
) {
  test(`Without a microphone the page says what to do: ${expected}`, async (stage) => {
    const open = await openVoice(stage);
    await open.page.getByRole("button", { name: "Start" }).click();
    await shows(open, "#problem", expected);
    await shows(open, "#state", "Stopped");
    await assertAccessible(open.page, expected);
    assert.equal(await stage.world.metric("tiro_voice_sessions"), 0);
  }, { flags: [...flags] });
}

test(
  "Who asks for a transcript gets a link, on which others read the captions as they come",
  async (stage) => {
    const open = await openVoice(stage);
    const { page } = open;
    await page.getByLabel("Keep a transcript").check();
    await page.getByRole("button", { name: "Start" }).click();
    const link = page.getByRole("link", { name: "Captions of this session for others" });
    await link.waitFor({ timeout: 20_000 });
    const address = await link.getAttribute("href") ?? "";
    assert.match(address, new RegExp(`^${stage.world.base}/captions/[\\w-]{22}#key=view\\.`));
    const viewer = await stage.browser.open(address, PHONE);
    await shows(viewer, "#state", "Live");
    for (const each of [page, viewer.page]) await noteFirstLine(each);
    await shows(viewer, "#partial-lines", /\w/);
    await shows(viewer, "#finals", PHRASE.at(-1) ?? "");
    const [atSpeaker, atViewer] = await Promise.all(
      [page, viewer.page].map((each): Promise<number> => each.evaluate("firstLineAt")),
    );
    assert.ok(Math.abs(atViewer - atSpeaker) < SHOWN_WITHIN_MS, `${atViewer - atSpeaker} ms later`);
    const late = await stage.browser.open(address);
    await shows(late, "#finals", PHRASE.at(-1) ?? "");
    await page.getByRole("button", { name: "Stop" }).click();
    await shows(open, "#state", "Ready");
    await shows(viewer, "#ended", "The captions have ended.");
    for (const each of [viewer, late]) {
      const said = await each.page.locator("#finals .said").allTextContents();
      assert.deepEqual(said.join(" ").split(" "), PHRASE);
      assert.deepEqual(each.faults, []);
    }
    const without = await stage.browser.open(address.replace(/#.*/, ""));
    await shows(without, "#problem", "Ask for a new link");
    assert.doesNotMatch(JSON.stringify(stage.world.log.lines), /view\.|coffee/, "neither keys nor words");
  },
  { environment: { TRANSCRIPTS: "request" }, keeps: true },
);

test("No transcript is kept, nor offered, unless the operator allows it", async (stage) => {
  const open = await openVoice(stage);
  assert.ok(await open.page.getByLabel("Keep a transcript").isHidden());
  const response = await stage.world.get("/captions/x");
  assert.equal(response.status, 404);
  await response.body?.cancel();
});

/** The viewer's page in Chromium, on the routes of a transcript without a service. */
import assert from "@std/assert";
import type { Locator, Page } from "playwright-core";
import {
  assertAccessible,
  assertFits,
  chromiumMissing,
  DESKTOP,
  type OpenPage,
  PHONE,
  TestBrowser,
} from "../fakes/browser.ts";
import { FakeTranscript } from "../fakes/transcript_events.ts";

/** Of most lines: a busy machine may delay one. */
const SHOWN_WITHIN_MS = 300;
const LINES_MAX = 2_000;

function test(name: string, run: (transcript: FakeTranscript, browser: TestBrowser) => Promise<void>): void {
  Deno.test({
    name: chromiumMissing === undefined ? name : `${name} (ignored: ${chromiumMissing})`,
    ignore: chromiumMissing !== undefined,
    async fn() {
      await using browser = await TestBrowser.launch();
      await using transcript = new FakeTranscript();
      await run(transcript, browser);
    },
  });
}

const finals = (page: Page) => page.locator("#finals .said").allTextContents();
const state = (page: Page) => page.locator("#state");
const scrollTop = (page: Page): Promise<number> =>
  page.locator("#captions").evaluate((view) => view.scrollTop);
const toEnd = (page: Page): Promise<number> =>
  page.locator("#captions").evaluate((view) => view.scrollHeight - view.clientHeight - view.scrollTop);

const style = (element: Locator, property: string): Promise<string> =>
  element.evaluate(
    (element, property) =>
      element.ownerDocument.defaultView?.getComputedStyle(element).getPropertyValue(property) ?? "",
    property,
  );

/** Resolves when the text of the page has it; rejects after 10 s. */
async function shows({ page }: OpenPage, selector: string, text: string): Promise<void> {
  await page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: 10_000 });
}

test(
  "Who comes late reads what was said before, and what is said from then on",
  async (transcript, browser) => {
    for (let line = 0; line < 40; line++) transcript.say({ text: `line ${line}`, speakerName: "Ada" });
    transcript.keepLast(30);
    const open = await browser.open(transcript.url());
    await shows(open, ".said", "line 39");
    transcript.say({ text: "and this", speakerName: "Grace" });
    await shows(open, ".said", "and this");
    const expected = Array.from({ length: 30 }, (_, line) => `line ${line + 10}`);
    assert.deepEqual(await finals(open.page), [...expected, "and this"]);
    assert.deepEqual(
      await open.page.locator(".who").allTextContents(),
      ["Ada", "Grace"],
      "once, until another speaks",
    );
    assert.equal(await state(open.page).textContent(), "Live");
    assert.ok(await toEnd(open.page) < 2, "the last line is in view");

    await open.page.getByRole("button", { name: "Show from the beginning" }).click();
    await shows(open, ".said", "line 0");
    assert.equal((await finals(open.page)).length, 41);
    assert.equal(await scrollTop(open.page), 0, "from the beginning");
    assert.equal(transcript.requests.at(-1)?.path, "/tiro/api/v1/transcripts/x/events?from=0");
    assert.deepEqual(open.faults, []);
  },
);

test("A line is on the page within 300 ms of being sent", async (transcript, browser) => {
  const open = await browser.open(transcript.url());
  await shows(open, "#state", "Live");
  await open.page.evaluate(`
    globalThis.shownAt = {};
    new MutationObserver(() => {
      for (const said of document.querySelectorAll(".said")) shownAt[said.textContent] ??= Date.now();
    }).observe(document.body, { childList: true, subtree: true });
  `);
  const sentAt: Record<string, number> = {};
  for (let line = 0; line < 20; line++) {
    const text = `line ${line}`;
    sentAt[text] = line % 2 === 0 ? transcript.partial({ text }) : transcript.say({ text });
    await shows(open, ".said", text);
  }
  const shownAt: Record<string, number> = await open.page.evaluate("shownAt");
  const delays = Object.keys(sentAt).map((text) => shownAt[text] - sentAt[text]).sort((a, b) => a - b);
  assert.ok(delays[Math.floor(delays.length / 2)] < SHOWN_WITHIN_MS, `${delays} ms`);
});

test(
  "What is being said is replaced, and becomes a line; screen readers get the line alone",
  async (transcript, browser) => {
    const open = await browser.open(transcript.url());
    await shows(open, "#state", "Live");
    const partials = open.page.locator("#partial-lines .said");
    transcript.partial({ text: "good", speakerName: "Ada" });
    transcript.partial({ text: "good morning", speakerName: "Ada" });
    transcript.partial({ text: "yes", speakerName: "Grace" });
    await shows(open, "#partial-lines .said", "yes");
    assert.deepEqual(await partials.allTextContents(), ["good morning", "yes"]);
    assert.equal(await open.page.locator("#partial-lines").getAttribute("aria-hidden"), "true");
    transcript.say({ text: "Good morning.", speakerName: "Ada" });
    transcript.partial({ text: "", speakerName: "Grace" });
    await shows(open, "#finals .said", "Good morning.");
    await partials.first().waitFor({ state: "detached" });
    assert.deepEqual(await finals(open.page), ["Good morning."]);
    await open.page.locator('#finals[aria-live="polite"]').waitFor();
  },
);

test("Who scrolls back keeps their place, until they follow again", async (transcript, browser) => {
  for (let line = 0; line < 60; line++) transcript.say({ text: `line ${line}` });
  const open = await browser.open(transcript.url());
  const { page } = open;
  await shows(open, ".said", "line 59");
  const follow = page.locator("#follow");
  assert.ok(await follow.isHidden());
  await page.locator("#captions").evaluate((view) => view.scrollTop = 400);
  await follow.waitFor();
  for (let line = 60; line < 63; line++) transcript.say({ text: `line ${line}` });
  await shows(open, ".said", "line 62");
  assert.equal(await scrollTop(page), 400);
  assert.equal(await follow.textContent(), "Follow (3 new)");
  await follow.click();
  assert.ok(await toEnd(page) < 2);
  assert.ok(await follow.isHidden());
  transcript.say({ text: "line 63" });
  await shows(open, ".said", "line 63");
  assert.ok(await toEnd(page) < 2, "and follows");
});

test(
  "The space bar pauses: nothing moves until it goes on, and nothing is lost",
  async (transcript, browser) => {
    const open = await browser.open(transcript.url());
    transcript.say({ text: "one" });
    await shows(open, ".said", "one");
    await open.page.keyboard.press("Space");
    await shows(open, "#state", "Paused");
    transcript.say({ text: "two" });
    // Words that are said meanwhile do not take the place of lines.
    for (let word = 0; word <= LINES_MAX; word++) transcript.partial({ text: `thr ${word}` });
    transcript.say({ text: "three" });
    await shows(open, "#pause", "Resume (2 new)");
    assert.deepEqual(await finals(open.page), ["one"]);
    await open.page.keyboard.press("Space");
    assert.deepEqual(await finals(open.page), ["one", "two", "three"]);
    assert.equal(await open.page.locator("#pause").textContent(), "Pause");
  },
);

test(
  "A connection that breaks off is taken up where it was, and refusals are waited out",
  async (transcript, browser) => {
    const open = await browser.open(transcript.url());
    transcript.say({ text: "one" });
    await shows(open, ".said", "one");
    transcript.partial({ text: "tw" });
    await shows(open, "#partial-lines .said", "tw");
    const refused = transcript.refuse({ status: 503, headers: { "retry-after": "1" } });
    transcript.cut();
    await shows(open, "#state", "Connection lost");
    transcript.say({ text: "two" }); // while nobody is connected
    await refused;
    transcript.accept();
    await shows(open, "#state", "Live");
    await shows(open, ".said", "two");
    assert.deepEqual(await finals(open.page), ["one", "two"]);
    assert.equal(transcript.requests.at(-1)?.lastEventId, "0");
    assert.equal(await open.page.locator("#partial-lines .said").count(), 0);
    assert.ok(
      transcript.requests.every(({ path }) => path === "/tiro/api/v1/transcripts/x/events"),
      "no key in it",
    );
  },
);

test(
  "The end is shown and nothing is asked afterwards; deleted words are removed",
  async (transcript, browser) => {
    const open = await browser.open(transcript.url());
    transcript.say({ text: "one" });
    await shows(open, ".said", "one");
    transcript.send("end", { reason: "ended" });
    transcript.cut();
    await shows(open, "#ended", "The captions have ended.");
    await shows(open, "#state", "Ended");
    assert.deepEqual(await finals(open.page), ["one"]);
    await open.page.evaluate("dispatchEvent(new Event('online'))");
    assert.equal(transcript.requests.length, 1);

    const other = await browser.open(transcript.url());
    await shows(other, ".said", "one");
    transcript.send("end", { reason: "deleted" });
    transcript.cut();
    await shows(other, "#ended", "These captions were deleted.");
    assert.deepEqual(await finals(other.page), []);
  },
);

test(
  "A wrong key and a transcript that is not there are said in words, and are not tried again",
  async (transcript, browser) => {
    const wrong = await browser.open(transcript.url("", "another"));
    await shows(wrong, "#problem", "Ask for a new link");
    await assertAccessible(wrong.page, "refused");
    void transcript.refuse({ status: 404 });
    const gone = await browser.open(transcript.url());
    await shows(gone, "#problem", "may have been deleted");
    assert.equal(transcript.requests.length, 2);
  },
);

test("Words and names that look like markup are text", async (transcript, browser) => {
  const open = await browser.open(transcript.url());
  await shows(open, "#state", "Live");
  const text = '<img src="x" onerror="document.title = 1"><script>document.title = 2</script>';
  transcript.say({ text, speakerName: "<b>Ada</b>" });
  transcript.partial({ text, speakerName: "<i>" });
  await shows(open, "#partial-lines .said", "onerror");
  assert.deepEqual(await finals(open.page), [text]);
  assert.deepEqual(await open.page.locator(".who").allTextContents(), ["<b>Ada</b>", "<i>"]);
  assert.equal(await open.page.title(), "Live captions");
});

test(
  "Languages are marked, and those written from right to left begin there",
  async (transcript, browser) => {
    const open = await browser.open(transcript.url());
    transcript.say({ text: "صباح الخير جميعًا", languageId: "ar", speakerName: "Layla" });
    transcript.say({ text: "Guten Morgen", languageId: "de_DE", speakerName: "Ada" });
    await shows(open, ".said", "Guten Morgen");
    const lines = await Promise.all(
      (await open.page.locator("#finals .cue").all()).map(async (line) => [
        await line.getAttribute("lang"),
        await style(line, "direction"),
      ]),
    );
    assert.deepEqual(lines, [["ar", "rtl"], ["de-DE", "ltr"]]);
  },
);

test(
  "An overlay is transparent, has two lines at the bottom, and empties itself",
  async (transcript, browser) => {
    for (let line = 0; line < 5; line++) transcript.say({ text: `line ${line}` });
    const open = await browser.open(transcript.url("?overlay&size=40&clear=2"));
    const { page } = open;
    await shows(open, ".said", "line 4");
    const box = await page.locator("#captions").boundingBox() ?? assert.fail("the captions have no place");
    assert.ok(box.y > 500 && box.y + box.height < 700, `at the bottom, not ${JSON.stringify(box)}`);
    const inView: string[] = [];
    for (const said of await page.locator(".said").all()) {
      const line = await said.boundingBox();
      const middle = line ? line.y + line.height / 2 : 0;
      if (middle > box.y && middle < box.y + box.height) inView.push(await said.textContent() ?? "");
    }
    assert.deepEqual(inView, ["line 3", "line 4"]);
    for (const selector of ["html", "body", "#captions"]) {
      assert.equal(await style(page.locator(selector), "background-color"), "rgba(0, 0, 0, 0)", selector);
    }
    for (const selector of ["header", "footer"]) assert.ok(await page.locator(selector).isHidden(), selector);
    await page.locator(".said").first().waitFor({ state: "detached" });
  },
);

test(
  "The page is accessible and fits, light and dark, on a phone, and in every colour",
  async (transcript, browser) => {
    transcript.say({ text: "Can everyone read this?", speakerName: "Ada" });
    transcript.say({ text: "צהריים טובים", languageId: "he", speakerName: "David" });
    for (const options of [DESKTOP, { ...DESKTOP, colorScheme: "dark" as const }, PHONE]) {
      const open = await browser.open(transcript.url(), options);
      await shows(open, ".said", "read this");
      transcript.partial({ text: "we can", speakerName: "Ada" });
      await shows(open, ".said", "we can");
      await assertAccessible(open.page, `closed, ${JSON.stringify(options)}`);
      await open.page.getByRole("button", { name: "Settings" }).click();
      await assertAccessible(open.page, `settings, ${JSON.stringify(options)}`);
      await assertFits(open.page, JSON.stringify(options));
      assert.deepEqual(open.faults, []);
    }
    const open = await browser.open(transcript.url());
    await open.page.getByRole("button", { name: "Settings" }).click();
    for (const colours of ["light", "dark", "yellow", "cream", "blue"]) {
      await open.page.getByLabel("Colours").selectOption(colours);
      await assertAccessible(open.page, colours);
    }
  },
);

test("Settings are kept in the browser, words are not", async (transcript, browser) => {
  transcript.say({ text: "a secret", speakerName: "Ada" });
  const open = await browser.open(transcript.url());
  const { page } = open;
  await shows(open, ".said", "a secret");
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "larger text" }).click();
  await page.getByLabel("Colours").selectOption("yellow");
  await page.getByLabel("Font").selectOption("dyslexia");
  await page.getByLabel("Names of speakers").uncheck();
  await page.reload();
  await shows(open, ".said", "a secret");
  const view = page.locator("#captions");
  assert.equal(await style(view, "font-size"), "36px");
  assert.equal(await style(view, "color"), "rgb(255, 230, 0)");
  assert.match(await style(view, "font-family"), /^OpenDyslexic,/);
  assert.ok(await page.locator(".who").first().isHidden());
  const kept: string = await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])");
  assert.doesNotMatch(kept, /secret|Ada|key/);
});

test("The page holds the last 2,000 lines, and prints them alone", async (transcript, browser) => {
  for (let line = 0; line < LINES_MAX + 50; line++) transcript.say({ text: `line ${line}` });
  const open = await browser.open(transcript.url());
  await shows(open, ".said", `line ${LINES_MAX + 49}`);
  const lines = await finals(open.page);
  assert.equal(lines.length, LINES_MAX);
  assert.equal(lines[0], "line 50");
  await open.page.emulateMedia({ media: "print" });
  for (const selector of ["header", "footer"]) {
    assert.ok(await open.page.locator(selector).isHidden(), selector);
  }
  assert.ok(await open.page.locator(".said").first().isVisible());
});

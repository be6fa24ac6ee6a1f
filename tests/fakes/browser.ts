/**
 * Debian's Chromium for tests of pages: what it logs and throws is kept, and a page is judged by axe-core. A WAV file is
 * its microphone, played once from the moment it is opened.
 */
import assert from "@std/assert";
import axe from "axe-core";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { type Speech, wav } from "./speech.ts";

/** Rules of WCAG 2.2 A and AA, and what axe-core holds for good practice. */
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export const DESKTOP = { viewport: { width: 1100, height: 700 } };
/** The narrowest of WCAG 2.2, 1.4.10. */
export const PHONE = { viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true };

/** The path of Chromium, if it is installed. */
export async function chromiumPath(): Promise<string | undefined> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${folder}/chromium`;
    if (await Deno.stat(path).then((file) => file.isFile, () => false)) return path;
  }
  return undefined;
}

/** For the name of a test that is ignored without Chromium. */
export const chromiumMissing = await chromiumPath() === undefined
  ? "chromium is not on PATH (Debian package chromium)"
  : undefined;

export const CHROMIUM_FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function microphoneFlags(wavPath: string): string[] {
  return [
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    `--use-file-for-fake-audio-capture=${wavPath}%noloop`,
  ];
}

export interface OpenPage {
  page: Page;
  /** What the page threw or logged as an error. */
  faults: readonly string[];
}

export class TestBrowser implements AsyncDisposable {
  private constructor(
    private readonly browser: Browser,
    private readonly resources: AsyncDisposableStack,
  ) {}

  /** `flags`: in place of a microphone that is not there. */
  static async launch(microphone?: Speech, flags: string[] = []): Promise<TestBrowser> {
    await using resources = new AsyncDisposableStack();
    const executablePath = await chromiumPath();
    if (!executablePath) throw new Error(`Cannot start a browser: ${chromiumMissing}`);
    if (microphone) {
      const folder = await Deno.makeTempDir({ prefix: "tiro-chromium-" });
      resources.defer(() => Deno.remove(folder, { recursive: true }));
      await Deno.writeFile(`${folder}/microphone.wav`, wav(microphone));
      flags = [...flags, ...microphoneFlags(`${folder}/microphone.wav`)];
    }
    const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS, ...flags] });
    resources.defer(() => browser.close());
    return new TestBrowser(browser, resources.move());
  }

  /** In a context of its own: nothing is kept of other pages. */
  async open(url: string, options: BrowserContextOptions = DESKTOP): Promise<OpenPage> {
    const context = await this.browser.newContext(options);
    const page = await context.newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") faults.push(message.text());
    });
    await page.goto(url);
    return { page, faults };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resources.disposeAsync();
  }
}

/** Fails with what axe-core finds. */
export async function assertAccessible(page: Page, name: string): Promise<void> {
  await page.evaluate(axe.source);
  const found: string[] = await page.evaluate(
    `axe.run({ runOnly: ${JSON.stringify(TAGS)} }).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ": " + html)))`,
  );
  assert.deepEqual(found, [], name);
}

/** Nothing is wider than the page: no scrolling in two directions (WCAG 2.2, 1.4.10). */
export async function assertFits(page: Page, name: string): Promise<void> {
  const [content, window]: number[] = await page.evaluate(
    "[document.documentElement.scrollWidth, innerWidth]",
  );
  assert.ok(content <= window, `${name}: ${content} px of content in ${window} px`);
}

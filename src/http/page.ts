/**
 * HTML pages: one self-contained document of a template, a style and scripts, with a policy that allows these alone by
 * their hashes (CSP Level 3). So nothing else is run or loaded, whatever text a page shows.
 */
import { createHash } from "node:crypto";
import type { Context } from "hono";
import base from "./page_base.css" with { type: "text" };

/** What pages have in common; a page's own style follows it. */
export const PAGE_STYLE = base;

export interface PageParts {
  /**
   * With `<style>{style}</style>`, `<script type="module">{script}</script>` and `<script type="text/plain" id="worklet">
   * {worklet}</script>`, each of those whose part is given, once; and no other scripts, styles or handlers in attributes.
   */
  html: string;
  style?: string;
  /**
   * Become one module, so their top-level names are unique. Each may import names that earlier ones export, by
   * `import { a, b } from "./file.js"`; other forms are refused.
   */
  scripts?: readonly string[];
  /** Of an AudioWorklet: data for the page's script, which makes a `blob:` of it. */
  worklet?: string;
  /** Whether it may ask for the microphone. */
  microphone?: boolean;
  /** Who may embed it in a frame, as CSP's sources. Default: nobody. */
  frameAncestors?: readonly string[];
}

export interface Page {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Throws for parts that the policy would block, or that would end their element early. */
export function composePage(parts: PageParts): Page {
  const { style, scripts, worklet } = parts;
  const script = scripts && joinScripts(scripts);
  let body = parts.html;
  assertNoHandlers(body);
  for (const [name, text] of Object.entries({ style, script, worklet })) {
    if (text === undefined) continue;
    if (/<\/(script|style)|<!--/i.test(text)) {
      throw new Error(`Cannot compose the page: its ${name} ends early`);
    }
    const [before, after, ...more] = body.split(`{${name}}`);
    if (after === undefined || more.length > 0) {
      throw new Error(`Cannot compose the page: {${name}} has to be in it once`);
    }
    body = before + text + after;
  }
  const etag = `"${sha256(body)}"`;
  return {
    body,
    headers: {
      "content-security-policy": policyOf(body, parts),
      "permissions-policy": permissionsPolicy(parts),
      "referrer-policy": "no-referrer",
      // A new version of the service has a new page.
      "cache-control": "no-cache",
      etag,
    },
  };
}

/** The handler of its route. */
export function servePage({ body, headers }: Page): (c: Context) => Response {
  return (c) =>
    hasTag(c.req.header("if-none-match"), headers.etag)
      ? c.body(null, 304, { ...headers })
      : c.html(body, 200, { ...headers });
}

/** RFC 9110, section 13.1.2. Proxies that compress a response make its tag a weak one. */
function hasTag(known: string | undefined, etag: string): boolean {
  return known?.split(",").some((each) => ["*", etag].includes(each.trim().replace(/^W\//, ""))) ?? false;
}

function policyOf(body: string, { worklet, scripts, frameAncestors = [] }: PageParts): string {
  const hashes = (pattern: RegExp) =>
    [...body.matchAll(pattern)].map(([, text]) => `'sha256-${sha256(text)}'`);
  const styles = hashes(/<style>(.*?)<\/style>/gs);
  const run = hashes(/<script type="module">(.*?)<\/script>/gs);
  if (worklet !== undefined) run.push("blob:");
  const ancestors = frameAncestors.length > 0 ? frameAncestors : ["'none'"];
  return [
    "default-src 'none'",
    ...styles.length > 0 ? [`style-src ${styles.join(" ")}`] : [],
    ...run.length > 0 ? [`script-src ${run.join(" ")}`] : [],
    // WebSockets of the same host too.
    ...scripts ? ["connect-src 'self'", "require-trusted-types-for 'script'"] : [],
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    `frame-ancestors ${ancestors.join(" ")}`,
  ].join("; ");
}

function permissionsPolicy({ microphone = false }: PageParts): string {
  const refused = ["camera", "display-capture", "geolocation", "payment", "usb"].map((name) => `${name}=()`);
  return [`microphone=(${microphone ? "self" : ""})`, ...refused].join(", ");
}

const IMPORT = /^import \{([^}]*)\} from "\.\/[\w.-]+\.js";$/gm;
const EXPORT = /^export (?=(?:async )?(?:function\*?|const|let|class) ([\w$]+))/gm;

function joinScripts(scripts: readonly string[]): string {
  const exported = new Set<string>();
  return scripts.map((source) => {
    for (const [, names] of source.matchAll(IMPORT)) {
      for (const name of names.split(",").map((name) => name.trim()).filter((name) => name !== "")) {
        if (!exported.has(name)) {
          throw new Error(`Cannot compose the page: no earlier script exports ${name}`);
        }
      }
    }
    for (const [, name] of source.matchAll(EXPORT)) {
      if (exported.has(name)) throw new Error(`Cannot compose the page: two scripts export ${name}`);
      exported.add(name);
    }
    const plain = source.replace(IMPORT, "").replace(EXPORT, "");
    if (/^(import|export)\b(?!\()/m.test(plain)) {
      throw new Error("Cannot compose the page: a script imports or exports in a form that is not taken");
    }
    return plain;
  }).join("\n");
}

/** The policy blocks those in attributes. */
function assertNoHandlers(html: string): void {
  if (/<[^>]*\s(on\w+|style)\s*=/i.test(html)) {
    throw new Error("Cannot compose the page: a style or a handler is in an attribute");
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

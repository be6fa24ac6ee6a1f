/**
 * Writes docs/API.md and the page at /docs from the OpenAPI document (`deno task api-docs`). tests/docs_test.ts fails
 * where a file differs. docs/API.md names no version: changes are in CHANGELOG.md.
 */
import { API } from "../src/api.ts";
import { LIMITS } from "../src/domain/mod.ts";
import { apiDocument } from "../src/http/mod.ts";
import { apiPage } from "./api_page.ts";
import { apiReference, type Operation, type Reference } from "./api_reference.ts";

/** The files with their contents. */
export async function apiDocs(): Promise<Record<string, string>> {
  const reference = apiReference(apiDocument(API, ""));
  return { "docs/API.md": await apiMarkdown(reference), "src/api_docs.html": apiPage(reference) };
}

async function apiMarkdown({ title, description, credentials, groups }: Reference): Promise<string> {
  const blocks = [
    `# The REST API of ${title}`,
    "<!-- Generated: change the routes and schemas in src, then run `deno task api-docs`. -->",
    description,
    "It is also served as an OpenAPI 3.1 document at `/openapi.json` and as a page at `/docs`. Bodies are JSON; " +
    'every error is `{"error": "..."}` and never repeats the request. Unknown fields and a slash ' +
    "at the end of a path are ignored.",
    "## Credentials",
    "One of these, as configured. If neither is configured, none are needed, and the service listens on loopback " +
    "only, unless `LT_API_OPEN=true`. Wrong credentials get 401 without a reason: at once for the first " +
    `${LIMITS.guessesFree} in a minute from one address and the first ${LIMITS.guessesFreeOfAll} from all, after ` +
    `${LIMITS.guessHoldMs / 1_000} s for later ones. Valid credentials are never delayed.`,
    table(["header", "value"], credentials.map(({ name, description }) => [`\`${name}\``, description])),
    ...groups.flatMap(({ name, description, operations }) => [
      `## ${name}`,
      `${description}.`,
      ...operations.flatMap(section),
    ]),
  ];
  return await formatted(`${blocks.join("\n\n")}\n`);
}

function section({ method, path, summary, details, isOpen, fields, example, replies }: Operation): string[] {
  return [
    `### ${method} ${path}`,
    `${summary}.${isOpen ? " Needs no credentials." : ""}`,
    ...(fields.length > 0
      ? [table(
        ["field", "in", "type", "needed", "meaning"],
        fields.map(({ name, place, type, isRequired, description }) => [
          `\`${name}\``,
          place,
          type,
          isRequired ? "yes" : "",
          description,
        ]),
      )]
      : []),
    ...(example === undefined ? [] : ["```json\n" + example + "\n```"]),
    table(
      ["status", "meaning", "answer"],
      replies.map(({ status, description, contentType, example }) => [
        status,
        description,
        `\`${example ?? contentType}\``,
      ]),
    ),
    ...(details.length === 0 ? [] : [details.map((entry) => `- ${entry}`).join("\n")]),
  ];
}

function table(heads: readonly string[], rows: readonly string[][]): string {
  const row = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replace(/\|/g, "\\|")).join(" | ")} |`;
  return [row(heads), row(heads.map(() => "---")), ...rows.map(row)].join("\n");
}

async function formatted(markdown: string): Promise<string> {
  const fmt = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "-"],
    cwd: new URL("..", import.meta.url),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = fmt.stdin.getWriter();
  await writer.write(new TextEncoder().encode(markdown));
  await writer.close();
  const { success, stdout, stderr } = await fmt.output();
  if (!success) throw new Error(`Cannot format docs/API.md: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(await apiDocs())) {
    await Deno.writeTextFile(new URL(`../${path}`, import.meta.url), text);
  }
}

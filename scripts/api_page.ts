/** The page at /docs as HTML: without scripts, and without anything to load. `http/` fills in `{version}`. */
import type { Field, Operation, Reference } from "./api_reference.ts";

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
body { color: #1b1b1b; background: #fff; }
h2 { margin-top: 3rem; border-bottom: 1px solid #ccc; }
h3 { margin-top: 2rem; }
h3 code { font-size: 1.05em; }
pre { background: #f3f3f3; padding: .7rem 1rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid #ddd; }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6e6; background: #161616; }
  pre { background: #262626; }
  th, td, h2 { border-color: #444; }
  a { color: #9cc4ff; }
}
`;

export function apiPage({ title, description, credentials, groups }: Reference): string {
  const shown = [
    `<h1>${text(title)} {version}</h1>`,
    `<p>${text(description)} For machines: <a href="openapi.json">openapi.json</a>.</p>`,
    "<h2>Credentials</h2>",
    "<p>One of these, as configured; if neither is configured, none are needed.</p>",
    table(
      ["header", "value"],
      credentials.map(({ name, description }) => [`<code>${text(name)}</code>`, text(description)]),
    ),
    ...groups.flatMap(({ name, description, operations }) => [
      `<h2>${text(name)}</h2>`,
      `<p>${text(description)}</p>`,
      ...operations.map(section),
    ]),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${text(title)}: the REST API</title>
<style>${STYLE}</style>
</head>
<body>
${shown.join("\n")}
</body>
</html>
`;
}

function section({ method, path, summary, details, isOpen, fields, example, replies }: Operation): string {
  return [
    `<h3><code>${method} ${text(path)}</code></h3>`,
    `<p>${text(summary)}.${isOpen ? " Needs no credentials." : ""}</p>`,
    ...(fields.length > 0
      ? [table(["field", "in", "type", "needed", "meaning"], fields.map(fieldCells))]
      : []),
    ...(example === undefined ? [] : [`<pre>${text(example)}</pre>`]),
    table(
      ["status", "meaning", "answer"],
      replies.map(({ status, description, contentType, example }) => [
        status,
        text(description),
        `<code>${text(example ?? contentType)}</code>`,
      ]),
    ),
    ...(details.length === 0
      ? []
      : [`<ul>\n${details.map((entry) => `<li>${text(entry)}</li>`).join("\n")}\n</ul>`]),
  ].join("\n");
}

function fieldCells({ name, place, type, isRequired, description }: Field): string[] {
  return [`<code>${text(name)}</code>`, place, text(type), isRequired ? "yes" : "", text(description)];
}

/** Cells are HTML. */
function table(heads: readonly string[], rows: readonly string[][]): string {
  const row = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
  return `<table>\n${[row(heads, "th"), ...rows.map((cells) => row(cells, "td"))].join("\n")}\n</table>`;
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Escapes `words`; text in backticks becomes code. */
function text(words: string): string {
  return words.replace(/[&<>"]/g, (char) => ENTITIES[char]).replace(/`([^`]+)`/g, "<code>$1</code>");
}

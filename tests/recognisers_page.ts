/** The tables of docs/RECOGNISERS.md that the code has: `deno task variables` writes them into it. */
import { languageCodeOf, type Variable } from "../src/domain/mod.ts";
import { bytesOf, MODELS } from "../src/models/mod.ts";
import { STT_PROVIDERS, type SttProvider } from "../src/stt/mod.ts";

type Row = readonly string[];

/** A table: what the first cells of its header are, and its rows. */
interface Table {
  header: Row;
  rows: readonly Row[];
}

const mark = (holds: boolean | undefined) => holds ? "yes" : "-";

function features(): Table {
  return {
    header: [
      "provider",
      "behind",
      "while speaking",
      "word times",
      "end of turn",
      "words to expect",
      "acknowledges audio",
    ],
    rows: STT_PROVIDERS.map(({ name, features }) => [
      `\`${name}\``,
      `${features.latencyMs / 1_000} s`,
      mark(features.partials),
      mark(features.wordTimes),
      mark(features.endOfTurn),
      mark(features.words),
      mark(features.acknowledges),
    ]),
  };
}

function variables(): Table {
  return {
    header: ["variable", "provider", "default", "meaning"],
    rows: STT_PROVIDERS.flatMap(({ name, variables }) =>
      variables.map((variable) => [
        `\`${variable.name}\``,
        `\`${name}\``,
        valueOf(variable),
        variable.meaning,
      ])
    ),
  };
}

function valueOf({ default: standard, required }: Variable): string {
  return standard !== undefined ? `\`${standard}\`` : required ? "required" : "";
}

/** The smallest of alphacephei's models for each of the 27 languages, MB; as of November 2026. */
const VOSK_MODELS: Record<string, [model: string, megabytes: number]> = {
  ar: ["vosk-model-ar-mgb2-0.4", 318],
  ar_TN: ["vosk-model-small-ar-tn-0.1-linto", 158],
  br: ["vosk-model-br-0.8", 70],
  ca: ["vosk-model-small-ca-0.4", 42],
  cs: ["vosk-model-small-cs-0.4-rhasspy", 44],
  de: ["vosk-model-small-de-0.15", 45],
  en: ["vosk-model-small-en-us-0.15", 40],
  eo: ["vosk-model-small-eo-0.42", 42],
  es: ["vosk-model-small-es-0.42", 39],
  fa: ["vosk-model-small-fa-0.42", 53],
  fr: ["vosk-model-small-fr-0.22", 41],
  hi: ["vosk-model-small-hi-0.22", 42],
  it: ["vosk-model-small-it-0.22", 48],
  ja: ["vosk-model-small-ja-0.22", 48],
  kk: ["vosk-model-small-kz-0.42", 58],
  ko: ["vosk-model-small-ko-0.22", 82],
  nl: ["vosk-model-small-nl-0.22", 39],
  pl: ["vosk-model-small-pl-0.22", 50],
  pt: ["vosk-model-small-pt-0.3", 31],
  ru: ["vosk-model-small-ru-0.22", 45],
  te: ["vosk-model-small-te-0.42", 58],
  tg: ["vosk-model-small-tg-0.22", 50],
  tr: ["vosk-model-small-tr-0.3", 35],
  uk: ["vosk-model-small-uk-v3-nano", 73],
  uz: ["vosk-model-small-uz-0.22", 49],
  vi: ["vosk-model-small-vn-0.4", 32],
  zh: ["vosk-model-small-cn-0.22", 42],
};

const ENGLISH = new Intl.DisplayNames("en", { type: "language" });

function languages(): Table {
  const vosk = STT_PROVIDERS.find(({ name }) => name === "vosk")?.languages ?? [];
  return {
    header: [
      "language",
      "",
      "`local`: model",
      "size",
      "speed",
      "punctuation",
      "licence",
      "Vosk model",
      "size",
    ],
    rows: vosk.map(({ id }) => {
      const model = MODELS.find(({ languages }) => languages.includes(languageCodeOf(id) ?? id));
      const [voskModel, megabytes] = VOSK_MODELS[id] ?? ["none", 0];
      return [
        `\`${id}\``,
        ENGLISH.of(id.replace("_", "-")) ?? id,
        ...model
          ? [
            `\`${model.id}\``,
            `${Math.round(bytesOf(model) / 1e6)} MB`,
            `${model.speed}${model.measured ? "" : " *"}`,
            mark(model.punctuates),
            model.licence,
          ]
          : ["none", "", "", "", ""],
        `\`${voskModel}\``,
        `${megabytes} MB`,
      ];
    }),
  };
}

const line = (cells: Row) => `| ${cells.join(" | ")} |`;
/** deno fmt aligns the columns. */
const plain = (text: string) => text.replace(/[ \t]+/g, " ").replace(/ -{3,} /g, " --- ");

/** The page with its tables as the code has them. Throws where one is missing. */
export function withTables(page: string): string {
  return [features(), variables(), languages()].reduce((text, { header, rows }) => {
    const lines = text.split("\n");
    const start = lines.findIndex((each) =>
      plain(each).startsWith(plain(line(header.slice(0, 2)).slice(0, -1)))
    );
    if (start < 0) {
      throw new Error(`Cannot find the table of docs/RECOGNISERS.md with the header ${line(header)}`);
    }
    const end = lines.findIndex((each, at) => at > start && !each.startsWith("|"));
    const table = [header, header.map(() => "---"), ...rows].map(line);
    return lines.toSpliced(start, (end < 0 ? lines.length : end) - start, ...table).join("\n");
  }, page);
}

/** Whether a page says the same, however its tables are aligned. */
export function isSamePage(one: string, other: string): boolean {
  return plain(one) === plain(other);
}

/** Problems of the page's parts that are written by hand, for each provider. */
export function missingIn(page: string, { name, variables }: SttProvider): string[] {
  const problems: string[] = [];
  const [choice] = page.split("\n## What each one does");
  if (!new RegExp(`^\\| \\[?\`${name}\`\\]?`, "m").test(choice)) {
    problems.push(`no row for ${name} in the table "Which one"`);
  }
  const recipe = page.split(/^### /m).find((part) => part.startsWith(`\`${name}\``));
  if (recipe === undefined) return [...problems, `no recipe "### \`${name}\`"`];
  for (const variable of variables.filter(({ required }) => required !== undefined)) {
    if (!recipe.includes(variable.name)) {
      problems.push(`the recipe for ${name} does not name ${variable.name}`);
    }
  }
  if (!recipe.includes(`STT_PROVIDER=${name}`)) {
    problems.push(`the recipe for ${name} has no STT_PROVIDER=${name}`);
  }
  if (!new RegExp(`^\\| \`${name}\``, "m").test(page.split("\n## What was run")[1] ?? "")) {
    problems.push(`no row for ${name} in the table "What was run"`);
  }
  return problems;
}

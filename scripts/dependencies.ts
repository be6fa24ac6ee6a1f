/**
 * Lists Tiro's dependencies (`scripts/dependencies`): every package of deno.lock and every crate of the committed
 * WebAssembly, with exact version and licence, and the known advisories for the packages. Licences are read from the
 * installed packages and the NOTICE files, without the network.
 */
// Not by mod.ts: what downloads needs permissions that this script has not.
import { CATALOGUE } from "../src/models/catalogue.ts";
import { RUNTIMES } from "../src/models/runtime.ts";

const ROOT = new URL("../", import.meta.url);

export interface Dependency {
  name: string;
  version: string;
  /** SPDX, as in its package; undefined where none is given. */
  licence: string | undefined;
  /** `tests`: used by tests and checks only. `models`: fetched by `tiro models`, and no part of the program. */
  use: "service" | "tests" | "models";
}

/** Licences that permit redistribution. MPL-2.0 requires the sources of its own files, which npm has. */
const ACCEPTED = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "MPL-2.0",
  "Unlicense",
]);

const USAGE = `Usage: scripts/dependencies [--offline]
Lists Tiro's packages and crates with exact versions and licences, the models and the runtime that tiro models fetches,
then the known advisories for the packages (deno audit, which asks the npm registry).
  --offline  licences only; no network
Exit codes: 0 nothing to do, 1 a licence is missing or not accepted, or there is an advisory, 2 wrong usage,
3 the npm registry could not be reached: advisories are unknown.
`;

/** Every package that deno.lock names, by name and version. */
export async function packages(): Promise<Dependency[]> {
  const { npm } = await readJson("deno.lock") as { npm: Record<string, { dependencies?: string[] }> };
  const { imports } = await readJson("deno.json") as { imports: Record<string, string> };
  const loaded = new Set<string>();
  /** A dependency with one version has only its name in the lock file. */
  const keyOf = (name: string) => npm[name] ? name : Object.keys(npm).find((key) => nameOf(key) === name);
  const load = (name: string): void => {
    const key = keyOf(name);
    if (key === undefined || loaded.has(key)) return;
    loaded.add(key);
    npm[key].dependencies?.forEach(load);
  };
  const used = await specifiersOfSources();
  for (const [specifier, target] of Object.entries(imports)) {
    if (used.has(specifier) && target.startsWith("npm:")) load(nameOf(target.slice(4)));
  }
  const found = await Promise.all(
    Object.keys(npm).map(async (key): Promise<Dependency> => ({
      name: nameOf(key),
      version: versionOf(key),
      licence: await licenceOf(nameOf(key), versionOf(key)),
      use: loaded.has(key) ? "service" : "tests",
    })),
  );
  return found.toSorted((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** The parts of the committed WebAssembly, from the NOTICE files beside its sources. */
export async function builtIn(): Promise<Dependency[]> {
  const lock = await read("src/webrtc/srtp_crypto/Cargo.lock");
  const notice = await read("src/webrtc/srtp_crypto/NOTICE");
  const build = await read("scripts/build-opus");
  const crates = [...lock.matchAll(/name = "(.+)"\nversion = "(.+)"\nsource = /g)]
    // Crates for building or for other platforms are in neither the binary nor its NOTICE.
    .flatMap(([, name, version]): Dependency[] => {
      const at = notice.search(new RegExp(`^  ${name} ${version.replaceAll(".", "\\.")}\\b`, "m"));
      if (at < 0) return [];
      const licence = notice.slice(0, at).match(/^(MIT|3-clause BSD) licence:$(?![\s\S]*^\S.* licence:$)/m)
        ?.[1];
      const spdx = licence === "3-clause BSD" ? "BSD-3-Clause" : licence;
      return [{ name, version, licence: spdx, use: "service" }];
    });
  const libopus = build.match(/has libopus ([\d.]+) in it/)?.[1] ?? "unknown";
  return [...crates, { name: "libopus", version: libopus, licence: "BSD-3-Clause", use: "service" }];
}

/** What `tiro models` fetches: the operator chooses, so the licences are listed and not judged. */
export function fetched(): Dependency[] {
  return [
    ...RUNTIMES.map(({ id, version, licence }) => ({
      name: id.replace(`-${version}`, ""),
      version,
      licence,
    })),
    ...CATALOGUE.map(({ id, licence }) => ({ name: id, version: "pinned", licence })),
  ].map((thing) => ({ ...thing, use: "models" }));
}

/** Those without an accepted licence. */
export function doubtful(dependencies: readonly Dependency[]): Dependency[] {
  return dependencies.filter(({ licence }) => licence === undefined || !ACCEPTED.has(licence));
}

export type Audit = "none" | "found" | "unreachable";

/** `deno audit` exits with 1 both for advisories and for an unreachable registry. */
export function auditOutcome(code: number, output: string): Audit {
  if (code === 0) return "none";
  return /^error: /m.test(output) ? "unreachable" : "found";
}

export function listing(dependencies: readonly Dependency[]): string {
  const rows = dependencies.map((
    { name, version, licence = "none given", use },
  ) => [name, version, licence, use]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ")).join("\n");
}

function nameOf(key: string): string {
  return key.replace(/(?<=.)@.*$/, "");
}

/** Without the peer dependencies: `1.6.3_hono@4.13.19`. */
function versionOf(key: string): string {
  return key.slice(nameOf(key).length + 1).replace(/_.*$/, "");
}

async function licenceOf(name: string, version: string): Promise<string | undefined> {
  const folder = `node_modules/.deno/${name.replace("/", "+")}@${version}/node_modules/${name}`;
  const { license } = await readJson(`${folder}/package.json`) as { license?: unknown };
  return typeof license === "string" ? license : undefined;
}

/** The bare specifiers that files of src import, without tests. */
async function specifiersOfSources(): Promise<Set<string>> {
  const found = new Set<string>();
  const visit = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))) {
      if (isDirectory) await visit(`${folder}${name}/`);
      else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) {
        const source = await read(`${folder}${name}`);
        for (const [, specifier] of source.matchAll(/(?:\bfrom|\bimport\(|^import)\s*"([^"./][^"]*)"/gm)) {
          found.add(specifier);
        }
      }
    }
  };
  await visit("src/");
  return found;
}

const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));
const readJson = async (path: string): Promise<unknown> => JSON.parse(await read(path));
const print = (text: string) => Deno.stdout.write(new TextEncoder().encode(`${text}\n`));

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    await print(USAGE);
    return 0;
  }
  const unknown = args.find((arg) => arg !== "--offline");
  if (unknown !== undefined) {
    await print(`unknown option ${unknown}\n${USAGE}`);
    return 2;
  }
  const all = [...await packages(), ...await builtIn()];
  await print(listing(all));
  const open = doubtful(all);
  await print(
    open.length === 0
      ? `\n${all.length} dependencies, every licence accepted`
      : `\nLicences to look at: ${open.map(({ name }) => name).join(", ")}`,
  );
  await print(`\nFetched by tiro models, where they are used:\n${listing(fetched())}\n`);
  if (args.includes("--offline")) return open.length === 0 ? 0 : 1;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: ["audit"], cwd: ROOT })
    .output();
  const output = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  const outcome = auditOutcome(code, output);
  if (outcome === "none") await print("Known advisories: none");
  else if (outcome === "found") await print(`Known advisories:\n${output}`);
  else {
    await print(
      `Known advisories: NOT KNOWN, the npm registry could not be reached\n${
        output.match(/^error: .*/m)?.[0] ?? ""
      }`,
    );
  }
  if (open.length > 0 || outcome === "found") return 1;
  return outcome === "unreachable" ? 3 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

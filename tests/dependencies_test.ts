/** The part of scripts/dependencies that asks nobody. */
import assert from "@std/assert";
import {
  auditOutcome,
  builtIn,
  type Dependency,
  doubtful,
  fetched,
  listing,
  packages,
} from "../scripts/dependencies.ts";

const named = (all: readonly Dependency[], name: string) => all.filter((one) => one.name === name);

Deno.test("Every package of deno.lock is listed with its exact version, its licence, and who uses it", async () => {
  const lock = JSON.parse(await Deno.readTextFile(new URL("../deno.lock", import.meta.url)));
  const all = await packages();
  assert.equal(all.length, Object.keys(lock.npm).length);
  for (const { name, version } of all) assert.match(version, /^\d+\.\d+\.\d+/, name);
  assert.deepEqual(named(all, "werift").map(({ licence, use }) => [licence, use]), [["MIT", "service"]]);
  assert.deepEqual(named(all, "debug").map(({ use }) => use), ["service"], "werift loads it");
  assert.deepEqual(named(all, "playwright-core").map(({ use }) => use), ["tests"]);
});

Deno.test("What the WebAssembly is built from is listed by its notices", async () => {
  const all = await builtIn();
  assert.deepEqual(named(all, "aes").map(({ licence }) => licence), ["MIT"]);
  assert.deepEqual(named(all, "subtle").map(({ licence }) => licence), ["BSD-3-Clause"]);
  assert.match(named(all, "libopus")[0].version, /^\d+\.\d+/);
});

Deno.test("What tiro models fetches is listed with its licences", () => {
  const all = fetched();
  assert.match(
    listing(all),
    /^sherpa-onnx-linux-x64 +1\.13\.8 +Apache-2\.0 AND GPL-3\.0-or-later AND MIT +models$/m,
  );
  assert.deepEqual(named(all, "moonshine-tiny-en").map(({ licence }) => licence), ["MIT"]);
  assert.ok(all.every(({ licence }) => licence !== undefined && licence !== ""));
});

Deno.test("Every licence is accepted; another one, or none, is to be looked at", async () => {
  assert.deepEqual(doubtful([...await packages(), ...await builtIn()]), []);
  const odd: Dependency[] = [
    { name: "copyleft", version: "1.0.0", licence: "GPL-3.0-only", use: "service" },
    { name: "silent", version: "1.0.0", licence: undefined, use: "tests" },
  ];
  assert.deepEqual(doubtful(odd), odd);
  assert.match(listing(odd), /^copyleft {2}1\.0\.0 {2}GPL-3\.0-only {2}service\nsilent .*none given/);
});

Deno.test("A registry that cannot be asked is not taken for one that knows of nothing", () => {
  assert.equal(auditOutcome(0, "No known vulnerabilities found\n"), "none");
  assert.equal(auditOutcome(1, "Found 2 vulnerabilities\nSeverity: 1 low, 1 high\n"), "found");
  assert.equal(
    auditOutcome(
      1,
      "error: error sending request for url (https://registry.example/): client error (Connect)\n",
    ),
    "unreachable",
  );
});

Deno.test("scripts/dependencies --offline lists and exits with 0; --help explains the exit codes", async () => {
  const run = async (...args: string[]) => {
    const { code, stdout } = await new Deno.Command("scripts/dependencies", {
      args,
      cwd: new URL("..", import.meta.url),
      stderr: "null",
    }).output();
    return [code, new TextDecoder().decode(stdout)] as const;
  };
  const [code, text] = await run("--offline");
  assert.equal(code, 0);
  assert.match(text, /^werift +\d+\.\d+\.\d+ +MIT +service$/m);
  const [helpCode, help] = await run("--help");
  assert.equal(helpCode, 0);
  assert.match(help, /--offline[\s\S]*Exit codes/);
  assert.equal((await run("--all"))[0], 2);
});

/**
 * How well the middle is neutral: a recogniser and a door of some sixty lines each are laid beside the sources, in a copy,
 * with a line each where the others are named. Nothing else is changed, and PCM is captioned through both.
 */
import assert from "@std/assert";
import { eventually } from "./world.ts";
import { ClaimedPorts } from "../fakes/ports.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const LINES_MAX = 60;
const WORDS = ["low", "high", "low"];
const RATE = 8_000;

/** Tones of half a second with pauses between: 16-bit PCM at 8 kHz. */
function tones(): Uint8Array<ArrayBuffer> {
  const samples: number[] = Array(RATE / 2).fill(0);
  for (const word of WORDS) {
    const hz = word === "low" ? 400 : 2_000;
    for (let at = 0; at < RATE / 2; at++) samples.push(9_000 * Math.sin(2 * Math.PI * hz * at / RATE));
    samples.push(...Array(RATE / 2).fill(0));
  }
  return new Uint8Array(Int16Array.from(samples).buffer);
}

async function copy(folder: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) await copy(`${folder}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${folder}/${name}`, `${to}/${name}`);
  }
}

/** Puts a line behind another one. */
async function addLine(file: string, behind: string, line: string): Promise<void> {
  const text = await Deno.readTextFile(file);
  assert.equal(text.split(behind).length, 2, `"${behind}" stands once in ${file}`);
  await Deno.writeTextFile(file, text.replace(behind, `${behind}\n${line}`));
}

async function laid(file: string, to: string): Promise<void> {
  const source = await Deno.readTextFile(`${ROOT}tests/integration/doors/${file}`);
  assert.ok(source.split("\n").length <= LINES_MAX + 1, `${file} is small`);
  await Deno.mkdir(to.slice(0, to.lastIndexOf("/")));
  await Deno.writeTextFile(to, source);
}

Deno.test("A recogniser and a door are a folder and a line each, and PCM is captioned through both", async () => {
  const tree = await Deno.makeTempDir();
  using ports = ClaimedPorts.claim();
  const port = ports.next();
  let service: Deno.ChildProcess | undefined;
  try {
    for (const name of ["src", "tests/fakes"]) await copy(`${ROOT}${name}`, `${tree}/${name}`);
    for (const name of ["main.ts", "deno.json", "deno.lock"]) {
      await Deno.copyFile(ROOT + name, `${tree}/${name}`);
    }
    await Deno.symlink(`${ROOT}node_modules`, `${tree}/node_modules`);

    await laid("provider.ts.txt", `${tree}/src/stt/whistle/provider.ts`);
    await addLine(
      `${tree}/src/stt/registry.ts`,
      "  pocketsphinx,",
      '  (await import("./whistle/provider.ts")).whistle,',
    );
    await laid("door.ts.txt", `${tree}/src/recording/mod.ts`);
    await addLine(
      `${tree}/src/app.ts`,
      "...rooms ? [talkRoutes({ rooms, translations, version, ...parts })] : [],",
      '      (await import("./recording/mod.ts")).recordingDoor(parts),',
    );

    const deno = (...args: string[]) => ({ args, cwd: tree, stdout: "piped", stderr: "piped" } as const);
    const checked = await new Deno.Command(Deno.execPath(), deno("check", "main.ts")).output();
    assert.ok(checked.success, new TextDecoder().decode(checked.stderr));
    const help = await new Deno.Command(Deno.execPath(), deno("run", "-A", "main.ts", "help")).output();
    assert.match(new TextDecoder().decode(help.stdout), /WHISTLE_HIGH_HZ \(default 1000\)/);

    service = new Deno.Command(Deno.execPath(), {
      ...deno("run", "-A", "main.ts", "serve"),
      stdout: "null",
      stderr: "inherit",
      env: {
        ...{ STT_PROVIDER: "whistle", WHISTLE_HIGH_HZ: "1200", PORT: String(port), MEDIA_WORKERS: "1" },
        ...{ LT_HPB_URL: "http://127.0.0.1:1", LT_INTERNAL_SECRET: "a secret of 16 characters" },
        ...{ NEXTCLOUD_URL: "http://127.0.0.1:1", LOG_LEVEL: "warn" },
      },
    }).spawn();
    const base = `http://127.0.0.1:${port}`;
    const isUp = () => fetch(`${base}/healthz`).then((answer) => answer.json()).then(() => true, () => false);
    await eventually("the service listens", isUp, 30_000);
    const answer = await fetch(`${base}/api/v1/recording`, { method: "POST", body: tones() });
    const { captions } = await answer.json();
    assert.deepEqual(captions.join(" ").split(" "), WORDS);
    const document = await (await fetch(`${base}/openapi.json`)).json();
    assert.ok("/api/v1/recording" in document.paths, "and the API's document has it");
  } finally {
    service?.kill("SIGTERM");
    await service?.status;
    await Deno.remove(tree, { recursive: true });
  }
});

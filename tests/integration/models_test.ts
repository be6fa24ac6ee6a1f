/** `tiro models` as an operator runs it: with the permissions of the executable, and through a proxy. */
import assert from "@std/assert";
import {
  bytesOf,
  DEFAULT_MODEL,
  filesOf,
  foldersOf,
  foundThings,
  modelOf,
  runtimeOf,
  SILERO_VAD,
} from "../../src/models/mod.ts";
import { makeCertificates } from "../fakes/certificates.ts";
import { FakeProxy } from "../fakes/proxy.ts";
import { startFlags } from "../load/start_flags.ts";

const ROOT = new URL("../../", import.meta.url);
const ENGLISH = modelOf(DEFAULT_MODEL);
const NEEDED = [runtimeOf(), SILERO_VAD, ENGLISH];
/** What scripts/test puts into .cache. */
const here = foundThings(NEEDED, foldersOf({})).filter(({ isInstalled }) => isInstalled);

interface Outcome {
  code: number;
  out: string;
  err: string;
}

/** With a data folder of its own, which nothing else is read from or written to. */
async function withModels(
  use: (
    models: (args: string[], env?: Record<string, string>) => Promise<Outcome>,
    folder: string,
  ) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tiro-models" });
  const run = async (args: string[], env: Record<string, string> = {}): Promise<Outcome> => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", ...startFlags([folder]), "--quiet", "main.ts", "models", ...args],
      cwd: ROOT,
      env: { TIRO_DATA_DIR: folder, NO_COLOR: "1", ...env },
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, out: text(stdout), err: text(stderr) };
  };
  try {
    await use(run, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The hosts of the catalogue on loopback, with the files in .cache. Each request is in `asked`. */
function downloadHosts(asked: string[], tls: { cert: string; key: string }) {
  const files = new Map(
    here.flatMap(({ thing, folder }) =>
      filesOf(thing).flatMap(([, { name, urls }]) => urls.map((url) => [url, `${folder}/${name}`] as const))
    ),
  );
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {}, ...tls }, async (request) => {
    const { hostname, pathname } = new URL(request.url);
    asked.push(`${hostname} ${pathname.split("/").at(-1)}`);
    if (hostname === "huggingface.co") {
      return new Response(null, {
        status: 302,
        headers: { Location: `https://files.example.org/${hostname}${pathname}` },
      });
    }
    const address = hostname === "files.example.org"
      ? `https:/${pathname}`
      : `https://${hostname}${pathname}`;
    const path = files.get(address);
    // Its limit for large files.
    if (path === undefined || (hostname === "cdn.jsdelivr.net" && path.endsWith("libonnxruntime.so"))) {
      return new Response("not here", { status: 403 });
    }
    return new Response((await Deno.open(path)).readable);
  });
}

Deno.test("Without arguments the models are listed; wrong ones and faults have their exit codes", async () => {
  await withModels(async (models, folder) => {
    const [list, french, none, verify, remove, unknown, option, command, wrongFile, help] = await Promise.all(
      [
        models([]),
        models(["list", "fr_FR"]),
        models(["list", "tlh"]),
        models(["verify"]),
        models(["remove", ENGLISH.id]),
        models(["download", "moonshine"]),
        models(["verify", "--quick"]),
        models(["fetch"]),
        models(["download"], { LT_CA_CERTS: `${folder}/nothing.pem` }),
        models(["--help"]),
      ],
    );
    assert.equal(list.code, 0, list.err);
    assert.match(
      list.out,
      /^MODEL +LANGUAGES +SIZE +SPEED +LICENCE +HERE\nmoonshine-tiny-en +en +44 MB +fast +MIT\n/,
    );
    assert.ok(list.out.split("\n\n")[0].split("\n").every((line) => line.length <= 80), list.out);
    assert.ok(list.out.includes(`Models are in ${folder}/models; the voice detector is not installed.`));
    assert.ok(list.out.includes("Runtime: not installed"));
    assert.match(french.out, /^MODEL.*\nkroko-fr /);
    assert.doesNotMatch(french.out, /moonshine/);
    assert.deepEqual([none.code, none.err], [
      1,
      'No model has the language "tlh"; it takes a code such as fr, and "tiro models" lists them\n',
    ]);
    assert.deepEqual([verify.code, verify.err], [1, 'nothing is installed\nRun "tiro models download"\n']);
    assert.deepEqual([remove.code, remove.err.includes("it is not there")], [1, true]);
    assert.deepEqual([unknown.code, unknown.err.includes('"tiro models" lists them')], [64, true]);
    for (const { code, err } of [option, command]) {
      assert.equal(code, 64);
      assert.match(err, /^tiro models: .*; "tiro models --help" describes them\n$/);
    }
    assert.equal(wrongFile.code, 78);
    assert.match(wrongFile.err, /LT_CA_CERTS names a file that does not exist/);
    assert.equal(help.code, 0);
    assert.match(help.out, /^Usage: tiro models \[list[^]+TIRO_DATA_DIR[^]+Exit codes:\n {2}0 /);
  });
});

Deno.test("A folder outside the permissions is named as that", async () => {
  await withModels(async (models) => {
    const [{ code, err }, added] = await Promise.all([
      models(["download"], { TIRO_DATA_DIR: "/srv/tiro" }),
      models(["add", "/etc/hostname"]),
    ]);
    assert.deepEqual([code, added.code], [1, 1]);
    assert.equal(
      added.err,
      "Cannot read /etc/hostname: Tiro has no permission there; copy it into /var/lib/tiro first\n",
    );
    assert.match(
      err,
      /^Cannot write \/srv\/tiro\/.*: Tiro has no permission there; TIRO_DATA_DIR and STT_MODEL_DIR/,
    );
  });
});

Deno.test({
  name: "A model and what it needs is downloaded through a proxy, verified, damaged, repaired and removed" +
    (here.length < NEEDED.length ? " (scripts/test installs the models)" : ""),
  ignore: here.length < NEEDED.length,
  async fn() {
    const hosts = [
      "huggingface.co",
      "files.example.org",
      "cdn.jsdelivr.net",
      "unpkg.com",
      "download.moonshine.ai",
    ];
    const { ca, cert, key } = await makeCertificates(hosts.map((host) => `DNS:${host}`).join(","));
    const asked: string[] = [];
    await using server = downloadHosts(asked, { cert, key });
    await using proxy = new FakeProxy({
      hosts: Object.fromEntries(hosts.map((host) => [host, server.addr.port])),
      credentials: "operator:pass",
    });
    await withModels(async (models, folder) => {
      await Deno.writeTextFile(`${folder}/ca.pem`, ca);
      const env = { HTTPS_PROXY: proxy.url, LT_CA_CERTS: `${folder}/ca.pem` };
      const first = await models(["download"], env);
      assert.equal(first.code, 0, first.err);
      assert.equal(first.err, "cdn.jsdelivr.net: status 403; trying another address\n");
      assert.match(first.out, /^downloading sherpa-onnx-1\.13\.8-linux-\w+, 3\d MB, to /);
      assert.match(first.out, /\nmoonshine-tiny-en\/decoder_model_merged\.ort 25 % of 30 MB\n/);
      assert.match(first.out, /\nmoonshine-tiny-en\/tokens\.txt 100 % of 1 MB\n$/);
      assert.ok(asked.includes("unpkg.com libonnxruntime.so"));
      assert.ok(asked.includes("files.example.org encoder_model.ort"));
      assert.ok(!first.out.includes("pass") && !first.err.includes("pass"));

      const verified = await models(["verify", ENGLISH.id]);
      assert.deepEqual([verified.code, verified.err], [0, ""]);
      assert.equal(verified.out, `${runtimeOf().id}: ok\nsilero-vad-v5: ok\nmoonshine-tiny-en: ok\n`);
      assert.match((await models([])).out, /moonshine-tiny-en .* yes\n/);

      const path = `${folder}/models/moonshine-tiny-en/encoder_model.ort`;
      const damaged = await Deno.open(path, { write: true });
      await damaged.write(new TextEncoder().encode("damaged"));
      damaged.close();
      const faulty = await models(["verify"]);
      assert.equal(faulty.code, 1);
      assert.equal(
        faulty.err,
        'moonshine-tiny-en: encoder_model.ort has the wrong checksum\nRun "tiro models download moonshine-tiny-en"\n',
      );
      asked.length = 0;
      const repaired = await models(["download"], env);
      assert.equal(repaired.code, 0, repaired.err);
      assert.deepEqual(asked, ["huggingface.co encoder_model.ort", "files.example.org encoder_model.ort"]);
      assert.equal((await models(["verify"])).code, 0);

      const copy = await Deno.makeTempDir({ dir: folder });
      const added = await models(["add", folder], { TIRO_DATA_DIR: copy });
      assert.equal(added.code, 0, added.err);
      assert.equal(added.out, NEEDED.map(({ id }) => `added ${id}\n`).join(""));

      assert.equal((await models(["remove", ENGLISH.id])).out, "removed moonshine-tiny-en\n");
      assert.equal((await models(["verify", ENGLISH.id])).code, 1);
    });
    assert.ok(proxy.asked.length >= 5 && proxy.asked.every((line) => line.startsWith("CONNECT ")));
    assert.ok(
      NEEDED.reduce((sum, thing) => sum + bytesOf(thing), 0) < 100_000_000,
      "it is in every run of the tests",
    );
  },
});

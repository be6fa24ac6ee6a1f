import assert from "@std/assert";
import { tgz, zip } from "./archives_testing_test.ts";
import { sourceAt } from "./sources.ts";

const text = (value: string) => new TextEncoder().encode(value);
const LONG = text("abcdefgh".repeat(40_000));
const ENTRIES = [
  ["package/a.txt", text("first")],
  ["package/empty", text("")],
  ["package/folder/long.bin", LONG],
  ["package/b.txt", text("second")],
] as const;

async function* contents(path: string): AsyncGenerator<string> {
  for await (const file of (await sourceAt(path))()) {
    let content = "";
    for await (const piece of file.content()) content += new TextDecoder().decode(piece);
    assert.equal(content.length, file.bytes);
    yield content === new TextDecoder().decode(LONG) ? "long" : content;
  }
}

async function withFile(
  name: string,
  content: Uint8Array,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tiro-sources" });
  try {
    await Deno.writeFile(`${folder}/${name}`, content);
    await use(`${folder}/${name}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("The files of an npm package and of a wheel are read, stored and deflated ones", async () => {
  for (const [name, content] of [["p.tgz", await tgz(ENTRIES)], ["p.whl", await zip(ENTRIES)]] as const) {
    await withFile(name, content, async (path) => {
      assert.deepEqual(await Array.fromAsync(contents(path)), ["first", "", "long", "second"], name);
    });
  }
});

Deno.test("Files whose content nobody reads are passed over", async () => {
  await withFile("p.tgz", await tgz(ENTRIES), async (path) => {
    const source = await sourceAt(path);
    for (let time = 0; time < 2; time++) {
      assert.deepEqual(await Array.fromAsync(source(), ({ bytes }) => bytes), [5, 0, 320_000, 6]);
    }
  });
});

Deno.test("A folder is read with those inside it, in the order of the names and through links to files, and a single file too", async () => {
  await withFile("b", text("b"), async (path) => {
    const folder = path.slice(0, -2);
    await Deno.mkdir(`${folder}/a`);
    await Deno.writeTextFile(`${folder}/a/z`, "z");
    await Deno.symlink(path, `${folder}/c`);
    await Deno.symlink(folder, `${folder}/d`);
    await Deno.symlink("nowhere", `${folder}/e`);
    assert.deepEqual(await Array.fromAsync(contents(folder)), ["z", "b", "b"]);
    assert.deepEqual(await Array.fromAsync(contents(path)), ["b"]);
  });
});

Deno.test("A cut or foreign archive is an error, and so is a path to nothing", async () => {
  const whole = { "p.tgz": await tgz(ENTRIES), "p.zip": await zip(ENTRIES) };
  for (const [name, content] of Object.entries(whole)) {
    for (
      const bad of [
        content.subarray(0, content.length - 40),
        content.subarray(0, 60),
        text("no archive"),
        text(""),
      ]
    ) {
      await withFile(name, bad, async (path) => {
        await assert.rejects(Array.fromAsync(contents(path)), {
          code: "source",
          message: /is no whole archive/,
        });
      });
    }
  }
  const changed = whole["p.zip"].map((byte, at) => at === 0 ? 0 : byte);
  await withFile("p.zip", changed, async (path) => {
    await assert.rejects(Array.fromAsync(contents(path)), { code: "source" });
  });
  // The directory says another size of the last file, which has 6 bytes.
  const directory = whole["p.zip"].findLastIndex((_, at, all) =>
    all.subarray(at, at + 4).join() === "80,75,1,2"
  );
  for (const bytes of [4, 7]) {
    const lying = whole["p.zip"].slice();
    lying[directory + 24] = bytes;
    await withFile("p.zip", lying, async (path) => {
      await assert.rejects(Array.fromAsync(contents(path)), { code: "source" });
    });
  }
  await assert.rejects(sourceAt("/nowhere/p.tgz"), {
    code: "source",
    message: "Cannot read /nowhere/p.tgz: there is no such file or folder",
  });
});

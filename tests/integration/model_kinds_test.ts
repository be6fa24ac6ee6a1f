/** The runtime reads every file of every kind of model from the configuration that src/models makes. */
import assert from "@std/assert";
import { foldersOf, foundThings, runtimeOf } from "../../src/models/mod.ts";

const isInstalled = foundThings([runtimeOf()], foldersOf({})).some(({ isInstalled }) => isInstalled);

Deno.test({
  name: "The runtime looks for each file of each kind of model" +
    (isInstalled ? "" : " (scripts/test installs the runtime)"),
  ignore: !isInstalled,
  async fn() {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", new URL("model_kinds.ts", import.meta.url).pathname],
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(stderr);
    assert.equal(code, 0, text);
    const [before, ...parts] = text.split(/^-- /m);
    assert.equal(before, "");
    const kinds = new Set<string>();
    for (const part of parts) {
      const [, kind, name] = part.match(/^(\w+) \w+ (\S+)\n/) ?? [];
      kinds.add(kind);
      // Its own words, with the path.
      assert.match(part, new RegExp(`/${name.replaceAll(".", "\\.")}' does not exist`), part);
    }
    assert.deepEqual([...kinds].toSorted(), [
      "moonshine",
      "nemo_transducer",
      "omnilingual",
      "online_transducer",
      "sense_voice",
      "whisper",
    ]);
    assert.equal(parts.length, 3 + 4 + 2 + 4 + 2 + 3);
  },
});

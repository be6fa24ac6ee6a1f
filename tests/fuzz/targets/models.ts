/** Archives from which models are added, and the tokenizer in them. */
import fc from "fast-check";
import { TiroError } from "../../../src/domain/mod.ts";
import { tgz, zip } from "../../../src/models/archives_testing_test.ts";
import { sourceAt } from "../../../src/models/mod.ts";
import { tokensOf } from "../../../src/models/tokens.ts";
import { defineTarget } from "../batch.ts";
import { mutatedBytes } from "../mutations.ts";

const ENTRIES = [
  ["package/a", new TextEncoder().encode("weights of a model ".repeat(20))],
  ["package/b", new TextEncoder().encode("tokens")],
  ["package/empty", new Uint8Array()],
] as const;
const TAR = new Uint8Array(
  await new Response(new Blob([await tgz(ENTRIES)]).stream().pipeThrough(new DecompressionStream("gzip")))
    .arrayBuffer(),
);
const ZIP = await zip(ENTRIES);

async function gzipped(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([Uint8Array.from(bytes)]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export const models = defineTarget({
  name: "models",
  about: "archives of models: files have the size that is said, or the archive is refused as that",
  inputs: fc.oneof(
    fc.record({ kind: fc.constant("tgz"), bytes: mutatedBytes([TAR]) }),
    fc.record({ kind: fc.constant("zip"), bytes: mutatedBytes([ZIP]) }),
    fc.record({
      kind: fc.constant("tokens"),
      bytes: mutatedBytes([Uint8Array.of(1, 97, 3, 98, 99, 100, 129, 1)]),
    }),
  ),
  async open() {
    const folder = await Deno.makeTempDir({ prefix: "tiro-fuzz" });
    return {
      async run({ kind, bytes }) {
        if (kind === "tokens") {
          try {
            tokensOf(bytes);
          } catch (error) {
            if (!(error instanceof Error && /ends within an entry/.test(error.message))) throw error;
          }
          return;
        }
        const path = `${folder}/p.${kind}`;
        await Deno.writeFile(path, kind === "tgz" ? await gzipped(bytes) : bytes);
        try {
          for await (const { bytes, content } of (await sourceAt(path))()) {
            let length = 0;
            for await (const piece of content()) length += piece.length;
            if (length !== bytes) throw new Error(`A file of ${bytes} bytes has ${length}`);
          }
        } catch (error) {
          if (!(error instanceof TiroError && error.code === "source")) throw error;
        }
      },
      close: () => Deno.remove(folder, { recursive: true }),
    };
  },
});

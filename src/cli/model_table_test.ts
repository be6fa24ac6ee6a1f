import assert from "@std/assert";
import { DownloadProgress } from "./download_progress.ts";
import { modelTable, sizeText } from "./model_table.ts";
import { MODELS } from "../models/mod.ts";

const [english] = MODELS;

Deno.test("The table has a line for each model, and more for those of many languages", () => {
  const many = {
    ...english,
    id: "many",
    languages: ["ar", "br", "ca", "cs", "de", "en", "eo", "es", "fa", "fr"],
    measured: false,
    licence: "Apache-2.0",
  };
  const rows = [{ model: english, isHere: "yes" as const }, { model: many, isHere: "" as const }];
  assert.deepEqual(modelTable(rows), [
    "MODEL              LANGUAGES              SIZE  SPEED   LICENCE     HERE",
    "moonshine-tiny-en  en                    44 MB  fast    MIT         yes",
    "many               ar br ca cs de en eo  44 MB  fast *  Apache-2.0",
    "                   es fa fr",
  ]);
});

Deno.test("Sizes are in units that people use", () => {
  assert.deepEqual([1, 44_493_180, 999_400_000, 1_612_000_000].map(sizeText), [
    "1 MB",
    "44 MB",
    "999 MB",
    "1.6 GB",
  ]);
});

const step = (bytes: number, bytesTotal = 40_000_000) => ({ of: "m", file: "e.onnx", bytes, bytesTotal });

Deno.test("On a terminal one line is drawn again, ten times a second at most, with rate and time left", () => {
  const progress = new DownloadProgress(true);
  const shown = (bytes: number, nowMs: number) =>
    progress.receive(step(bytes), nowMs)?.replace("\r", "<").replace("\x1b[K", ">");
  assert.equal(shown(0, 0), "<m/e.onnx    0 % of 40 MB  >");
  assert.equal(shown(1_000_000, 50), undefined);
  assert.equal(shown(10_000_000, 1_000), "<m/e.onnx   25 % of 40 MB  10.0 MB/s, 3 s left>");
  assert.equal(shown(10_100_000, 100_000), "<m/e.onnx   25 % of 40 MB  0.1 MB/s, 5 min left>");
  assert.equal(shown(40_000_000, 100_001), "<m/e.onnx  100 % of 40 MB>\n");
});

Deno.test("Elsewhere a line follows each quarter of a large file, and the end of any", () => {
  const progress = new DownloadProgress(false);
  const lines = [0, 9, 10, 11, 20, 39, 40].map((mb) => progress.receive(step(mb * 1e6), mb));
  assert.deepEqual(lines, [
    undefined,
    undefined,
    "m/e.onnx 25 % of 40 MB\n",
    undefined,
    "m/e.onnx 50 % of 40 MB\n",
    "m/e.onnx 97 % of 40 MB\n",
    "m/e.onnx 100 % of 40 MB\n",
  ]);
  assert.equal(progress.receive({ ...step(5, 10), file: "small" }, 0), undefined);
  assert.equal(progress.receive({ ...step(10, 10), file: "small" }, 0), "m/small 100 % of 1 MB\n");
});

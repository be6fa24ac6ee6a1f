import assert from "@std/assert";
import { download, type Progress } from "./download.ts";
import { faultsOf } from "./locate.ts";
import type { Model } from "./model.ts";
import {
  bytesOfText,
  fileOf,
  moonshine,
  MOONSHINE_CONTENTS,
  namesIn,
  temporaryFolders,
  TOKENIZER,
  TOKENS,
  voiceDetector,
} from "./things_testing_test.ts";

/** A server of models on this machine; `hinder` may answer in place of it. */
function modelServer(
  contents: Readonly<Record<string, Uint8Array<ArrayBuffer>>>,
  hinder: (request: Request, count: number) => Response | undefined = () => undefined,
) {
  const requests: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const range = request.headers.get("range");
    assert.equal(request.headers.get("user-agent"), "tiro");
    const name = new URL(request.url).pathname.slice(1);
    requests.push(range === null ? name : `${name} ${range}`);
    const hindered = hinder(request, requests.length);
    if (hindered) return hindered;
    const content = contents[name];
    if (!content) return new Response("not found", { status: 404 });
    const start = Number(range?.match(/^bytes=(\d+)-$/)?.[1] ?? 0);
    return new Response(content.subarray(start), {
      status: range === null ? 200 : 206,
      headers: range === null ? {} : {
        "Content-Range": `bytes ${start}-${content.length - 1}/${content.length}`,
      },
    });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const signal = new AbortController().signal;
const LARGE = new Uint8Array(3_000_000).map((_, at) => at % 251);

/** One file of 3 MB, at these addresses. */
function large(...urls: string[]): Model {
  return voiceDetector({ ...fileOf("large.onnx", LARGE), urls });
}

Deno.test("A model is downloaded with progress, and nothing is fetched twice", async () => {
  await using folders = await temporaryFolders();
  const contents = Object.entries(MOONSHINE_CONTENTS).map(([name, text]) => [name, bytesOfText(text)]);
  await using server = modelServer(Object.fromEntries([...contents, ["tokens.txt", bytesOfText(TOKENS)]]));
  const model = moonshine(server.url);
  const progress: Progress[] = [];
  const options = { folders, signal, onProgress: (step: Progress) => progress.push(step) };
  assert.equal(await download(model, options), true);
  const folder = `${folders.models[0]}/moonshine-test`;
  assert.deepEqual(await faultsOf(model, folder), []);
  assert.equal(await Deno.readTextFile(`${folder}/tokens.txt`), TOKENS);
  assert.deepEqual(await namesIn(folder), ["decoder.ort", "encoder.ort", "tokens.txt"]);
  assert.deepEqual(progress.map(({ of, file, bytes, bytesTotal }) => [of, file, bytes, bytesTotal]), [
    ["moonshine-test", "encoder.ort", 11, 11],
    ["moonshine-test", "decoder.ort", 12, 12],
    ["moonshine-test", "tokens.txt", 14, 14],
  ]);
  assert.equal(await download(model, options), false);
  await Deno.writeTextFile(`${folder}/decoder.ort`, "damaged");
  assert.equal(await download(model, options), true);
  assert.deepEqual(server.requests, ["encoder.ort", "decoder.ort", "tokens.txt", "decoder.ort"]);
});

Deno.test("A file that no address has is made of the one it can be made of, which is not kept", async () => {
  await using folders = await temporaryFolders();
  const contents = Object.entries(MOONSHINE_CONTENTS).map(([name, text]) => [name, bytesOfText(text)]);
  await using server = modelServer(Object.fromEntries([...contents, ["tokenizer.bin", TOKENIZER]]));
  const failures: string[] = [];
  const model = moonshine(server.url);
  await download(model, { folders, signal, onFailure: (where) => failures.push(where) });
  const folder = `${folders.models[0]}/moonshine-test`;
  assert.deepEqual(await faultsOf(model, folder), []);
  assert.deepEqual(await namesIn(folder), ["decoder.ort", "encoder.ort", "tokens.txt"]);
  assert.deepEqual(failures, ["moonshine-test"]);
});

Deno.test("A connection lost half-way is continued where it stopped", async () => {
  await using folders = await temporaryFolders();
  await using server = modelServer({ "large.onnx": LARGE }, (_, count) => {
    if (count > 1) return undefined;
    const half = ReadableStream.from([LARGE.slice(0, 1_000_000)]);
    return new Response(half); // chunked: its end looks like the file's
  });
  const model = large(`${server.url}/large.onnx`);
  await assert.rejects(download(model, { folders, signal }), {
    code: "download",
    message: /^Cannot download large\.onnx of detector: 127\.0\.0\.1: .*ended early.*"tiro models add"$/,
  });
  const folder = `${folders.models[0]}/detector`;
  assert.deepEqual(await namesIn(folder), ["large.onnx.part"]);
  await download(model, { folders, signal });
  assert.deepEqual(server.requests, ["large.onnx", "large.onnx bytes=1000000-"]);
  assert.deepEqual(await faultsOf(model, folder), []);
  assert.deepEqual(await namesIn(folder), ["large.onnx"]);
});

Deno.test("A server that does not continue sends all of it, and a wrong part is replaced", async () => {
  await using folders = await temporaryFolders();
  const folder = `${folders.models[0]}/detector`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeFile(`${folder}/large.onnx.part`, LARGE.subarray(0, 500));
  await using whole = modelServer({}, () => new Response(LARGE));
  await download(large(`${whole.url}/large.onnx`), { folders, signal });
  assert.deepEqual(whole.requests, ["large.onnx bytes=500-"]);
  assert.deepEqual(await faultsOf(large(), folder), []);

  await Deno.remove(`${folder}/large.onnx`);
  await Deno.writeTextFile(`${folder}/large.onnx.part`, "of another revision");
  await using server = modelServer({ "large.onnx": LARGE });
  await download(large(`${server.url}/large.onnx`), { folders, signal });
  assert.deepEqual(server.requests, ["large.onnx bytes=19-", "large.onnx"]);
  assert.deepEqual(await faultsOf(large(), folder), []);
});

Deno.test("Another address is tried after a missing file, wrong content, or too much of it", async () => {
  for (const wrong of [LARGE.toReversed(), new Uint8Array(LARGE.length + 1), undefined]) {
    await using folders = await temporaryFolders();
    await using bad = modelServer(wrong ? { "large.onnx": wrong } : {});
    await using good = modelServer({ "large.onnx": LARGE });
    const failures: string[] = [];
    await download(large(`${bad.url}/large.onnx`, `${good.url}/large.onnx`), {
      folders,
      signal,
      onFailure: (host, error) => failures.push(`${host}: ${error instanceof Error ? error.message : ""}`),
    });
    assert.equal(failures.length, 1);
    assert.match(failures[0], wrong ? /another content|sends more/ : /^127\.0\.0\.1: status 404$/);
    assert.deepEqual(good.requests, ["large.onnx"]);
    assert.deepEqual(await namesIn(`${folders.models[0]}/detector`), ["large.onnx"]);
  }
});

Deno.test("Wrong content everywhere is an error that names the hosts, and leaves nothing", async () => {
  await using folders = await temporaryFolders();
  await using bad = modelServer({ "large.onnx": LARGE.toReversed() });
  const failed = download(large(`${bad.url}/large.onnx`), { folders, signal });
  await assert.rejects(failed, { code: "download", message: /127\.0\.0\.1: .*another content/ });
  assert.deepEqual(await namesIn(`${folders.models[0]}/detector`), []);
});

Deno.test("An aborted download leaves only a part, from which the next one continues", async () => {
  await using folders = await temporaryFolders();
  const controller = new AbortController();
  await using server = modelServer({ "large.onnx": LARGE });
  const model = large(`${server.url}/large.onnx`, `${server.url}/large.onnx`);
  const aborted = download(model, {
    folders,
    signal: controller.signal,
    onProgress: () => controller.abort(new Error("enough")),
  });
  await assert.rejects(aborted, /^Error: enough$/);
  assert.equal(server.requests.length, 1);
  const folder = `${folders.models[0]}/detector`;
  assert.deepEqual(await namesIn(folder), ["large.onnx.part"]);
  await download(model, { folders, signal });
  assert.match(server.requests[1], /^large\.onnx bytes=\d+-$/);
  assert.deepEqual(await faultsOf(model, folder), []);
});

Deno.test("A folder that cannot be written ends it at the first address", async () => {
  await using folders = await temporaryFolders();
  await Deno.writeTextFile(folders.models[0], "a file, no folder");
  await using server = modelServer({ "large.onnx": LARGE });
  const urls = [`${server.url}/large.onnx`, `${server.url}/large.onnx`];
  await assert.rejects(download(large(...urls), { folders, signal }), /Cannot write .*large\.onnx: /);
  assert.deepEqual(server.requests, []);
});

import assert from "@std/assert";
import { placeFile } from "./place.ts";
import { bytesOfText, fileOf, namesIn, temporaryFolders } from "./things_testing_test.ts";

const CONTENT = bytesOfText("0123456789");
const FILE = fileOf("f.bin", CONTENT);

Deno.test("A file has its name only once it is whole and checked", async () => {
  await using folders = await temporaryFolders();
  const folder = `${folders.root}/new`;
  await placeFile(folder, FILE, async (part) => {
    assert.deepEqual(await namesIn(folder), ["f.bin.part"]);
    await part.write(CONTENT.subarray(0, 4));
    await part.write(CONTENT.subarray(4));
  });
  assert.deepEqual(await namesIn(folder), ["f.bin"]);
  assert.deepEqual(await Deno.readFile(`${folder}/f.bin`), CONTENT);
});

Deno.test("A short file is kept for the next attempt, which writes what is missing", async () => {
  await using folders = await temporaryFolders();
  const short = placeFile(folders.root, FILE, (part) => part.write(CONTENT.subarray(0, 4)));
  await assert.rejects(short, {
    code: "download",
    message: /ended early; run the command again to continue/,
  });
  assert.deepEqual(await namesIn(folders.root), ["f.bin.part"]);
  await placeFile(folders.root, FILE, async (part) => {
    assert.equal(part.bytes, 4);
    await part.write(CONTENT.subarray(4));
  });
  assert.deepEqual(await Deno.readFile(`${folders.root}/f.bin`), CONTENT);
});

Deno.test("What an aborted attempt leaves has not the file's name", async () => {
  await using folders = await temporaryFolders();
  const aborted = placeFile(folders.root, FILE, async (part) => {
    await part.write(CONTENT.subarray(0, 4));
    throw new DOMException("enough", "AbortError");
  });
  await assert.rejects(aborted, /enough/);
  assert.deepEqual(await namesIn(folders.root), ["f.bin.part"]);
});

Deno.test("Wrong content is removed, and so is what is too long", async () => {
  await using folders = await temporaryFolders();
  const wrong = placeFile(folders.root, FILE, (part) => part.write(CONTENT.toReversed()));
  await assert.rejects(wrong, { code: "content", message: /another content than the catalogue says/ });
  assert.deepEqual(await namesIn(folders.root), []);
  const long = placeFile(folders.root, FILE, async (part) => {
    await part.write(CONTENT);
    await part.write(CONTENT);
  });
  await assert.rejects(long, { code: "content", message: /sends more than the catalogue says/ });
  await Deno.writeTextFile(`${folders.root}/f.bin.part`, "longer than the file is");
  await placeFile(folders.root, FILE, async (part) => {
    assert.equal(part.bytes, 0);
    await part.write(CONTENT);
  });
  assert.deepEqual(await Deno.readFile(`${folders.root}/f.bin`), CONTENT);
});

Deno.test("A wrong file leaves the whole one that was there", async () => {
  await using folders = await temporaryFolders();
  await Deno.writeFile(`${folders.root}/f.bin`, CONTENT);
  await assert.rejects(placeFile(folders.root, FILE, (part) => part.write(CONTENT.toReversed())));
  assert.deepEqual(await Deno.readFile(`${folders.root}/f.bin`), CONTENT);
});

Deno.test("Two at once do not write one file", async () => {
  await using folders = await temporaryFolders();
  await placeFile(folders.root, FILE, async (part) => {
    const second = placeFile(folders.root, FILE, () => assert.fail("wrote"));
    await assert.rejects(second, { code: "folder", message: /another process is writing it/ });
    await part.write(CONTENT);
  });
});

Deno.test("A full disk is an error that says so, and nothing of the file stays", async () => {
  await using folders = await temporaryFolders();
  const full = placeFile(folders.root, FILE, async (part) => {
    await part.write(CONTENT.subarray(0, 4));
    await Deno.writeFile("/dev/full", CONTENT);
  });
  await assert.rejects(full, { code: "folder", message: /the disk is full; the file needs 10 bytes$/ });
  assert.deepEqual(await namesIn(folders.root), []);
});

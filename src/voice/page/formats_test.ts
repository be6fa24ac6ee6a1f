import assert from "@std/assert";
import { possibleFormats } from "./formats.js";

Deno.test("The best format a browser records is first, and PCM is always possible", () => {
  const records = (...formats: string[]) => (mimeType: string) =>
    formats.includes(mimeType.slice("audio/".length).replace(";codecs=opus", ""));
  assert.deepEqual(possibleFormats(records("webm")), ["webm", "pcm"]);
  assert.deepEqual(possibleFormats(records("ogg", "webm")), ["webm", "ogg", "pcm"]);
  assert.deepEqual(possibleFormats(records("mp4")), ["pcm"]);
});

/**
 * The beginnings of what MediaRecorder sends of a tone, in `recordings`: Chromium 156 and Firefox 153, which sends Ogg as
 * well. Bytes as they came; the last packet may be cut off.
 */
import assert from "@std/assert";
import { OggDemuxer } from "../../src/audio/containers/ogg.ts";
import { WebmDemuxer } from "../../src/audio/containers/webm.ts";
import { OpusDecoder } from "../../src/audio/opus.ts";

const RECORDINGS = [
  { file: "chromium.webm", packets: 16, packetMs: 60, firstMs: 0 },
  { file: "firefox.webm", packets: 25, packetMs: 20, firstMs: 6 },
  { file: "firefox.ogg", packets: 38, packetMs: 20, firstMs: 0 },
];

for (const { file, packets, packetMs, firstMs } of RECORDINGS) {
  Deno.test(`${file}: each packet in time, and the tone`, async () => {
    const bytes = await Deno.readFile(new URL(`recordings/${file}`, import.meta.url));
    const read = (file.endsWith("webm") ? new WebmDemuxer() : new OggDemuxer()).receive(bytes);
    assert.equal(read.length, packets);
    read.forEach(({ timestampMs }, index) => {
      if (timestampMs !== undefined) assert.equal(timestampMs, firstMs + index * packetMs);
    });
    using decoder = new OpusDecoder(16_000);
    let loudest = 0;
    for (const { payload } of read) {
      const samples = decoder.decode(payload);
      assert.equal(samples?.length, packetMs * 16);
      for (const sample of samples!) loudest = Math.max(loudest, sample);
    }
    assert.ok(loudest > 0.05 && loudest < 1, `${loudest}`);
  });
}

/** Containers as ffmpeg writes them are read as ffprobe reads them: each packet, its size and its time. */
import assert from "@std/assert";
import { OggDemuxer } from "../../src/audio/containers/ogg.ts";
import { WebmDemuxer } from "../../src/audio/containers/webm.ts";
import { ContainerVoice } from "../../src/audio/container_voice.ts";
import { wordsOf } from "../../src/audio/testing_test.ts";
import { AudioLedger, type PcmFrame } from "../../src/domain/mod.ts";
import { padded } from "../fakes/speech.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { TONE_WORDS, toneSpeech } from "../fakes/tones.ts";

const WORDS = TONE_WORDS.slice(0, 5);
const RATE = 48_000;
const OPUS = ["-c:a", "libopus", "-b:a", "64k"];
const PICTURE = ["-f", "lavfi", "-i", "testsrc=size=640x480:rate=10"];

interface Written {
  name: string;
  container: "webm" | "ogg";
  inputs?: string[];
  output: string[];
}

const FILES: readonly Written[] = [
  ...[2.5, 5, 10, 20, 40, 60, 80, 100, 120].map((ms) => ({
    name: `WebM, packets of ${ms} ms`,
    container: "webm" as const,
    output: [...OPUS, "-frame_duration", `${ms}`, "-f", "webm", "-live", "1"],
  })),
  {
    name: "WebM with stereo, seek head and cues, from a file",
    container: "webm",
    output: [...OPUS, "-ac", "2", "-f", "webm", "-cues_to_front", "1"],
  },
  {
    name: "WebM with video first",
    container: "webm",
    inputs: PICTURE,
    output: [
      "-map",
      "1",
      "-map",
      "0",
      ...OPUS,
      "-c:v",
      "libvpx",
      "-b:v",
      "1M",
      "-shortest",
      "-f",
      "webm",
      "-live",
      "1",
    ],
  },
  { name: "Matroska", container: "webm", output: [...OPUS, "-f", "matroska"] },
  ...[20_000, 200_000, 1_000_000].map((us) => ({
    name: `Ogg, pages of ${us / 1_000} ms`,
    container: "ogg" as const,
    output: [...OPUS, "-f", "ogg", "-page_duration", `${us}`],
  })),
  {
    name: "Ogg, packets of 120 ms, stereo, 256 kbit/s",
    container: "ogg",
    output: [...OPUS, "-b:a", "256k", "-ac", "2", "-frame_duration", "120", "-f", "ogg"],
  },
];

async function isInstalled(): Promise<boolean> {
  try {
    return (await new Deno.Command("ffprobe", { args: ["-version"], stdout: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Debian package ffmpeg. */
const ignore = !await isInstalled();

async function run(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, stdin: "null" }).output();
  const text = new TextDecoder();
  assert.ok(success, text.decode(stderr));
  return text.decode(stdout);
}

async function write({ inputs = [], output }: Written, path: string): Promise<Uint8Array> {
  const { samples } = padded(toneSpeech(WORDS, { sampleRateHz: RATE }), 500, 1_500);
  await Deno.writeFile(`${path}.raw`, new Uint8Array(samples.buffer));
  const raw = ["-f", "f32le", "-ar", `${RATE}`, "-ac", "1", "-i", `${path}.raw`];
  await run("ffmpeg", ["-v", "error", "-y", ...raw, ...inputs, ...output, path]);
  return await Deno.readFile(path);
}

/** Size and time of each packet of the first audio stream. */
async function probed(path: string): Promise<{ bytes: number; ms: number }[]> {
  const shown = ["-show_entries", "packet=pts_time,size", "-of", "csv=p=0"];
  const lines = await run("ffprobe", ["-v", "error", "-select_streams", "a:0", ...shown, path]);
  const packets = lines.split("\n").filter((line) => /^-?\d.*,\d/.test(line)); // others are of the pre-skip
  return packets.map((line) => {
    const [time, bytes] = line.split(",").map(Number);
    return { bytes, ms: 1_000 * time };
  });
}

for (const written of FILES) {
  Deno.test({
    name: `${written.name}: ffprobe's packets, and the words`,
    ignore,
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "tiro-containers-" });
      try {
        const path = `${folder}/written`;
        const bytes = await write(written, path);
        const packets = (written.container === "webm" ? new WebmDemuxer() : new OggDemuxer()).receive(bytes);
        const expected = await probed(path);
        assert.deepEqual(packets.map(({ payload }) => payload.length), expected.map((each) => each.bytes));
        const offsetMs = packets[0].timestampMs! - expected[0].ms; // ffprobe's are without the pre-skip
        packets.forEach(({ timestampMs }, index) => {
          if (timestampMs === undefined) return;
          const offMs = timestampMs - expected[index].ms - offsetMs;
          assert.ok(Math.abs(offMs) <= 2, `packet ${index} is ${offMs} ms off`);
        });
        assert.deepEqual(spoken(written.container, bytes), WORDS);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

/** In parts, as they are recorded. */
function spoken(container: "webm" | "ogg", bytes: Uint8Array): string[] {
  using voice = new ContainerVoice({
    ...{ container, sampleRateHz: 16_000, chunkMs: 200, ledger: new AudioLedger(), meter: new FakeMeter() },
  });
  const chunks: PcmFrame[] = [];
  const take = () => {
    for (let chunk = voice.chunks.take(() => 1); chunk; chunk = voice.chunks.take(() => 1)) {
      chunks.push(chunk);
    }
  };
  const durationMs = 500 + WORDS.length * 340 + 1_500;
  const step = 700;
  for (let at = 0; at < bytes.length; at += step) {
    voice.receive(
      { bytes: bytes.slice(at, at + step) },
      durationMs * Math.min(1, (at + step) / bytes.length),
    );
    take();
  }
  voice.flush();
  take();
  return wordsOf(chunks).map(({ word }) => word);
}

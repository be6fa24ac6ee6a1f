/** How the package's decoder fails: at the limit, and after a trap. */
import assert from "@std/assert";
import { encodeOpus, readSpeech } from "../../tests/fakes/speech.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import { AudioLedger } from "../domain/mod.ts";
import { OpusDecoder } from "./opus.ts";
import { chooseOpus, DecoderSource } from "./opus_choice.ts";
import { RtpVoice } from "./rtp_voice.ts";

const { memory, PackageDecoder } = await loadPackage();
const nextTask = () => new Promise((resolve) => setTimeout(resolve, 0));

/** The package does not export its memory: this takes it from the instance as it is made. */
async function loadPackage() {
  const { instantiate } = WebAssembly;
  let memory: WebAssembly.Memory | undefined;
  const capture = async (bytes: BufferSource, imports?: WebAssembly.Imports) => {
    const made = await instantiate(bytes, imports);
    memory = Object.values(made.instance.exports).find((value) => value instanceof WebAssembly.Memory);
    return made;
  };
  Object.assign(WebAssembly, { instantiate: capture });
  try {
    const { PackageDecoder } = await import("./opus_package.ts");
    return { memory: memory!, PackageDecoder };
  } finally {
    WebAssembly.instantiate = instantiate;
  }
}

/** Where the only mono decoder of a rate keeps its state (libopus' OpusDecoder: two offsets, channels, rate, channels). */
function stateOf(rateHz: number): number {
  const words = new Int32Array(memory.buffer);
  const found = words.findIndex((word, at) =>
    word === rateHz && words[at - 1] === 1 && words[at + 1] === 1 && words[at + 3] === rateHz
  );
  assert.ok(found > 0);
  return 4 * (found - 3);
}

Deno.test("4,096 decoders of the package can be open, one more is refused, and what was refused leaves none open", async () => {
  await chooseOpus("libopus-wasm");
  try {
    using open = new DisposableStack();
    using source = new DecoderSource(24_000);
    const all = Array.from({ length: 4_095 }, () => open.use(new PackageDecoder(24_000)));
    const refused = { name: "RangeError", message: "Cannot decode Opus: too many decoders are open" };
    assert.throws(() => new PackageDecoder(24_000), refused);
    assert.throws(() => source.take(), refused);
    const voice = () =>
      new RtpVoice({
        sampleRateHz: 24_000,
        chunkMs: 200,
        ledger: new AudioLedger(),
        meter: new FakeMeter(),
        takeDropped: () => 0,
      });
    for (const free of [1, 2]) { // a voice needs three
      all.pop()![Symbol.dispose]();
      assert.throws(voice, refused);
      const rest = Array.from({ length: free }, () => new PackageDecoder(24_000));
      assert.throws(() => new PackageDecoder(24_000), refused);
      for (const decoder of rest) decoder[Symbol.dispose]();
    }
    all.pop()![Symbol.dispose]();
    open.use(voice());
    assert.throws(() => new PackageDecoder(24_000), refused);
  } finally {
    await chooseOpus("built-in");
  }
  await nextTask(); // those that were still being opened are freed
});

for (const canFree of [true, false]) {
  Deno.test(`A decoder of the package that traps, and ${canFree ? "is" : "cannot be"} freed, is replaced, and another one goes on`, async () => {
    const packets = (await encodeOpus(await readSpeech("hello_rms"))).slice(0, 60);
    const rateHz = canFree ? 12_000 : 8_000;
    using ours = new OpusDecoder(rateHz);
    const wanted = packets.map((packet) => ours.decode(packet)?.slice());
    using oursToo = new OpusDecoder(24_000);
    const wantedOfOther = packets.map((packet) => oursToo.decode(packet)?.slice());
    using broken = new PackageDecoder(rateHz);
    using other = new PackageDecoder(24_000);
    await nextTask();
    assert.deepEqual(other.decode(packets[0]), wantedOfOther[0]);
    assert.deepEqual(broken.decode(packets[0]), wanted[0]);
    const state = stateOf(rateHz);
    // The first four of its 18 KB; and where free() must trap, the size that malloc keeps before them.
    new Uint8Array(memory.buffer, state + 8, 4_096).fill(0xff);
    if (!canFree) new Uint32Array(memory.buffer)[state / 4 - 1] = 0x7fff_fff3;
    assert.equal(broken.decode(packets[1]), undefined);
    assert.equal(broken.decode(packets[2]), undefined); // it is being replaced
    assert.deepEqual(broken.conceal(20), new Float32Array(rateHz / 50));
    await nextTask();
    assert.deepEqual(packets.map((packet) => broken.decode(packet)), wanted);
    assert.deepEqual(packets.slice(1).map((packet) => other.decode(packet)), wantedOfOther.slice(1));
  });
}

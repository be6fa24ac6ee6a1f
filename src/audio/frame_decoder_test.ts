import assert from "@std/assert";
import type { CodedFrame } from "../domain/mod.ts";
import { FrameDecoder } from "./frame_decoder.ts";
import type { PacketDecoder, Samples } from "./opus.ts";

/** Writes down what it is asked; packets that begin with 0 are no Opus. */
class Scripted implements PacketDecoder {
  readonly calls: string[] = [];
  decode(payload: Uint8Array): Samples | undefined {
    this.calls.push("decode");
    return payload[0] === 0 ? undefined : new Float32Array(480).fill(0.1);
  }
  conceal(durationMs: number): Samples {
    this.calls.push(`conceal ${durationMs}`);
    return new Float32Array(24 * durationMs).fill(0.2);
  }
  recover(_next: Uint8Array, durationMs: number): Samples {
    this.calls.push(`recover ${durationMs}`);
    return new Float32Array(24 * durationMs).fill(0.3);
  }
  [Symbol.dispose](): void {
    this.calls.push("dispose");
  }
}

function setup() {
  const decoder = new Scripted();
  const frames = new FrameDecoder(decoder, 24_000);
  const out: string[] = [];
  let startMs = 0;
  const emit = ({ kind }: CodedFrame, samples: Samples, origin: string) =>
    void out.push(`${kind} ${origin} ${samples.length} ${samples[0].toFixed(1)}`);
  /** "coded", "dtx", "broken", "lost", or ms of silence. */
  const take = (...script: (string | number)[]) => {
    for (const item of script) {
      const durationMs = typeof item === "number" ? item : 20;
      const rest = { startMs, durationMs, receivedAtMs: 0 };
      const payload = item === "dtx"
        ? Uint8Array.of(8)
        : item === "broken"
        ? new Uint8Array(9)
        : Uint8Array.of(8, 1, 1, 1);
      const frame: CodedFrame = item === "lost"
        ? { kind: "lost", ...rest }
        : typeof item === "number"
        ? { kind: "silence", ...rest }
        : { kind: "coded", payload, ...rest };
      frames.settle(frame, emit);
      frames.fill(frame, emit);
      startMs += durationMs;
    }
  };
  return { decoder, frames, out, emit, take };
}

Deno.test("Each frame becomes samples of its own length, in order", () => {
  const { out, take } = setup();
  take("coded", "dtx", 50, "coded");
  assert.deepEqual(out, [
    "coded decoded 480 0.1",
    "coded empty 480 0.0",
    "silence empty 1200 0.0",
    "coded decoded 480 0.1",
  ]);
});

Deno.test("A lost packet waits for the next, and is recovered from it", () => {
  const { decoder, out, take } = setup();
  take("coded", "lost");
  assert.equal(out.length, 1);
  take("coded");
  assert.deepEqual(out.slice(1), ["lost missing 480 0.3", "coded decoded 480 0.1"]);
  assert.deepEqual(decoder.calls, ["decode", "recover 20", "decode"]);
});

Deno.test("What cannot be recovered is concealed for 100 ms, then zeros", () => {
  const { frames, out, emit, take } = setup();
  take("coded", "broken", "lost", "dtx", "lost", "lost", "lost", "lost");
  frames.settle(undefined, emit);
  assert.deepEqual(out.slice(1), [
    "coded missing 480 0.2",
    "lost missing 480 0.2",
    "coded empty 480 0.0",
    "lost missing 480 0.2",
    "lost missing 480 0.2",
    "lost missing 480 0.2",
    "lost missing 480 0.0",
  ]);
});

Deno.test("Before the first packet of a voice there is nothing to conceal from", () => {
  const { decoder, frames, out, take } = setup();
  take("lost", "dtx");
  assert.deepEqual(out[0], "lost missing 480 0.0");
  take("coded", "lost");
  frames.begin();
  take("coded");
  assert.deepEqual(decoder.calls, ["decode", "decode"], "a packet lost before the voice is not filled");
  frames.fade();
  frames[Symbol.dispose]();
  assert.deepEqual(decoder.calls.slice(2), ["conceal 120", "dispose"]);
});

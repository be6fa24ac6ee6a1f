/** Voice decoders and the audio they are given, decoded or scripted. */
import assert from "@std/assert";
import { AudioLedger, type CodedFrame, type PcmFrame } from "../domain/mod.ts";
import { OpusDecoder, type PacketDecoder, type Samples } from "./opus.ts";
import { type EmitAudio, VoiceDecoder } from "./voice_decoder.ts";

export const RATE = 24_000;

/** A decoder that counts its calls. */
class Counted implements PacketDecoder {
  decoded = 0;
  concealed = 0;
  recovered = 0;
  constructor(private readonly inner: PacketDecoder) {}
  decode(payload: Uint8Array): Samples | undefined {
    this.decoded++;
    return this.inner.decode(payload);
  }
  conceal(durationMs: number): Samples {
    this.concealed++;
    return this.inner.conceal(durationMs);
  }
  recover(next: Uint8Array, durationMs: number): Samples {
    this.recovered++;
    return this.inner.recover(next, durationMs);
  }
  [Symbol.dispose](): void {
    this.inner[Symbol.dispose]();
  }
}

/** Decodes a packet to the level its second byte says, in -dBFS, and writes down what it was asked. */
class Scripted implements PacketDecoder {
  readonly calls: string[] = [];
  decode(payload: Uint8Array): Samples {
    this.calls.push(`decode ${-payload[1]}`);
    return new Float32Array(480).fill(10 ** (-payload[1] / 20));
  }
  conceal(durationMs: number): Samples {
    this.calls.push(`conceal ${durationMs}`);
    return new Float32Array(480).fill(0.5);
  }
  recover(next: Uint8Array, durationMs: number): Samples {
    this.calls.push(`recover ${durationMs} from ${-next[1]}`);
    return new Float32Array(480).fill(0.5);
  }
  [Symbol.dispose](): void {
    this.calls.push("dispose");
  }
}

export function scripted(options: { voiceTailMs?: number } = {}) {
  const ledger = new AudioLedger();
  const [main, probe] = [new Scripted(), new Scripted()];
  const decoder = new VoiceDecoder({ sampleRateHz: RATE, ledger, ...options }, { main, probe });
  const { received, flushed } = recorder(decoder);
  let startMs = 0;
  /** Takes levels in dBFS; "lost", "dtx" or a number of ms of silence as text. */
  const receive = (...script: (number | string)[]) =>
    script.flatMap((item) => {
      const frame = typeof item === "number"
        ? timeline([Uint8Array.of(8, -item, 0, 0)], startMs)[0]
        : item === "lost"
        ? lost(timeline([new Uint8Array(9)], startMs)[0])
        : item === "dtx"
        ? timeline([Uint8Array.of(8)], startMs)[0]
        : silence(startMs, Number(item));
      startMs += frame.durationMs;
      return received(frame);
    });
  return { decoder, ledger, main, probe, receive, flushed };
}

/** What a decoder emits, copied. */
export function recorder(decoder: VoiceDecoder) {
  const recorded = (run: (emit: EmitAudio) => void): PcmFrame[] => {
    const out: PcmFrame[] = [];
    run((audio) => out.push({ ...audio, samples: audio.samples.slice() }));
    return out;
  };
  return {
    received: (frame: CodedFrame) => recorded((emit) => decoder.receive(frame, emit)),
    flushed: () => recorded((emit) => decoder.flush(emit)),
  };
}

export function opened(options: { voiceTailMs?: number } = {}) {
  const ledger = new AudioLedger();
  const main = new Counted(new OpusDecoder(RATE));
  const probe = new Counted(new OpusDecoder(RATE));
  const decoder = new VoiceDecoder({ sampleRateHz: RATE, ledger, ...options }, { main, probe });
  const { received, flushed } = recorder(decoder);
  const receive = (frames: readonly CodedFrame[]) => frames.flatMap(received);
  return {
    decoder,
    ledger,
    main,
    probe,
    receive,
    flushed,
    [Symbol.dispose]: () => decoder[Symbol.dispose](),
  };
}

/** Packets of 20 ms on a timeline from `startMs`. */
export function timeline(payloads: readonly Uint8Array[], startMs = 0): (CodedFrame & { kind: "coded" })[] {
  return payloads.map((payload, i) => ({
    kind: "coded",
    startMs: startMs + 20 * i,
    durationMs: 20,
    payload,
    receivedAtMs: 5_000 + startMs + 20 * i,
  }));
}

export const lost = ({ startMs, durationMs, receivedAtMs }: CodedFrame): CodedFrame => ({
  kind: "lost",
  startMs,
  durationMs,
  receivedAtMs,
});

export function silence(startMs: number, durationMs: number): CodedFrame {
  return { kind: "silence", startMs, durationMs, receivedAtMs: 5_000 + startMs };
}

export const endMs = (frame: PcmFrame) => frame.startMs + frame.samples.length * 1_000 / frame.sampleRateHz;

export function assertContiguous(frames: readonly PcmFrame[]): void {
  for (let i = 1; i < frames.length; i++) {
    if (!frames[i - 1].endOfVoice) assert.ok(Math.abs(frames[i].startMs - endMs(frames[i - 1])) < 0.01);
    else assert.ok(frames[i].startMs >= endMs(frames[i - 1]) - 0.01);
  }
}

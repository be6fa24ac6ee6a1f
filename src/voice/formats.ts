/** The formats of audio, in the spellings that clients have for them. */
import type { SourceOptions } from "../domain/mod.ts";
import { VoiceFault } from "./codes.ts";

export type AudioSource = SourceOptions<"pcm"> | SourceOptions<"container">;

/** Of audio before `start`, and where `start` names nothing else. */
const DEFAULT_RATE_HZ = 16_000;
export const DEFAULT_SOURCE: AudioSource = {
  kind: "pcm",
  format: { encoding: "s16le", sampleRateHz: DEFAULT_RATE_HZ, channels: 1 },
};

const RATE_MIN_HZ = 8_000;
const RATE_MAX_HZ = 96_000;
/** Rates convert to that of the recogniser by a fraction with few terms: see audio/resampler.ts. */
const RATE_STEP_HZ = 50;
const OTHER_RATES_HZ: readonly number[] = [11_025];

const SPELLINGS: Readonly<Record<string, "s16le" | "f32le" | "webm" | "ogg">> = {
  s16le: "s16le",
  pcm_s16le: "s16le",
  pcm16: "s16le",
  linear16: "s16le",
  f32le: "f32le",
  pcm_f32le: "f32le",
  float32: "f32le",
  webm: "webm",
  "webm/opus": "webm",
  ogg: "ogg",
  "ogg/opus": "ogg",
};

export interface AskedFormat {
  format?: string | null;
  sampleRate?: number | null;
  channels?: number | null;
}

/** Throws VoiceFault "format_unsupported". A container says itself what it holds: rate and channels are not read. */
export function sourceOf({ format, sampleRate, channels }: AskedFormat): AudioSource {
  const kind = format == null ? "s16le" : formatOf(format);
  if (kind === "webm" || kind === "ogg") return { kind: "container", container: kind };
  const sampleRateHz = sampleRate ?? DEFAULT_RATE_HZ;
  if (!isRate(sampleRateHz)) {
    refuse(
      `sampleRate: must be ${RATE_MIN_HZ} to ${RATE_MAX_HZ} Hz and a multiple of ${RATE_STEP_HZ}, or 11025`,
    );
  }
  if (channels != null && channels !== 1 && channels !== 2) refuse("channels: must be 1 or 2");
  return { kind: "pcm", format: { encoding: kind, sampleRateHz, channels: channels ?? 1 } };
}

/** For logs. */
export function nameOf(source: AudioSource): string {
  if (source.kind === "container") return source.container;
  const { encoding, sampleRateHz, channels } = source.format;
  return `${encoding} ${sampleRateHz} Hz x ${channels}`;
}

/** Of one sample of all channels; 1 for a container. */
export function blockBytes(source: AudioSource): number {
  if (source.kind === "container") return 1;
  return (source.format.encoding === "s16le" ? 2 : 4) * source.format.channels;
}

/** `audio/webm;codecs=opus` is `webm`. */
function formatOf(spelling: string): "s16le" | "f32le" | "webm" | "ogg" {
  const [name, ...parameters] = spelling.toLowerCase().replaceAll(/["'\s]/g, "").split(";");
  const plain = name.replace(/^(audio|video)\//, "");
  const codec = parameters.find((each) => each.startsWith("codecs="))?.slice("codecs=".length);
  if (!Object.hasOwn(SPELLINGS, plain) || (codec !== undefined && codec !== "opus")) {
    return refuse("format: must be s16le, f32le, webm or ogg (the last two with Opus)");
  }
  return SPELLINGS[plain];
}

function isRate(hz: number): boolean {
  if (!Number.isInteger(hz) || hz < RATE_MIN_HZ || hz > RATE_MAX_HZ) return false;
  return hz % RATE_STEP_HZ === 0 || OTHER_RATES_HZ.includes(hz);
}

function refuse(message: string): never {
  throw new VoiceFault("format_unsupported", message);
}

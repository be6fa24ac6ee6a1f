/** Opus packets of 20 ms: a voice, silence, and what is short or made of several. */
import { encodeOpus } from "../../fakes/speech.ts";
import { TONE_WORDS, toneSpeech } from "../../fakes/tones.ts";

const all = await encodeOpus(toneSpeech(TONE_WORDS.slice(0, 4)));

export const VOICE: readonly Uint8Array[] = all.slice(10, 60);

/** An Opus packet of several of 20 ms (RFC 6716, section 3.2.5). */
function packed(payloads: readonly Uint8Array[]): Uint8Array {
  const frames = payloads.map((payload) => payload.subarray(1));
  const lengths = frames.slice(0, -1).flatMap(({ length }) =>
    length < 252 ? [length] : [252 + (length & 3), (length - 252 - (length & 3)) / 4]
  );
  const all = [
    payloads[0][0] & 0xfc | 3,
    0x80 | frames.length,
    ...lengths,
    ...frames.flatMap((frame) => [...frame]),
  ];
  return Uint8Array.from(all);
}

/** Six frames of 20 ms, the most there can be; twelve frames of 10 ms, two frames of unequal length, one byte, one frame of 2.5 ms, and none. */
export const OPUS: readonly Uint8Array[] = [
  ...VOICE.slice(0, 20),
  ...(await encodeOpus({ samples: new Float32Array(4_800), sampleRateHz: 48_000 }, { dtx: true })),
  Uint8Array.from([VOICE[0][0] & 0xfc | 3, 6, ...VOICE[0].subarray(1), ...VOICE[0].subarray(1)]),
  Uint8Array.from([VOICE[0][0] & 0xfc | 2, 20, ...VOICE[0].subarray(1)]),
  packed(VOICE.slice(20, 26)),
  Uint8Array.from([0xe3, 48, ...new Uint8Array(200)]),
  Uint8Array.from([0x83, 0xff, ...new Uint8Array(100)]),
  Uint8Array.of(0xf8),
  Uint8Array.of(0xe0, 1, 2, 3, 4, 5),
];

/**
 * A stretch of the soak: speech-to-text stops reading, as a process that is stopped does. Resident memory is looked at
 * each second, after a collection, and told as a slope: what is held while nobody reads is held once, and may not grow
 * with time. Then it reads again, and captions come.
 */
import { type LoadScene, pause } from "./load_scene.ts";
import { type Slope, slopeOf } from "./slope.ts";

/** By then what a stall holds is held: ten seconds of audio on its way, and what waits behind it. */
const FILLED_S = 15;
/** A stall is shorter than the service takes a connection for dead. */
export const STALL_S_MAX = 70;
export const STALL_S_MIN = FILLED_S + 10;
const CAPTION_TIMEOUT_MS = 30_000;
const WORDS_TIMEOUT_S = 20;
const LOOK_EVERY_MS = 50;

export interface StallResults {
  seconds: number;
  speakers: number;
  /** From before the stall to its end. */
  heldBytes: number;
  /** Bytes a minute, once what a stall holds is held. */
  rssSlope: Slope;
  /** From reading again to the first caption, ms; undefined when none came. */
  captionAfterMs?: number;
  sessionsLost: number;
}

export async function stall(scene: LoadScene, seconds: number): Promise<StallResults> {
  const { service } = scene;
  const heldBytes = async () => {
    await service.collectGarbage();
    return service.residentBytes();
  };
  const sessions = async () => (await scene.metrics()).counters(["tiro_stt_sessions_total"]);
  const lost = (counts: Record<string, number>) =>
    Object.values(counts).reduce((sum, count) => sum + count, 0);
  // Sessions without a word are tested elsewhere: each sends one a second.
  const wordsWanted = (await scene.sttNumbers()).words + 2 * scene.speakers;
  for (let at = 0; at < WORDS_TIMEOUT_S && (await scene.sttNumbers()).words < wordsWanted; at++) {
    await pause(1_000);
  }
  const [beforeBytes, lostBefore] = [await heldBytes(), lost(await sessions())];
  scene.stopStt();
  const samples: { x: number; y: number }[] = [];
  try {
    for (let second = 1; second <= seconds; second++) {
      await pause(1_000);
      samples.push({ x: second / 60, y: await heldBytes() });
    }
  } finally {
    scene.resumeStt();
  }
  const resumedMs = performance.now();
  const seen = scene.hpb.transcripts;
  while (scene.hpb.transcripts === seen && performance.now() - resumedMs < CAPTION_TIMEOUT_MS) {
    await pause(LOOK_EVERY_MS);
  }
  const captionAfterMs = scene.hpb.transcripts > seen ? performance.now() - resumedMs : undefined;
  return {
    seconds,
    speakers: scene.speakers,
    heldBytes: samples.at(-1)!.y - beforeBytes,
    rssSlope: slopeOf(samples.slice(FILLED_S)),
    captionAfterMs,
    sessionsLost: lost(await sessions()) - lostBefore,
  };
}

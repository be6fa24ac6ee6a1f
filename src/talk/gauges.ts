/** What the calls show when metrics are scraped. */
import { type Meter, SPEAKER_TROUBLES, type SpeakerTrouble } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";
import type { Joining } from "./joining.ts";
import type { Room } from "./room.ts";

export interface GaugedCalls {
  /** Those being captioned. */
  rooms(): readonly Room[];
  /** How many participants asked for captions, in their call or not. */
  wanted(): number;
  /** How many wait to be brought back. */
  lost(): number;
  joining: Joining;
}

/** Registers the gauges; the scope takes them out again. */
export function gaugeCalls(meter: Meter, scope: Scope, { rooms, wanted, lost, joining }: GaugedCalls): void {
  const gauge = (name: string, help: string, read: () => number) => scope.use(meter.gauge(name, help, read));
  gauge("tiro_rooms_lost", "Calls lost with the HPB and tried again", lost);
  gauge("transcription_rooms_active", "Calls being captioned", () => rooms().length);
  gauge("transcription_speakers_active", "Speakers in these calls", () => sumOf(rooms(), "speakerCount"));
  gauge("tiro_speakers_heard", "Speakers whose audio arrives", () => sumOf(rooms(), "heardCount"));
  gauge("tiro_listeners", "Listeners who are in their call", () => sumOf(rooms(), "listenerCount"));
  gauge("tiro_listeners_wanted", "Participants who asked for captions, in their call or not", wanted);
  gauge("tiro_joins_waiting", "Speakers in line for an offer", () => joining.waiting);
  gauge("tiro_joins_under_way", "Speakers being subscribed to", () => joining.underWay);
  scope.use(
    meter.gaugeBy("tiro_speakers_in_trouble", "Speakers who cannot be captioned now", "reason", () => ({
      ...Object.fromEntries(SPEAKER_TROUBLES.map((trouble) => [trouble, 0])),
      ...troublesIn(rooms()),
    })),
  );
}

export function sumOf(
  rooms: readonly Room[],
  count: "speakerCount" | "heardCount" | "listenerCount" | "wantedCount",
): number {
  let sum = 0;
  for (const room of rooms) sum += room[count];
  return sum;
}

/** Why speakers cannot be captioned now, with how many they are; empty while all can. */
export function troublesIn(rooms: readonly Room[]): Partial<Record<SpeakerTrouble, number>> {
  const troubles = {};
  for (const room of rooms) room.addTroubles(troubles);
  return troubles;
}

/**
 * Whose words a SIP bridge's audio is. The bridge (an internal session) publishes what all its callers say as one
 * stream; a caller is a virtual session without audio of its own, and nothing tells whose virtual session it is. So it
 * is certain who speaks only while there is one bridge and one caller. Pure.
 */
import type { Caption } from "../domain/mod.ts";
import { isInCall, type Participant, speaks } from "./signaling/mod.ts";

/** Those who dialled in. */
export function callersOf(participants: Iterable<Participant>): Participant[] {
  return [...participants].filter((each) => each.virtual && isInCall(each));
}

/** Who speaks through this bridge, by session; the bridge itself where that is not certain. */
export function speakerOf(bridgeId: string, participants: Iterable<Participant>): string {
  const all = [...participants];
  const callers = callersOf(all);
  const bridges = all.filter((each) => each.internal && speaks(each));
  return callers.length === 1 && bridges.length === 1 ? callers[0].sessionId : bridgeId;
}

/** Names the captions of one bridge after who speaks. An utterance keeps the name it began with: readers see it grow. */
export class CallerNames {
  readonly #whoSpeaks: () => string;
  #utterance = -1;
  #speakerId = "";

  constructor(whoSpeaks: () => string) {
    this.#whoSpeaks = whoSpeaks;
  }

  name(caption: Caption): Caption {
    if (caption.revision === 0 || caption.utterance !== this.#utterance) {
      this.#utterance = caption.utterance;
      this.#speakerId = this.#whoSpeaks();
    }
    return { ...caption, speakerId: this.#speakerId };
  }
}

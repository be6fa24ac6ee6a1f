/**
 * Who speaks in a SIP bridge's audio. The bridge (an internal session) publishes the audio of all its callers as one
 * stream; a caller is a virtual session without audio, not linked to its bridge. So the speaker is certain only while
 * there is one bridge and one caller. Pure.
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

/** Sets the speaker of one bridge's captions; an utterance has one speaker, since its captions grow. */
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

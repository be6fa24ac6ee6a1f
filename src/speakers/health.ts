/** Why speakers are not captioned, or no new ones are taken: each code, with what it means to who runs the service. */
import type { Refusal, SpeakerTrouble } from "../domain/mod.ts";

export const SPEAKER_REASONS: Record<Refusal["code"] | SpeakerTrouble, string> = {
  memory: "memory is short: no new call or speaker is taken",
  descriptors: "file descriptors are few: no new call or speaker is taken; raise the limit of open files",
  speakers_max:
    "all places for speakers are taken (`MAX_SPEAKERS`, or 350 a media worker): raise `MAX_SPEAKERS` or `MEDIA_WORKERS`; " +
    "no new call or speaker is taken",
  not_connected: "somebody who speaks cannot be connected to; the log says what was seen and what to look at",
  no_media_worker: "somebody who speaks is not captioned: their media worker was lost, or all are full",
  recogniser_starting: "somebody's recogniser has not answered yet (a cold start)",
  recogniser_unreachable: "somebody's recogniser is out of reach",
  recogniser_refused: "the recogniser refuses the credentials or the request",
  recogniser_foreign: "the recogniser speaks another protocol; the log names the likely one",
  recogniser_failed: "somebody's recogniser fails session after session",
};

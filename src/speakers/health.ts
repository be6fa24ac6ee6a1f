/** Why speakers are not captioned or new ones are refused: what each code means to the operator. */
import type { Refusal, SpeakerTrouble } from "../domain/mod.ts";

export const SPEAKER_REASONS: Record<Refusal["code"] | SpeakerTrouble, string> = {
  memory: "memory is tight: new calls and speakers are refused",
  descriptors: "file descriptors are low: new calls and speakers are refused; raise the limit of open files",
  speakers_max:
    "the maximum of speakers is reached (`MAX_SPEAKERS`, or 350 a media worker): new calls and speakers are refused; " +
    "raise `MAX_SPEAKERS` or `MEDIA_WORKERS`",
  not_connected: "a speaker's audio cannot be received; the log has the cause and what to check",
  no_media_worker: "a speaker is not captioned: their media worker was lost, or all are full",
  recogniser_starting: "a speaker's recogniser has not responded yet (a cold start)",
  recogniser_unreachable: "a speaker's recogniser is unreachable",
  recogniser_refused: "the recogniser refuses the credentials or the request",
  recogniser_full:
    "more people talk at once than the recogniser can caption (of `local`: than this machine can, see `x-tiro-talkers`); " +
    "those it captions already stay",
  recogniser_foreign: "the recogniser uses another protocol; the log names the likely one",
  recogniser_failed: "a speaker's recogniser fails session after session",
};

/** Why /healthz says `degraded`: the codes of its header, and what each means to who runs the service. */
import type { HostFault, Refusal, SpeakerTrouble, TranslationTrouble } from "../domain/mod.ts";

/** Beside the status at /healthz. Not in the body, whose fields are those front ends know. */
export const DEGRADED_HEADER = "x-tiro-degraded";

type DegradedCode =
  | "signaling"
  | "signaling_refused"
  | Refusal["code"]
  | SpeakerTrouble
  | HostFault
  | TranslationTrouble;

const MEANINGS: Record<DegradedCode, string> = {
  signaling: "the HPB is out of reach",
  signaling_refused: "the HPB refuses the service; the log names the variable to look at",
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
  media_worker_stuck: "a media worker does not end: restart the service when no call needs it",
  translator_refused: "the translator refuses all captions, or some languages; the log says which and why",
  translator_unreachable: "the translator is out of reach, or fails: captions come in the language spoken",
};

/** A Markdown list of all codes. */
export const DEGRADED_CODES = Object.entries(MEANINGS)
  .map(([code, meaning]) => `- \`${code}\`: ${meaning}`).join("\n");

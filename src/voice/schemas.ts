/** The messages of the protocol as schemas, for checking what arrives and for docs/voice.asyncapi.json. */
import { z } from "@hono/zod-openapi";

const language = z.string().min(1).max(64).describe("A language id in any spelling: `de`, `de-DE`, `de_DE`");
const ms = z.number().describe("Ms of the audio sent");

export const start = z.object({
  type: z.literal("start"),
  language: language.nullish().describe("Spoken; default: the service's"),
  format: z.string().max(64).nullish().describe(
    "`s16le` (default), `f32le`, `webm` or `ogg`, the last two with Opus. The spelling of MediaRecorder, such as `audio/webm;codecs=opus`, is accepted too",
  ),
  sampleRate: z.number().nullish().describe("Of PCM, Hz: 8000 to 96000. Default 16000"),
  channels: z.number().nullish().describe("Of PCM: 1 (default), or 2, which are mixed"),
  transcript: z.boolean().nullish().describe("Whether to keep a transcript, where the operator permits it"),
});
const languageChange = z.object({ type: z.literal("language"), language });
export const stop = z.object({ type: z.literal("stop") });

/** By `type`. */
export const CLIENT_MESSAGES = { start, language: languageChange, stop };

const captionFields = {
  text: z.string().describe("Of the whole utterance so far"),
  language: z.string(),
  startMs: ms,
  endMs: ms,
  utterance: z.number().int().describe("Counts utterances from 0: a message replaces the one before it"),
};

/** By `type`. */
export const SERVER_MESSAGES = {
  ready: z.object({
    type: z.literal("ready"),
    session: z.string().describe("Random; the service's log has it"),
    language: z.string().describe("The recogniser's id of the language"),
    transcript: z.object({
      id: z.string(),
      key: z.string().optional().describe("Opens this one transcript, for viewers"),
    }).optional().describe("Where a transcript is kept: GET /api/v1/transcripts/{id}"),
  }),
  partial: z.object({ type: z.literal("partial"), ...captionFields }),
  final: z.object({ type: z.literal("final"), ...captionFields }),
  language: z.object({ type: z.literal("language"), language: z.string() }),
  status: z.object({
    type: z.literal("status"),
    code: z.string().describe("What keeps captions away now, or `captioning` once they come again"),
    message: z.string(),
  }),
  error: z.object({ type: z.literal("error"), code: z.string(), message: z.string() }),
  done: z.object({
    type: z.literal("done"),
    audioMs: z.number().optional().describe(
      "Audio taken, ms; absent for a container, whose duration is not known here",
    ),
  }),
};

export type ServerMessage = {
  [Type in keyof typeof SERVER_MESSAGES]: z.infer<(typeof SERVER_MESSAGES)[Type]>;
}[
  keyof typeof SERVER_MESSAGES
];

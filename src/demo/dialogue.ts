/** The demo's dialogue of two people. Speech synthesised by flite, see scripts/make-test-speech. */
import { readSpeech, type Speech, SPOKEN } from "../../tests/fakes/speech.ts";

export interface Line {
  speaker: "Anna" | "Ben";
  words: string;
  speech: Speech;
}

const SCRIPT = [
  ["Ben", "hello_rms"],
  ["Anna", "yes_slt"],
  ["Ben", "start_rms"],
  ["Anna", "garden_slt"],
  ["Ben", "weather_rms"],
] as const;

export function readDialogue(): Promise<Line[]> {
  return Promise.all(SCRIPT.map(async ([speaker, name]) => ({
    speaker,
    words: SPOKEN[name],
    speech: await readSpeech(name),
  })));
}

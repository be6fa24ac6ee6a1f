/** The speech-to-text providers, by their names in STT_PROVIDER. The first is the default. */
import { ConfigError, findProvider, type ProviderChoice, type SpeechToText } from "../domain/mod.ts";
import { deepgram } from "./deepgram/provider.ts";
import { kyutai } from "./kyutai/provider.ts";
import { local } from "./local/provider.ts";
import { modal } from "./modal/provider.ts";
import { openaiRealtime } from "./openai_realtime/provider.ts";
import { pocketsphinx } from "./pocketsphinx/provider.ts";
import { vosk } from "./vosk/provider.ts";
import { whisper } from "./whisper/provider.ts";
import { whisperWs } from "./whisper_ws/provider.ts";
import { whisperlive } from "./whisperlive/provider.ts";
import type { StartedStt, SttParts, SttProvider, SttStartParts } from "./provider.ts";

export const STT_PROVIDERS: readonly [SttProvider, ...SttProvider[]] = [
  local,
  modal,
  kyutai,
  deepgram,
  openaiRealtime,
  pocketsphinx,
  vosk,
  whisper,
  whisperWs,
  whisperlive,
];

/** Throws ConfigError that lists the known names. */
export function createSpeechToText({ provider, settings }: ProviderChoice, parts: SttParts): SpeechToText {
  const found = findProvider(STT_PROVIDERS, provider);
  if (found) return found.create(settings, parts);
  const names = STT_PROVIDERS.map(({ name }) => name);
  throw new ConfigError([{
    variable: "STT_PROVIDER",
    problem: `unknown provider; the known ones are ${names.join(", ")}`,
    example: names[0],
  }]);
}

/** Starts what each provider runs for the service. The choices for media workers have its settings. */
export async function startSpeechToText(
  choices: readonly ProviderChoice[],
  parts: SttStartParts,
): Promise<{ choices: ProviderChoice[]; started: StartedStt[] }> {
  const all = await Promise.all(choices.map(async (choice) => {
    const started = await findProvider(STT_PROVIDERS, choice.provider)?.start?.(choice.settings, parts);
    return { choice: started ? { ...choice, settings: started.settings } : choice, started };
  }));
  return {
    choices: all.map(({ choice }) => choice),
    started: all.flatMap(({ started }) => started ?? []),
  };
}

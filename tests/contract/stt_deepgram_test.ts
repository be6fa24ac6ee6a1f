import { FakeDeepgramServer } from "../fakes/stt_deepgram.ts";
import { sttContract } from "./stt_contract.ts";
import { onStandIns, providerWith } from "./stt_stand_ins.ts";

for (const [server, name] of [["deepgram", "Deepgram"], ["whisperlivekit", "WhisperLiveKit"]] as const) {
  sttContract({
    name,
    provider: "deepgram",
    languages: ["en", "fr"],
    stages: ["lost", "full", "unauthorized", "foreign"],
    start: () =>
      onStandIns({
        create: (DEEPGRAM_URL, DEEPGRAM_API_KEY = "key") =>
          providerWith("deepgram", { DEEPGRAM_URL, DEEPGRAM_API_KEY, DEEPGRAM_LANGUAGES: "en,fr" }),
        server: FakeDeepgramServer.start({ server, key: "key" }),
        full: FakeDeepgramServer.start({ server, status: 429 }),
        foreign: "vosk",
      }),
  });
}

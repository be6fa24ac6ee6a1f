import { FakeWhisperLiveServer } from "../fakes/stt_whisperlive.ts";
import { sttContract } from "./stt_contract.ts";
import { onStandIns, providerWith } from "./stt_stand_ins.ts";

sttContract({
  name: "WhisperLive",
  provider: "whisperlive",
  languages: ["en", "fr"],
  stages: ["lost", "full", "unauthorized", "foreign"],
  start: () =>
    onStandIns({
      create: (WHISPERLIVE_URL, WHISPERLIVE_API_KEY = "key") =>
        providerWith("whisperlive", { WHISPERLIVE_URL, WHISPERLIVE_API_KEY, WHISPERLIVE_LANGUAGES: "en,fr" }),
      server: FakeWhisperLiveServer.start({ key: "key" }),
      full: FakeWhisperLiveServer.start({ clients: 0 }),
      foreign: "vosk",
    }),
});

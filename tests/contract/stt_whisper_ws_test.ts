import { WHISPER_LANGUAGES } from "../../src/stt/languages.ts";
import { FakeWhisperWsServer } from "../fakes/stt_whisper_ws.ts";
import { sttContract } from "./stt_contract.ts";
import { onStandIns, providerWith } from "./stt_stand_ins.ts";

sttContract({
  name: "Whisper's WebSocket",
  provider: "whisper-ws",
  languages: WHISPER_LANGUAGES,
  stages: ["lost", "full", "unauthorized", "foreign"],
  start: () =>
    onStandIns({
      create: (WHISPER_SERVICE_URL, WHISPER_API_KEY = "key") =>
        providerWith("whisper-ws", { WHISPER_SERVICE_URL, WHISPER_API_KEY }),
      server: FakeWhisperWsServer.start({ key: "key", noDataMs: 200 }),
      full: FakeWhisperWsServer.start({ refuse: 503 }),
      foreign: "deepgram",
      unreachableUrl: "http://127.0.0.1:9",
    }),
});

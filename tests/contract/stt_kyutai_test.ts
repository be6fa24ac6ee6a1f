import { FakeMoshiServer } from "../fakes/stt_moshi.ts";
import { sttContract } from "./stt_contract.ts";
import { onStandIns, providerWith } from "./stt_stand_ins.ts";

sttContract({
  name: "Kyutai's moshi-server",
  provider: "kyutai",
  languages: ["en", "fr"],
  stages: ["lost", "full", "unauthorized", "foreign"],
  start: () =>
    onStandIns({
      create: (url, key = "key") => providerWith("kyutai", { KYUTAI_URL: url, KYUTAI_API_KEY: key }),
      server: FakeMoshiServer.start({ key: "key" }),
      full: FakeMoshiServer.start({ channels: 0 }),
      foreign: "deepgram",
    }),
});

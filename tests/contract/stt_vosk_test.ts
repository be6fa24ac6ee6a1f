import { FakeVoskServer } from "../fakes/stt_vosk.ts";
import { sttContract } from "./stt_contract.ts";
import { onStandIns, providerWith } from "./stt_stand_ins.ts";

const NEXTCLOUD = "ar ar_TN br ca cs de en eo es fa fr hi it ja kk ko nl pl pt ru te tg tr uk uz vi zh".split(
  " ",
);

/** vosk-server has one model for one language, and does not say which. Neither has credentials or a limit: a proxy may. */
for (const dialect of ["nextcloud", "stock"] as const) {
  const listed = dialect === "stock" ? { VOSK_LANGUAGES: "en" } : {};
  sttContract({
    name: `Vosk, ${dialect} server`,
    provider: "vosk",
    languages: dialect === "stock" ? ["en"] : NEXTCLOUD,
    stages: ["lost", "full", "unauthorized", "foreign"],
    start: () =>
      onStandIns({
        create: (url) => providerWith("vosk", { LT_VOSK_SERVER_URL: url, ...listed }),
        server: FakeVoskServer.start({ dialect, behindMs: 500, languages: NEXTCLOUD }),
        full: FakeVoskServer.start({ refuse: 503 }),
        unauthorized: FakeVoskServer.start({ refuse: 401 }),
        foreign: "deepgram",
        unreachableUrl: "ws://127.0.0.1:9",
      }),
  });
}

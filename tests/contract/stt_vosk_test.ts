import { systemClock } from "../../src/flow/mod.ts";
import { ForeignServer } from "../fakes/foreign_server.ts";
import { FakeVoskServer } from "../fakes/stt_vosk.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { providerNamed, sttContract, tonePhrases } from "./stt_contract.ts";

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
    start: () => {
      const server = FakeVoskServer.start({ dialect, behindMs: 500, languages: NEXTCLOUD });
      const full = FakeVoskServer.start({ refuse: 503 });
      const unauthorized = FakeVoskServer.start({ refuse: 401 });
      const foreign = ForeignServer.start("deepgram");
      const vosk = providerNamed("vosk");
      const create = (url: string) =>
        vosk.create(vosk.settings({ LT_VOSK_SERVER_URL: url, ...listed }), {
          meter: new FakeMeter(),
          clock: systemClock,
        });
      return Promise.resolve({
        stt: create(server.url),
        unreachable: create("ws://127.0.0.1:9"),
        phrases: tonePhrases(16_000),
        lose: () => server.dropConnections(),
        faulty: {
          full: create(full.url),
          unauthorized: create(unauthorized.url),
          foreign: create(`ws://127.0.0.1:${foreign.port}`),
        },
        async [Symbol.asyncDispose]() {
          for (const each of [server, full, unauthorized, foreign]) await each[Symbol.asyncDispose]();
        },
      });
    },
  });
}

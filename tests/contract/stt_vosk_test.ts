import { systemClock } from "../../src/flow/mod.ts";
import { createSpeechToText, STT_PROVIDERS } from "../../src/stt/mod.ts";
import { FakeVoskServer } from "../fakes/stt_vosk.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { sttContract, tonePhrases } from "./stt_contract.ts";

const NEXTCLOUD = "ar ar_TN br ca cs de en eo es fa fr hi it ja kk ko nl pl pt ru te tg tr uk uz vi zh".split(
  " ",
);

/** vosk-server has one model for one language, and does not say which. */
for (const dialect of ["nextcloud", "stock"] as const) {
  const listed = dialect === "stock" ? { VOSK_LANGUAGES: "en" } : {};
  sttContract({
    name: `Vosk, ${dialect} server`,
    provider: "vosk",
    languages: dialect === "stock" ? ["en"] : NEXTCLOUD,
    start: () => {
      const server = FakeVoskServer.start({ dialect, behindMs: 500 });
      const create = (url: string) => {
        const provider = STT_PROVIDERS.find(({ name }) => name === "vosk")!;
        const settings = provider.settings({ LT_VOSK_SERVER_URL: url, ...listed });
        return createSpeechToText({ provider: "vosk", settings }, {
          meter: new FakeMeter(),
          clock: systemClock,
        });
      };
      return Promise.resolve({
        stt: create(server.url),
        unreachable: create("ws://127.0.0.1:9"),
        phrases: tonePhrases(16_000),
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      });
    },
  });
}

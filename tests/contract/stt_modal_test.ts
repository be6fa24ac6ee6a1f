import { systemClock } from "../../src/flow/mod.ts";
import { createSpeechToText } from "../../src/stt/mod.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { sttContract, tonePhrases } from "./stt_contract.ts";

const SHAPES = [
  { shape: "deployed" },
  { shape: "design", design: "hypotheses" },
  { shape: "design", design: "words" },
] as const;

for (const options of SHAPES) {
  const name = "design" in options
    ? `Modal, ${options.shape} shape, ${options.design}`
    : `Modal, ${options.shape} shape`;
  sttContract({
    name,
    languages: ["en", "fr"],
    start: () => {
      const server = FakeKyutaiServer.start({ ...options, requireHeaders: { key: "key", secret: "secret" } });
      const settings = { url: server.url, key: "key", secret: "secret" };
      const create = (settings: { url: string }) =>
        createSpeechToText({ provider: "modal", settings }, { meter: new FakeMeter(), clock: systemClock });
      return Promise.resolve({
        stt: create(settings),
        unreachable: create({ ...settings, url: server.url.replace("/v1/stream", "/elsewhere") }),
        phrases: tonePhrases(24_000),
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      });
    },
  });
}

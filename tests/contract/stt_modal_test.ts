import { systemClock } from "../../src/flow/mod.ts";
import { createSpeechToText } from "../../src/stt/mod.ts";
import { ForeignServer } from "../fakes/foreign_server.ts";
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
    provider: "modal",
    languages: ["en", "fr"],
    stages: ["lost", "unauthorized", "foreign"],
    start: () => {
      const server = FakeKyutaiServer.start({ ...options, requireHeaders: { key: "key", secret: "secret" } });
      const foreign = ForeignServer.start("deepgram");
      const settings = { url: server.url, key: "key", secret: "secret" };
      const create = (changed: Partial<typeof settings> = {}) =>
        createSpeechToText({ provider: "modal", settings: { ...settings, ...changed } }, {
          meter: new FakeMeter(),
          clock: systemClock,
        });
      return Promise.resolve({
        stt: create(),
        unreachable: create({ url: server.url.replace("/v1/stream", "/elsewhere") }),
        phrases: tonePhrases(24_000),
        lose: () => server.dropConnections(),
        faulty: {
          unauthorized: create({ key: "another" }),
          foreign: create({ url: `ws://127.0.0.1:${foreign.port}/` }),
        },
        async [Symbol.asyncDispose]() {
          await server[Symbol.asyncDispose]();
          await foreign[Symbol.asyncDispose]();
        },
      });
    },
  });
}

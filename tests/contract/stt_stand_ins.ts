/** What the contract of a provider on WebSockets runs on: a stand-in, and others with the faults. */
import type { ProviderEnvironment, SpeechToText } from "../../src/domain/mod.ts";
import { systemClock } from "../../src/flow/mod.ts";
import { ForeignServer } from "../fakes/foreign_server.ts";
import type { SttStandIn } from "../fakes/stt_stand_in.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { providerNamed, type SttUnderTest, tonePhrases } from "./stt_contract.ts";

/** A provider with these variables. */
export function providerWith(name: string, env: ProviderEnvironment): SpeechToText {
  const provider = providerNamed(name);
  return provider.create(provider.settings(env), { meter: new FakeMeter(), clock: systemClock });
}

export interface StandIns {
  /** The provider at this address; `key`: one that is refused. */
  create: (url: string, key?: string) => SpeechToText;
  server: SttStandIn;
  /** Refuses every session, as it is full. */
  full: SttStandIn;
  /** Refuses the credentials, where `server` takes any. */
  unauthorized?: SttStandIn;
  /** The protocol that the foreign one speaks. */
  foreign: Parameters<typeof ForeignServer.start>[0];
  /** Default: a path that the server does not have. */
  unreachableUrl?: string;
}

export function onStandIns(
  { create, server, full, unauthorized, foreign: protocol, unreachableUrl = `${server.url}/elsewhere` }:
    StandIns,
): Promise<SttUnderTest> {
  const foreign = ForeignServer.start(protocol);
  const stt = create(server.url);
  return Promise.resolve({
    stt,
    unreachable: create(unreachableUrl),
    phrases: tonePhrases(stt.sampleRateHz),
    lose: () => server.dropConnections(),
    faulty: {
      full: create(full.url),
      unauthorized: unauthorized ? create(unauthorized.url) : create(server.url, "another"),
      foreign: create(server.url.replace(/\d+$/, `${foreign.port}`)),
    },
    async [Symbol.asyncDispose]() {
      const all = [server, full, foreign, ...unauthorized ? [unauthorized] : []];
      for (const each of all) await each[Symbol.asyncDispose]();
    },
  });
}

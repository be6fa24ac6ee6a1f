/** A service that translates, without its REST API: calls of a stack on one side, a translation provider on the other. */
import { AudioLedger, type ProviderChoice } from "../../src/domain/mod.ts";
import { Scope, systemClock } from "../../src/flow/mod.ts";
import { startSpeakerHost } from "../../src/speakers/mod.ts";
import { createSpeechToText } from "../../src/stt/mod.ts";
import { Sessions, SpokenLanguages } from "../../src/sessions/mod.ts";
import { TalkRooms } from "../../src/talk/mod.ts";
import {
  openTranslations,
  type TranslationService,
  type TranslatorParts,
} from "../../src/translation/mod.ts";
import type { TestParticipant, TestStack } from "../fakes/call.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { eventually } from "./world.ts";

export interface TranslatingService extends AsyncDisposable {
  rooms: TalkRooms;
  translations: TranslationService;
  meter: FakeMeter;
  log: FakeLog;
  /** Turns captions on, and asks for a language at once, as Talk's front end does. */
  enable(roomToken: string, listener: TestParticipant, targetId?: string): void;
  /** Resolves once audio of so many speakers arrives. */
  heard(speakers: number): Promise<void>;
}

export interface TranslatingOptions {
  /** Of a fake Kyutai server. */
  sttUrl: string;
  /** The translator. */
  choice: ProviderChoice;
  nextcloud?: TranslatorParts["nextcloud"];
}

/** The service in this process, joined to a stack; ready when the provider has told its languages. */
export async function startTranslating(
  stack: TestStack,
  { sttUrl, choice, nextcloud }: TranslatingOptions,
): Promise<TranslatingService> {
  const scope = new Scope("service");
  const [clock, log, meter] = [systemClock, new FakeLog(), new FakeMeter()];
  const shared = { clock, log, meter };
  const stt = createSpeechToText({ provider: "modal", settings: { url: sttUrl } }, { meter, clock });
  const translations = openTranslations(choice, {
    nextcloud,
    ...shared,
    scope: scope.child("translation"),
  });
  const host = await startSpeakerHost({
    workers: 0,
    settings: {
      stt: { providers: [{ provider: "modal", settings: { url: sttUrl } }] },
      network: {},
      chunkMs: 200,
      partials: true,
      debugLog: false,
    },
    ledger: new AudioLedger(),
    scope: scope.child("speakers"),
    ...shared,
  });
  const rooms = new TalkRooms({
    hpbUrl: `${stack.hpbUrl.replace(/^http/, "ws")}/spreed`,
    internalSecret: stack.internalSecret,
    nextcloudUrl: stack.nextcloudUrl,
    tls: {},
    languages: new SpokenLanguages({
      stt,
      log,
      meter,
    }),
    sessions: new Sessions({
      host,
      admission: { refusal: undefined },
      translations,
      sessionsMax: 10,
      speakersPerSessionMax: 10,
      scope: scope.child("sessions"),
      ...shared,
    }),
    settings: { iceServers: () => Promise.resolve([]) },
    emptyRoomMs: 60_000,
    scope: scope.child("rooms"),
    ...shared,
  });
  const service: TranslatingService = {
    rooms,
    translations,
    meter,
    log,
    enable(roomToken, { ncSessionId }, targetId) {
      rooms.transcribe({ roomToken, ncSessionId, enable: true, languageId: "en", turnServers: [] });
      if (targetId !== undefined) rooms.setTranslationTarget(roomToken, ncSessionId, targetId);
    },
    heard: (speakers) =>
      eventually(
        `${speakers} speakers heard`,
        () => meter.gauges.get("tiro_speakers_heard")!() >= speakers,
        30_000,
      ),
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
  try {
    await eventually("languages known", () => isKnown(translations));
    return service;
  } catch (error) {
    await scope[Symbol.asyncDispose]();
    throw error;
  }
}

function isKnown(translations: TranslationService): boolean {
  try {
    return translations.languages().target.length > 0;
  } catch {
    return false;
  }
}

/** A translation service with its provider and time under the test's control. */
import assert from "@std/assert";
import {
  languageOf,
  TranslationError,
  type TranslationLanguages,
  type TranslationRequest,
  type Translator,
} from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { TranslationService } from "./service.ts";

export const TIMEOUT_MS = 3_000;
export const LANGUAGES: TranslationLanguages = {
  origin: [languageOf("en", "English"), languageOf("de", "German")],
  target: [languageOf("de", "German"), languageOf("ar", "Arabic")],
};

interface Call extends TranslationRequest, PromiseWithResolvers<string> {
  signal: AbortSignal;
}

/** Answers when the test says so. */
class FakeTranslator implements Translator {
  readonly name = "fake";
  readonly calls: Call[] = [];
  checks = 0;
  inFlight = 0;
  list: () => Promise<TranslationLanguages> = () => Promise.resolve(LANGUAGES);

  languages(): Promise<TranslationLanguages> {
    this.checks++;
    return this.list();
  }
  async translate(request: TranslationRequest, signal: AbortSignal): Promise<string> {
    const answer = Promise.withResolvers<string>();
    this.calls.push({ ...request, ...answer, signal });
    this.inFlight++;
    try {
      return await answer.promise;
    } finally {
      this.inFlight--;
    }
  }
}

export async function withService(
  test: (world: World) => Promise<void>,
  prepare?: (translator: FakeTranslator) => void,
) {
  const world = await makeService(prepare);
  await test(world);
  for (const call of world.translator.calls) call.reject(new Error("the test is over"));
  await world.scope[Symbol.asyncDispose]();
  assert.equal(world.clock.pending, 0, "no timer outlives the service");
  assert.equal(world.meter.gauges.size + world.meter.gaugesBy.size, 0);
}

export async function makeService(prepare: (translator: FakeTranslator) => void = () => {}) {
  const clock = new FakeClock();
  const scope = new Scope("service");
  const meter = new FakeMeter();
  const log = new FakeLog();
  const translator = new FakeTranslator();
  prepare(translator);
  const service = new TranslationService({ translator, timeoutMs: TIMEOUT_MS, scope, clock, log, meter });
  await settle();
  /** The outcome, once there is one. */
  const ask = (text: string, targetId = "de", originId = "en") => {
    const asked: { outcome?: string } = {};
    service.translate({ text, originId, targetId }).then(
      (translated) => asked.outcome = translated,
      (error: TranslationError) => asked.outcome = error.code,
    );
    return asked;
  };
  const gauge = () => meter.gaugesBy.get("tiro_translation_resting")!();
  const outcomes = (outcome: string) => meter.counted("tiro_translations_total", outcome);
  return { clock, scope, meter, log, translator, service, ask, outcomes, gauge };
}
export type World = Awaited<ReturnType<typeof makeService>>;

export const AS_WRITTEN: TranslationLanguages = {
  origin: ["EN", "pt", "zh-Hans"].map((id) => languageOf(id, id)),
  target: ["de", "en-gb", "pt-br", "zh-Hans", "zh-Hant"].map((id) => languageOf(id, id)),
};

export async function rejection(work: Promise<unknown>): Promise<string> {
  const error = await work.then(() => "nothing", (error: unknown) => error);
  return error instanceof TranslationError ? error.code : String(error);
}

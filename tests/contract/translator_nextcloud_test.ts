import assert from "@std/assert";
import { Scope, systemClock } from "../../src/flow/mod.ts";
import { createOcs } from "../../src/nextcloud/mod.ts";
import { createTranslator } from "../../src/translation/mod.ts";
import { eventually } from "../integration/world.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { FakeTaskProcessing } from "../fakes/translators.ts";
import { translationErrorOf, translatorContract } from "./translator_contract.ts";

function start() {
  const scope = new Scope("test");
  const server = new FakeTaskProcessing("secret-of-ours");
  const create = (secret: string) => {
    const exApp = { id: "live_transcription", secret, version: "1.0.0", aaVersion: "32.0.0" };
    const ocs = createOcs({ nextcloudUrl: server.url, exApp, log: new FakeLog(), meter: new FakeMeter() });
    return createTranslator({ provider: "nextcloud", settings: {} }, {
      nextcloud: { ocs, appId: "live_transcription" },
      scope,
      clock: systemClock,
    });
  };
  return {
    server,
    scope,
    translator: create("secret-of-ours"),
    stranger: create("wrong-secret"),
    async [Symbol.asyncDispose]() {
      await scope[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const TO_GERMAN = { originId: "en", targetId: "de" };
const soon = () => AbortSignal.timeout(10_000);

translatorContract({ name: "TaskProcessing", secret: "secret-of-ours", chineseId: "zh_CN", start });

Deno.test("TaskProcessing: a long task is polled at a bounded rate", async () => {
  await using under = start();
  under.server.delayMs = 1_200;
  assert.equal(await under.translator.translate({ text: "red", ...TO_GERMAN }, soon()), "rot");
  const polls = under.server.addresses.filter((address) => address.includes("/task/")).length;
  assert.ok(polls >= 2 && polls <= 4, `${polls} polls`);
});

Deno.test("TaskProcessing: a failed poll does not fail the task", async () => {
  await using under = start();
  under.server.refusedLooks = 1;
  under.server.refusedLookStatus = 503;
  assert.equal(await under.translator.translate({ text: "red", ...TO_GERMAN }, soon()), "rot");
  assert.equal(under.server.asked.length, 1);
});

Deno.test("TaskProcessing: throttled during a task, it does not poll again", async () => {
  await using under = start();
  under.server.refusedLooks = 1_000;
  const error = await translationErrorOf(under.translator.translate({ text: "red", ...TO_GERMAN }, soon()));
  assert.equal(error.code, "translation_busy");
  assert.equal(under.server.refusedLooks, 999);
});

Deno.test("TaskProcessing: a failed task is retryable", async () => {
  await using under = start();
  under.server.tasksFail = true;
  const error = await translationErrorOf(under.translator.translate({ text: "red", ...TO_GERMAN }, soon()));
  assert.deepEqual([error.code, error.retryable], ["translation_server", true]);
});

Deno.test("TaskProcessing: without a translation app both calls fail permanently", async () => {
  await using under = start();
  under.server.hasProvider = false;
  for (
    const call of [
      under.translator.languages(soon()),
      under.translator.translate({ text: "red", ...TO_GERMAN }, soon()),
    ]
  ) {
    const error = await translationErrorOf(call);
    assert.deepEqual([error.code, error.retryable], ["translation_no_provider", false]);
  }
});

Deno.test("TaskProcessing: an unknown source language is detected", async () => {
  await using under = start();
  await under.translator.languages(soon());
  for (const originId of ["en", "en-gb", "fr"]) {
    await under.translator.translate({ text: "red", originId, targetId: "de" }, soon());
  }
  assert.deepEqual(under.server.asked.map(({ originId }) => originId), ["en", "en", "detect_language"]);
});

Deno.test("TaskProcessing: no task stays behind, whether it succeeded, failed or took too long", async () => {
  await using under = start();
  const { server, translator, scope } = under;
  const gone = async () => {
    await eventually("tasks deleted", () => server.tasksKept === 0 && scope.size === 0);
  };
  await translator.translate({ text: "red", ...TO_GERMAN }, soon());
  await gone();
  server.tasksFail = true;
  await translationErrorOf(translator.translate({ text: "red", ...TO_GERMAN }, soon()));
  await gone();
  server.delayMs = 60_000;
  const late = AbortSignal.timeout(300);
  await assert.rejects(translator.translate({ text: "red", ...TO_GERMAN }, late), { name: "TimeoutError" });
  await gone();
  assert.equal(server.asked.length, 3);
});

Deno.test("TaskProcessing: a task that cannot be deleted fails no translation", async () => {
  await using under = start();
  under.server.refusesDeleting = true;
  assert.equal(await under.translator.translate({ text: "red", ...TO_GERMAN }, soon()), "rot");
  await eventually("deleting tried", () => under.scope.size === 0);
  assert.equal(under.scope.signal.aborted, false);
  assert.equal(under.server.tasksKept, 1);
});

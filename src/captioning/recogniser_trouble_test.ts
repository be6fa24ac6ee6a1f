import assert from "@std/assert";
import { SttError } from "../domain/mod.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { RecogniserTrouble } from "./recogniser_trouble.ts";

const error = (code: string) => new SttError("Cannot open STT session: test", { code, retryable: true });

function setup() {
  const clock = new FakeClock();
  const reported: (string | undefined)[] = [];
  return { clock, reported, trouble: new RecogniserTrouble(clock, (trouble) => reported.push(trouble)) };
}

Deno.test("A recogniser that does not answer within three seconds is starting, until a session is open", async () => {
  const { clock, reported, trouble } = setup();
  trouble.opening();
  await clock.advance(2_999);
  assert.deepEqual(reported, []);
  await clock.advance(1);
  assert.deepEqual(reported, ["recogniser_starting"]);
  trouble.opened();
  assert.deepEqual(reported, ["recogniser_starting", undefined]);
  trouble.opening();
  trouble.opened();
  await clock.advance(60_000);
  assert.equal(reported.length, 2);
});

Deno.test("Failures to open are distinguished, and over once a session is open", () => {
  const { reported, trouble } = setup();
  const refused = ["stt_unauthorized", "stt_refused", "stt_unpaid", "stt_not_installed"];
  for (const code of ["stt_unreachable", ...refused, "stt_unreachable"]) {
    trouble.opening();
    trouble.notOpened(error(code));
  }
  trouble.opening();
  trouble.opened();
  assert.deepEqual(reported, [
    "recogniser_unreachable",
    "recogniser_refused",
    "recogniser_unreachable",
    undefined,
  ]);
});

Deno.test("A session that fails once is no trouble; three in a row are, until one recognises something", () => {
  const { reported, trouble } = setup();
  for (let failures = 1; failures <= 4; failures++) {
    trouble.opened();
    trouble.lost(error("stt_closed"), failures);
    assert.deepEqual(reported, failures < 3 ? [] : ["recogniser_failed"]);
  }
  trouble.opened();
  assert.equal(reported.at(-1), "recogniser_failed");
  trouble.recognised();
  assert.deepEqual(reported, ["recogniser_failed", undefined]);
});

Deno.test("A server of another protocol can be opened repeatedly, which does not end the trouble", async () => {
  const { clock, reported, trouble } = setup();
  for (let minute = 0; minute < 3; minute++) {
    trouble.opening();
    trouble.opened();
    trouble.lost(error("stt_foreign"), 1);
    await clock.advance(60_000);
  }
  assert.deepEqual(reported, ["recogniser_foreign"]);
  assert.equal(clock.pending, 0);
});

Deno.test("Disposing stops the timer", () => {
  const { clock, trouble } = setup();
  trouble.opening();
  trouble[Symbol.dispose]();
  assert.equal(clock.pending, 0);
});

Deno.test("A full recogniser is reported until the speaker's own session opens, whatever it recognises for others", () => {
  const { reported, trouble } = setup();
  trouble.notOpened(error("stt_full"));
  trouble.available();
  trouble.recognised();
  assert.deepEqual(reported, ["recogniser_full"]);
  trouble.opened();
  assert.deepEqual(reported, ["recogniser_full", undefined]);
});

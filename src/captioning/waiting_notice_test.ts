import assert from "@std/assert";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { WaitingNotice, waitingText } from "./waiting_notice.ts";

Deno.test("The notice is shown once, ten seconds after speech began to wait, unless the wait is over before", async () => {
  const clock = new FakeClock();
  let shown = 0;
  const notice = new WaitingNotice(clock, () => shown++);
  notice.waits();
  await clock.advance(5_000);
  notice.waits();
  notice.over();
  await clock.advance(60_000);
  assert.equal(shown, 0);
  notice.waits();
  await clock.advance(9_999);
  assert.equal(shown, 0);
  await clock.advance(1);
  assert.equal(shown, 1);
  notice.waits();
  await clock.advance(60_000);
  assert.equal(shown, 1);
  notice.over();
  notice.waits();
  notice.over();
  assert.equal(clock.pending, 0);
});

Deno.test("The notice is in the language spoken, whatever its region, and in English for other languages", () => {
  assert.match(waitingText("fr"), /sous-titres/);
  assert.equal(waitingText("fr_CA"), waitingText("fr"));
  assert.equal(waitingText("DE"), waitingText("de"));
  for (const unknown of ["tlh", "", "toString"]) assert.equal(waitingText(unknown), waitingText("en"));
  const all = "ar ar_TN br ca cs de en eo es fa fr hi it ja kk ko nl pl pt ru te tg tr uk uz vi zh";
  for (const id of all.split(" ")) {
    const text = waitingText(id);
    assert.ok(id === "en" || text !== waitingText("en"), id);
    assert.equal(text, text.trim());
    assert.ok(text.startsWith("… (") && text.length < 40, text);
  }
});

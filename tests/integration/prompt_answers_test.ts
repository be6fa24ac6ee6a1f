import assert from "@std/assert";
import { delay } from "../../src/flow/mod.ts";
import { PromptAnswers } from "./prompt_answers.ts";

Deno.test("An answer that waits for a timer of the service does not come; any other does, and time goes on in between", async () => {
  const answers = new PromptAnswers(500);
  const never = new AbortController().signal;
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async ({ url }) => {
    if (url.endsWith("/waits")) await delay(1, never, answers.clock);
    return new Response("here");
  });
  const to = (path: string) => answers.to(new Request(`http://127.0.0.1:${server.addr.port}${path}`));
  assert.equal(await (await to("/prompt")).text(), "here");
  await assert.rejects(to("/waits"), /No answer to GET \/waits: it waits for something/);
  await delay(1, never, answers.clock);
  assert.equal(await (await to("/prompt")).text(), "here");
});

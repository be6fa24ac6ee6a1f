/** A real HPB that has another secret after a restart, and ten calls that want to come back to it. */
import assert from "@std/assert";
import { baseUrl, eventually, metric, post, serviceFor } from "../integration/world.ts";
import { polled } from "./server_process.ts";
import { installedHpbVersions, onRealStack } from "./stack.ts";

const CALLS = 10;
const DEADLINE_MS = 20_000;
/** Never connected to: nobody speaks. */
const NO_SPEECH = { STT_STREAM_URL: "ws://127.0.0.1:9/v1/stream" };

async function ask(base: string, roomToken: string): Promise<{ status: number; error?: string }> {
  const answer = await post(base, "/api/v1/call/transcribe", { roomToken, ncSessionId: "nc", langId: "en" });
  return { status: answer.status, ...await answer.json() };
}

const WRONG: { what: string; names: RegExp; environment: Record<string, string> }[] = [
  { what: "secret", names: /LT_INTERNAL_SECRET/, environment: { LT_INTERNAL_SECRET: "of another HPB" } },
  { what: "Nextcloud", names: /NEXTCLOUD_URL/, environment: { NEXTCLOUD_URL: "http://127.0.0.1:9" } },
];

for (const hpbVersion of installedHpbVersions()) {
  for (const { what, names, environment } of WRONG) {
    Deno.test(`HPB ${hpbVersion}: refused for a wrong ${what}, the variable to look at is named`, () =>
      onRealStack({ hpbVersion }, async (stack) => {
        await using service = await serviceFor(stack, { ...NO_SPEECH, ...environment });
        const base = baseUrl(service);
        assert.equal((await ask(base, "room")).status, 200);
        let error: string | undefined;
        await eventually("it is refused", async () => {
          const answer = await ask(base, "another");
          error = answer.error;
          return answer.status === 503;
        }, DEADLINE_MS);
        assert.match(error ?? "", names);
      }));
  }
}

/** An HPB before 2.0 counts no refused hellos, and shuts nobody out. */
const counting = installedHpbVersions().filter((version) => Number.parseInt(version) >= 2);

for (const hpbVersion of counting) {
  Deno.test(`HPB ${hpbVersion}: another secret costs ten calls one refused hello, and shuts nobody out`, () =>
    onRealStack({ hpbVersion }, async (stack) => {
      const sessions = async () => (await stack.stats()).sessions;
      await using service = await serviceFor(stack, NO_SPEECH);
      const base = baseUrl(service);
      for (let call = 0; call < CALLS; call++) assert.equal((await ask(base, `room${call}`)).status, 200);
      await polled("ten calls to be joined", DEADLINE_MS, async () => await sessions() === CALLS);

      await stack.restartHpb({ internalSecret: "another secret of this HPB, longer" });
      const lost = async () => await metric(base, "tiro_rooms_lost") === CALLS;
      await eventually("every call is lost and kept", lost, DEADLINE_MS);
      assert.equal(await stack.refusedHellos(), 1);
      const health = await fetch(`${base}/healthz`);
      await health.body?.cancel();
      assert.equal(health.headers.get("x-tiro-degraded"), "signaling_refused");
      const { status, error } = await ask(base, "another");
      assert.equal(status, 503);
      assert.match(error ?? "", /LT_INTERNAL_SECRET/);

      await using restarted = await serviceFor(stack, NO_SPEECH); // with the new secret
      assert.equal((await ask(baseUrl(restarted), "room0")).status, 200);
      await polled("the new secret to be taken", DEADLINE_MS, async () => await sessions() === 1);
      assert.equal(await stack.refusedHellos(), 1);
    }));
}

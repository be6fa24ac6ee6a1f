/** A Janus that has IPv6 alone for media. */
import assert from "@std/assert";
import { InternalClient } from "./internal_client.ts";
import { hasOwnIpv6 } from "./janus.ts";
import { installedHpbVersions, onRealStack } from "./stack.ts";

const hpbVersion = installedHpbVersions().at(-1)!;

// Skipped where the machine has no IPv6 address besides loopback and a link's.
Deno.test(
  "A speaker is heard from a Janus that has only IPv6 for media",
  { ignore: !hasOwnIpv6() },
  () =>
    onRealStack({ hpbVersion, mediaFamily: 6 }, async (stack) => {
      const { hpbUrl, nextcloudUrl, internalSecret } = stack;
      await using call = await stack.startCall();
      const speaker = await call.addSpeaker();
      const { roomToken } = call;
      await using client = await InternalClient.join({ hpbUrl, nextcloudUrl, internalSecret, roomToken });
      await client.subscribe(speaker.sessionId);
      await client.until(() => client.heard.length > 50);
      assert.ok(client.heard.length > 50);
    }),
);

/** Janus with IPv4 alone, reached by a client that has IPv6 alone: the relay, which has both, is the only way. */
import assert from "@std/assert";
import { Coturn } from "./coturn.ts";
import { FarServer } from "./far_server.ts";
import { InternalClient } from "./internal_client.ts";
import { ownAddress } from "./janus.ts";
import { installedHpbVersions, onRealStack } from "./stack.ts";

const hpbVersion = installedHpbVersions().at(-1)!;
const ignore = !Deno.networkInterfaces().some(({ address }) => address === "::1");

for (const roundTripMs of [0, 700]) {
  Deno.test(
    `A speaker is received from Janus through a relay ${roundTripMs} ms away, by the first connection`,
    {
      ignore,
    },
    () =>
      onRealStack({ hpbVersion }, async (stack) => {
        const { hpbUrl, nextcloudUrl, internalSecret } = stack;
        await using coturn = await Coturn.start({ relayAddress: ownAddress() });
        await using far = await FarServer.open(coturn.port, roundTripMs);
        await using call = await stack.startCall();
        const speaker = await call.addSpeaker();
        const { roomToken } = call;
        const { username, credential } = coturn.turn("tcp");
        await using client = await InternalClient.join({
          ...{ hpbUrl, nextcloudUrl, internalSecret, roomToken },
          iceServers: [{ urls: [`turn:127.0.0.1:${far.port}?transport=tcp`], username, credential }],
          network: { interfaceAddresses: ["::1"] },
        });
        await client.subscribe(speaker.sessionId);
        assert.deepEqual(client.troubles, []);
      }),
  );
}

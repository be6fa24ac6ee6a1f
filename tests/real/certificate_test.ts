/** Janus with the operator's certificate: each kind that OpenSSL supports in DTLS 1.2 works. */
import assert from "@std/assert";
import { InternalClient } from "./internal_client.ts";
import { installedHpbVersions, onRealStack } from "./stack.ts";

const KEYS = {
  "P-256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  "P-384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
  "P-521": ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
  "RSA 4096": ["rsa:4096"],
};

for (const [name, janusKey] of Object.entries(KEYS)) {
  Deno.test(`A speaker is received from a Janus with a certificate of ${name}`, () =>
    onRealStack({ hpbVersion: installedHpbVersions().at(-1)!, janusKey }, async (stack) => {
      const { hpbUrl, nextcloudUrl, internalSecret } = stack;
      await using call = await stack.startCall();
      const speaker = await call.addSpeaker();
      const { roomToken } = call;
      await using client = await InternalClient.join({ hpbUrl, nextcloudUrl, internalSecret, roomToken });
      await client.subscribe(speaker.sessionId);
      assert.ok(client.heard.length > 0);
    }));
}

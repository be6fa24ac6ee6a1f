/** A relay as the only way, far away: satellites, mobile networks, the other side of the world. */
import assert from "@std/assert";
import { SfuPublisher } from "../fakes/sfu.ts";
import { Coturn } from "./coturn.ts";
import { FarServer } from "./far_server.ts";
import { candidates, deafPort, Ears, subscribe } from "./relayed.ts";

/** A receiver is given the first try only: its next one would find what this one did not wait for no nearer. */
async function heardAtOnce(ears: Ears): Promise<string> {
  const heard = ears.readUntil(({ sequence }) => sequence >= 20).then(() => "heard");
  return await Promise.race([heard, ears.trouble.promise]);
}

function farTurn(coturn: Coturn, far: FarServer, transport: "udp" | "tcp") {
  const { username, credential } = coturn.turn(transport);
  return { urls: [`turn:127.0.0.1:${far.port}?transport=${transport}`], username, credential };
}

for (const roundTripMs of [0, 200, 400, 700]) {
  Deno.test(`Through a relay ${roundTripMs} ms away over UDP a speaker is received, by the first connection`, async () => {
    await using coturn = await Coturn.start();
    await using far = await FarServer.open(coturn.port, roundTripMs);
    await using deaf = await deafPort();
    await using publisher = await SfuPublisher.start();
    await using ears = new Ears();
    const iceServers = [farTurn(coturn, far, "udp")];
    await subscribe(ears, publisher, { iceServers, type: "relay", deaf: deaf.port });
    assert.equal(await heardAtOnce(ears), "heard");
  });
}

for (const roundTripMs of [400, 700]) {
  // Ears that have IPv6 alone, where a relay is the only way to an SFU that has none.
  Deno.test(`By a relay ${roundTripMs} ms away over TCP, which comes after the answer, as well`, {
    ignore: !Deno.networkInterfaces().some(({ address }) => address === "::1"),
  }, async () => {
    await using coturn = await Coturn.start();
    await using far = await FarServer.open(coturn.port, roundTripMs);
    await using publisher = await SfuPublisher.start();
    await using ears = new Ears({ network: { interfaceAddresses: ["::1"] } });
    const { sdp } = await ears.answer("s1", await publisher.offer("ears", "s1"), [
      farTurn(coturn, far, "tcp"),
    ]);
    if (roundTripMs === 700) assert.deepEqual(candidates(sdp).map(({ type }) => type), ["host"]);
    await publisher.answer("s1", sdp);
    assert.equal(await heardAtOnce(ears), "heard");
  });
}

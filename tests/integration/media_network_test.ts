/** MEDIA_ADDRESS and MEDIA_PORTS, where the service runs speakers in its own process and where in media workers. */
import assert from "@std/assert";
import { ClaimedPorts } from "../fakes/ports.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { callOf, isFinal, PHRASE, say, startWorld } from "./world.ts";

for (
  const [workers, udp, opus] of [
    ["0", "libc", "built-in"],
    ["1", "libc", "built-in"],
    ["0", "deno", "libopus-wasm"],
    ["1", "deno", "libopus-wasm"],
  ]
) {
  Deno.test(`Media is received at the addresses and ports that are named, with MEDIA_WORKERS=${workers}, MEDIA_UDP=${udp} and MEDIA_OPUS=${opus}`, async () => {
    using ports = ClaimedPorts.claim();
    const { first, last } = ports.rest();
    const answers: string[] = [];
    await using world = await startWorld({
      environment: {
        MEDIA_WORKERS: workers,
        MEDIA_UDP: udp,
        MEDIA_OPUS: opus,
        MEDIA_ADDRESS: "127.0.0.1",
        MEDIA_PORTS: `${first}-${last}`,
        MAX_SPEAKERS: "50",
      },
      publishers: async (id) => {
        const publisher = await weriftPublisherFactory(id);
        const answer = publisher.answer.bind(publisher);
        publisher.answer = (sid, sdp) => {
          answers.push(sdp);
          return answer(sid, sdp);
        };
        return publisher;
      },
    });
    const { call, listener, speaker } = await callOf(world);
    await using _call = call;
    await say(speaker, PHRASE);
    await listener.until(isFinal(PHRASE), 10_000);
    const candidates = answers.flatMap((
      sdp,
    ) => [...sdp.matchAll(/a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ/g)]);
    assert.ok(candidates.length > 0);
    for (const [, address, port] of candidates) {
      assert.equal(address, "127.0.0.1");
      assert.ok(Number(port) >= first && Number(port) <= last, port);
    }
  });
}

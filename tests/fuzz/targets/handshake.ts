/** Datagrams in the midst of a DTLS handshake, in the name of the server that has not answered. */
import fc from "fast-check";
import { isDtls } from "../../../src/webrtc/dtls_records.ts";
import { FakeClock } from "../../fakes/clock.ts";
import { defineTarget } from "../batch.ts";
import { ConnectedPair } from "../connected_pair.ts";
import { byteChanges, changedBytes } from "../mutations.ts";

/** As dtls_guard.ts has it. */
const HANDSHAKE_BYTES_MAX = 64 * 1024;
const LISTENED_MAX = 32;
const TURN_EVERY = 4;

/** What a server sends a listener until they are connected. Keys are made anew in each process, lengths are not. */
async function serverFlights(): Promise<Uint8Array[]> {
  const flights: Uint8Array[] = [];
  const pair = await ConnectedPair.connect(new FakeClock(), ({ socket }) => {
    const receive = socket.receive.bind(socket);
    socket.receive = (received) => {
      if (isDtls(received.bytes) && flights.length < LISTENED_MAX) flights.push(received.bytes.slice());
      return receive(received);
    };
  });
  await pair.close();
  return flights;
}

let recorded: Promise<Uint8Array[]> | undefined;

export const handshake = defineTarget({
  name: "handshake",
  about:
    "a server's flights, changed, while keys are agreed on: fragments are bounded, nothing of it connects, nothing is left",
  inputs: fc.record({ flight: fc.nat(LISTENED_MAX), changes: byteChanges, isOfPeer: fc.boolean() }),
  inputsPerWorld: 30,
  async open() {
    const flights = await (recorded ??= serverFlights());
    const clock = new FakeClock(1_000);
    let pair = await ConnectedPair.greet(clock);
    let taken = 0;
    return {
      async run({ flight, changes, isOfPeer }) {
        if (pair.listening.state !== "connecting") {
          await pair.close();
          pair = await ConnectedPair.greet(clock);
        }
        await clock.advance(5);
        const datagram = changedBytes(flights[flight % flights.length], changes);
        pair.deliver(datagram, isOfPeer ? pair.address : ["127.66.0.1", 9]);
        if (++taken % TURN_EVERY === 0) await new Promise((come) => setTimeout(come, 0));
        if (pair.listening.state === "connected") throw new Error("A handshake with nobody has an end");
        const { bufferFragmentedHandshakes: fragments } = pair.listening.dtls as unknown as {
          bufferFragmentedHandshakes: { fragment: Uint8Array }[];
        };
        const bytes = fragments.reduce((sum, each) => sum + each.fragment.length, 0);
        if (bytes > HANDSHAKE_BYTES_MAX) throw new Error(`${bytes} bytes of fragments are kept`);
      },
      async close() {
        await pair.close();
        if (clock.pending > 0) throw new Error(`${clock.pending} timers are left`);
      },
    };
  },
});

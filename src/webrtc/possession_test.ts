/** Between two werift peers on loopback, one of which may show a certificate that is not its own. */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { generateKeyPairSync } from "node:crypto";
import { opusCodec, Peer } from "./peer.ts";

const DEADLINE_MS = 15_000;

function openPeer(): Peer {
  return new Peer({
    iceServers: [],
    network: { interfaceAddresses: ["127.0.0.1"] },
    codecs: { audio: [opusCodec()], video: [] },
    onRtp: () => {},
  });
}

/** The offerer is the server of the handshake, the answerer its client. Resolves with how it ends for one of them. */
async function connect(
  { ending, prepare = () => {} }: {
    ending: "offerer" | "answerer";
    prepare?: (peers: { offerer: Peer; answerer: Peer }) => void;
  },
): Promise<string> {
  await using offerer = openPeer();
  await using answerer = openPeer();
  offerer.connection.addTransceiver("audio", { direction: "sendonly" });
  const offer = await offerer.setLocal(await offerer.connection.createOffer());
  await answerer.connection.setRemoteDescription({ type: "offer", sdp: offer });
  const answer = await answerer.setLocal(await answerer.connection.createAnswer());
  prepare({ offerer, answerer });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const timer = setTimeout(() => reject(new Error("The handshake does not end")), DEADLINE_MS);
  const { connection } = ending === "offerer" ? offerer : answerer;
  connection.connectionStateChange.subscribe((state) => {
    if (state === "connected" || state === "failed") resolve(state);
  });
  await offerer.setRemoteAnswer(answer);
  return await promise.finally(() => clearTimeout(timer));
}

/** From then on it signs with a key that its certificate is not for, as somebody on the way would have to. */
function forgetKey({ connection }: Peer): void {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const [{ localCertificate }] = connection.dtlsTransports;
  if (!localCertificate) throw new Error("The certificate is not made yet");
  Object.assign(localCertificate, { privateKey: privateKey.export({ type: "pkcs8", format: "pem" }) });
}

Deno.test("A peer with the certificate's private key is accepted, as server and as client", async () => {
  assert.equal(await connect({ ending: "answerer" }), "connected");
  assert.equal(await connect({ ending: "offerer" }), "connected");
});

Deno.test("A server without its certificate's private key is refused", async () => {
  const prepare = ({ offerer }: { offerer: Peer }) => forgetKey(offerer);
  assert.equal(await connect({ ending: "answerer", prepare }), "failed");
});

Deno.test("A client without its certificate's private key is refused", async () => {
  const prepare = ({ answerer }: { answerer: Peer }) => forgetKey(answerer);
  assert.equal(await connect({ ending: "offerer", prepare }), "failed");
});

Deno.test("The signature has to cover the key share that was used", async () => {
  const prepare = ({ answerer }: { answerer: Peer }) => {
    const [transport] = answerer.connection.dtlsTransports;
    transport.onStateChange.subscribe((state) => {
      if (state !== "connecting") return;
      queueMicrotask(() => {
        const { dtls } = transport;
        if (!dtls) throw new Error("There is no handshake");
        // As if somebody had put theirs after the server's, which is the one that is kept with its signature.
        dtls.onConnect.subscribe(() => {
          const { remoteKeyPair } = dtls.cipher;
          remoteKeyPair.publicKey = Buffer.alloc(remoteKeyPair.publicKey?.length ?? 0);
        });
      });
    });
  };
  assert.equal(await connect({ ending: "answerer", prepare }), "failed");
});

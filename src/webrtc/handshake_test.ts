/** Handshakes with OpenSSL, which Janus uses, for every kind of certificate it may have. */
import assert from "@std/assert";
import { DtlsClient, RTCDtlsTransport } from "werift";
import { makeOwnCertificate } from "../../tests/fakes/certificates.ts";
import { ClaimedPorts } from "../../tests/fakes/ports.ts";
import { extendHandshake } from "./handshake.ts";
import { hasProven } from "./possession.ts";
import { DatagramTransport } from "./udp.ts";

/** Generous: generating a 4096-bit key may take seconds. */
const DEADLINE_MS = 60_000;
const AES128_CM_HMAC_SHA1_80 = 1;
/** Content type of a record (RFC 5246, section 6.2.1); the first byte of a message is the fourteenth of its datagram. */
const HANDSHAKE = 22;

const CERTIFICATES = {
  "P-256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  "P-384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
  "P-521": ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
  "RSA 2048": ["rsa:2048"],
  "RSA 4096": ["rsa:4096"],
};

for (const [name, key] of Object.entries(CERTIFICATES)) {
  Deno.test(`A server with a ${name} certificate is connected and has proven its key`, async () => {
    assert.deepEqual(await shakeHands({ key }), { proven: true, connected: true });
  });
}

for (const group of ["X25519", "P-256", "P-384", "P-521"]) {
  Deno.test(`A server that prefers ${group} for the key agreement is connected`, async () => {
    const key = CERTIFICATES["RSA 2048"];
    assert.deepEqual(await shakeHands({ key, options: preferring(group) }), {
      proven: true,
      connected: true,
    });
  });
}

Deno.test("A server without extended master secret is connected with an added group", async () => {
  const options = preferring("P-384");
  const dropExtension = (dtls: DtlsClient) => {
    dtls.extensions = dtls.extensions.filter(({ type }) => type !== 23);
  };
  assert.deepEqual(await shakeHands({ key: CERTIFICATES["RSA 2048"], options, prepare: dropExtension }), {
    proven: true,
    connected: true,
  });
});

Deno.test("A server whose last flight is lost retransmits it", async () => {
  const losing = { key: CERTIFICATES["P-256"], losesLastFlight: true };
  assert.deepEqual(await shakeHands(losing), { proven: true, connected: true });
});

Deno.test("A server whose HelloVerifyRequest arrives twice is connected", async () => {
  const twice = { key: CERTIFICATES["P-256"], options: ["-listen"], doubles: 3 };
  assert.deepEqual(await shakeHands(twice), { proven: true, connected: true });
});

/** P-256 is the curve of our own certificate. */
const preferring = (group: string) => [
  "-serverpref",
  "-groups",
  group === "P-256" ? group : `${group}:P-256`,
];

/**
 * A client's handshake with `openssl s_server`, which asks for the client's certificate as an SFU does. `connected` means
 * that the server has accepted the client's Finished too: it responds with its own.
 */
async function shakeHands(
  { key, options = [], prepare = () => {}, losesLastFlight = false, doubles }: {
    key: readonly string[];
    /** Whether datagrams between our Finished and its retransmission are lost. */
    losesLastFlight?: boolean;
    /** The type of handshake message whose datagrams are duplicated. */
    doubles?: number;
    options?: readonly string[];
    prepare?: (dtls: DtlsClient) => void;
  },
): Promise<{ proven: boolean; connected: boolean }> {
  await using certificate = await makeOwnCertificate(key);
  using ports = ClaimedPorts.claim();
  const port = ports.next();
  await using _server = startServer(port, [
    ...["-cert", certificate.certPath, "-key", certificate.keyPath],
    ...options,
  ]);
  const socket = new DatagramTransport("udp4", { interfaceAddresses: { udp4: "127.0.0.1" } });
  const { certPem, privateKey, signatureHash } = await RTCDtlsTransport.SetupCertificate();
  let finished = 0;
  const dtls = new DtlsClient({
    cert: certPem,
    key: privateKey,
    signatureHash,
    transport: Object.assign(Object.create(socket), {
      onData: () => {},
      send: (data: Uint8Array) => {
        if (epochOf(data) === 1) finished++;
        return socket.send(data, ["127.0.0.1", port]);
      },
    }),
    srtpProfiles: [AES128_CM_HMAC_SHA1_80],
    extendedMasterSecret: true,
  });
  socket.onData = (data, from) => {
    if (losesLastFlight && finished === 1) return;
    const times = data[0] === HANDSHAKE && data[13] === doubles ? 2 : 1;
    for (let time = 0; time < times; time++) dtls.transport.socket.onData(data, [...from]);
  };
  extendHandshake(dtls);
  const handle = dtls.onHandleHandshakes;
  const handling: Promise<void>[] = [];
  dtls.onHandleHandshakes = (messages) => {
    const handled = handle(messages);
    handling.push(handled.catch(() => {}));
    return handled;
  };
  prepare(dtls);
  const ended = Promise.withResolvers<boolean>();
  dtls.onConnect.once(() => ended.resolve(true));
  dtls.onError.once(() => ended.resolve(false));
  dtls.onClose.once(() => ended.resolve(false)); // by an alert
  const timer = setTimeout(() => ended.reject(new Error("The handshake timed out")), DEADLINE_MS);
  const connecting = dtls.connect().catch(() => ended.resolve(false));
  try {
    const connected = await ended.promise;
    return { proven: hasProven(dtls), connected };
  } finally {
    clearTimeout(timer);
    dtls.dtls.flight = Number.MAX_SAFE_INTEGER; // ends retransmissions
    await Promise.all([connecting, ...handling]);
    await socket.close();
  }
}

/** Of the first record of a datagram: 1 once it is encrypted (RFC 6347, section 4.1). */
const epochOf = (datagram: Uint8Array) => datagram[3] << 8 | datagram[4];

function startServer(port: number, args: readonly string[]): AsyncDisposable {
  const server = new Deno.Command("openssl", {
    args: [
      ...["s_server", "-dtls1_2", "-accept", `127.0.0.1:${port}`, "-quiet", "-verify", "1"],
      ...["-use_srtp", "SRTP_AES128_CM_SHA1_80", ...args],
    ],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    [Symbol.asyncDispose]: async () => {
      await server.stdin.close();
      try {
        server.kill("SIGKILL");
      } catch {
        // It has already exited.
      }
      await server.status;
    },
  };
}

import assert from "@std/assert";
import { makeCertificates } from "../../tests/fakes/certificates.ts";
import type { TlsOptions } from "./tls.ts";
import { openRead } from "../../tests/fakes/websocket_messages.ts";
import type { WebSocketOptions } from "./websocket.ts";

/** A wss server that says `hello`, certified for `subjectAltName` by a CA nobody knows. */
async function secureServer(subjectAltName: string) {
  const { ca, cert, key } = await makeCertificates(subjectAltName);
  const sockets = new Set<WebSocket>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, cert, key, onListen: () => {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    sockets.add(socket);
    socket.onopen = () => socket.send("hello");
    return response;
  });
  return {
    ca,
    url: `wss://127.0.0.1:${server.addr.port}/`,
    upgrades: sockets,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Says what the server at `Deno.args[0]` says to one who trusts the CA `Deno.args[1]` besides the built-in ones. */
const IN_ANOTHER_PROCESS = `
  import { openRead } from "${new URL("../../tests/fakes/websocket_messages.ts", import.meta.url)}";
  const [url, ca] = Deno.args;
  const { signal } = new AbortController();
  const options = { signal, openTimeoutMs: 10_000, maxMessageSize: 1_000, tls: { caCerts: [ca] } };
  await using duplex = await openRead(url, options);
  const { value } = await duplex.messages.getReader().read();
  await Deno.stdout.write(new TextEncoder().encode(value));
`;

async function greeting(
  url: string,
  tls?: TlsOptions,
  options: Partial<WebSocketOptions> = {},
): Promise<unknown> {
  await using duplex = await openRead(url, {
    signal: new AbortController().signal,
    openTimeoutMs: 10_000,
    maxMessageSize: 1_000,
    tls,
    ...options,
  });
  return (await duplex.messages.getReader().read()).value;
}

Deno.test("A server certified by an own CA is reached with that CA and refused without it", async () => {
  await using server = await secureServer("IP:127.0.0.1");
  await assert.rejects(greeting(server.url), /Cannot open WebSocket: the certificate is not trusted$/);
  assert.equal(server.upgrades.size, 0);
  assert.equal(await greeting(server.url, { caCerts: [server.ca] }), "hello");
});

Deno.test("A certificate for another host is refused even with its CA", async () => {
  await using server = await secureServer("DNS:other.example");
  await assert.rejects(
    greeting(server.url, { caCerts: [server.ca] }),
    /Cannot open WebSocket: the certificate is for another host$/,
  );
  assert.equal(server.upgrades.size, 0);
});

Deno.test("An own CA is added to the built-in ones and does not replace them", async () => {
  await using server = await secureServer("IP:127.0.0.1");
  const { ca: another } = await makeCertificates("IP:127.0.0.1");
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/ca.pem`, server.ca);
    // What is built in is known when a process starts; DENO_CERT adds to it.
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", IN_ANOTHER_PROCESS, server.url, another],
      cwd: new URL("../..", import.meta.url),
      env: { DENO_CERT: `${folder}/ca.pem` },
      stderr: "null",
    }).output();
    assert.equal(new TextDecoder().decode(stdout), "hello");
    assert.equal(code, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Skipping verification accepts an unknown CA and another host's certificate, for that one connection", async () => {
  await using server = await secureServer("DNS:other.example");
  assert.equal(await greeting(server.url, { skipVerify: true }), "hello");
  await assert.rejects(greeting(server.url), /Cannot open WebSocket: the certificate is not trusted$/);
  assert.equal(server.upgrades.size, 1);
});

Deno.test("A server that accepts and never answers TLS is abandoned, by time or by signal", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `wss://127.0.0.1:${listener.addr.port}/`;
  const abort = new AbortController();
  const attempts = [greeting(url, {}, { openTimeoutMs: 100 }), greeting(url, {}, { signal: abort.signal })];
  attempts[1].catch(() => {});
  const conns = [await listener.accept(), await listener.accept()];
  abort.abort(new Error("changed my mind"));
  await assert.rejects(attempts[0], /within 100 ms/);
  await assert.rejects(attempts[1], /changed my mind/);
  for (const conn of conns) {
    while (await conn.read(new Uint8Array(4_096)) !== null); // the client has hung up
    conn.close();
  }
});

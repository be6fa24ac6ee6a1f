/** HTTP requests and WebSockets through a proxy. */
import assert from "@std/assert";
import { makeCertificates } from "../../tests/fakes/certificates.ts";
import { FakeProxy, type FakeProxyOptions } from "../../tests/fakes/proxy.ts";
import { httpRequest, type HttpRequestOptions } from "./http_request.ts";
import type { TlsOptions } from "./tls.ts";
import { openRead } from "../../tests/fakes/websocket_messages.ts";
import { WebSocketOpenError, type WebSocketOptions } from "./websocket.ts";

const HOST = "peer.example";
const NEVER = new AbortController().signal;

/** A server that greets, plain or certified for HOST, and a proxy that knows where HOST is. */
async function behindProxy(options: { secure?: boolean; proxy?: Partial<FakeProxyOptions> } = {}) {
  const certificates = options.secure ? await makeCertificates(`DNS:${HOST}`) : undefined;
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    ...(certificates && { cert: certificates.cert, key: certificates.key }),
  }, async (request) => {
    const { pathname, search } = new URL(request.url);
    if (request.headers.get("upgrade") === null) {
      return new Response(
        `${request.method} ${request.headers.get("host")} ${pathname}${search} ${await request.text()}`,
      );
    }
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send("hello");
    socket.onmessage = ({ data }) => socket.send(data);
    return response;
  });
  const proxy = new FakeProxy({ hosts: { [HOST]: server.addr.port }, ...options.proxy });
  const route: TlsOptions = {
    ...(certificates && { caCerts: [certificates.ca] }),
    proxies: { http: proxy.url, https: proxy.url, except: [] },
  };
  const [http, ws] = certificates ? ["https", "wss"] : ["http", "ws"];
  return {
    proxy,
    route,
    http: (extra: Partial<HttpRequestOptions> = {}) =>
      httpRequest(`${http}://${HOST}/path?query=1`, {
        signal: NEVER,
        timeoutMs: 10_000,
        bodyBytesMax: 1_000,
        tls: route,
        ...extra,
      }),
    ws: (extra: Partial<WebSocketOptions> = {}) =>
      openRead(`${ws}://${HOST}/spreed`, {
        signal: NEVER,
        openTimeoutMs: 10_000,
        maxMessageSize: 1_000_000,
        tls: route,
        ...extra,
      }),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await server.shutdown();
    },
  };
}

for (const secure of [false, true]) {
  const kind = secure ? "secure" : "plain";

  Deno.test(`A ${kind} request goes through the proxy, and is the same to the server`, async () => {
    await using world = await behindProxy({ secure });
    const { status, body } = await world.http({ method: "POST", body: "text" });
    assert.deepEqual([status, body], [200, `POST ${HOST} /path?query=1 text`]);
    const asked = secure ? `CONNECT ${HOST}:443 HTTP/1.1` : `POST http://${HOST}/path?query=1 HTTP/1.1`;
    assert.deepEqual(world.proxy.asked, [asked]);
  });

  Deno.test(`A ${kind} WebSocket goes through the proxy, both ways`, async () => {
    await using world = await behindProxy({ secure });
    {
      await using duplex = await world.ws();
      const messages = duplex.messages.getReader();
      assert.equal((await messages.read()).value, "hello");
      const audio = new Uint8Array(100_000).map((_, index) => index);
      duplex.send(audio);
      assert.deepEqual((await messages.read()).value, audio);
      await duplex.close();
      assert.equal((await duplex.closed).clean, true);
    }
    assert.deepEqual(world.proxy.asked, [`CONNECT ${HOST}:${secure ? 443 : 80} HTTP/1.1`]);
  });

  Deno.test(`An excepted host is reached without the proxy (${kind})`, async () => {
    await using world = await behindProxy({ secure });
    const tls = { ...world.route, proxies: { ...world.route.proxies, except: [".example"] } };
    await assert.rejects(world.http({ tls }), /^Error: Cannot connect/); // nobody else knows that name
    await assert.rejects(world.ws({ tls }), /^WebSocketOpenError: Cannot open WebSocket/);
    assert.deepEqual(world.proxy.asked, []);
  });

  Deno.test(`A proxy that refuses is named as the cause (${kind})`, async () => {
    await using world = await behindProxy({ secure });
    world.proxy.refusal = "403 Forbidden";
    await assert.rejects(world.ws(), (error: unknown) => {
      if (!(error instanceof WebSocketOpenError)) return false;
      assert.equal(error.message, "Cannot open WebSocket: the proxy answered 403");
      assert.equal(error.status, undefined, "it is not the server's");
      return true;
    });
    if (secure) await assert.rejects(world.http(), /^Error: Cannot connect: the proxy answered 403$/);
  });

  Deno.test(`A proxy that sends nothing is abandoned after the timeout (${kind})`, async () => {
    await using world = await behindProxy({ secure });
    world.proxy.isSilent = true;
    await assert.rejects(world.http({ timeoutMs: 200 }), /none within 200 ms/);
    await assert.rejects(world.ws({ openTimeoutMs: 200 }), /no answer within 200 ms/);
    const abort = new AbortController();
    const reason = new Error("the call is over");
    const opening = world.ws({ signal: abort.signal });
    setTimeout(() => abort.abort(reason), 50);
    await assert.rejects(opening, (error: unknown) => error === reason);
  });

  Deno.test(`An unreachable proxy is named as the cause (${kind})`, async () => {
    const world = await behindProxy({ secure });
    await world[Symbol.asyncDispose]();
    await assert.rejects(
      world.ws(),
      /^WebSocketOpenError: Cannot open WebSocket: the proxy is out of reach$/,
    );
    await assert.rejects(world.http(), /^Error: Cannot connect: the proxy is out of reach$/);
  });
}

Deno.test("A proxy gets its credentials, and no error contains them", async () => {
  await using world = await behindProxy({ secure: true, proxy: { credentials: "user:p%40ss" } });
  assert.equal((await world.http()).status, 200);
  await using duplex = await world.ws();
  assert.equal((await duplex.messages.getReader().read()).value, "hello");

  const wrong = new URL(world.proxy.url);
  wrong.password = "5ecret";
  const tls = { ...world.route, proxies: { https: wrong.href, except: [] } };
  await assert.rejects(world.http({ tls }), (error: unknown) => {
    assert.match(Deno.inspect(error), /the proxy answered 407/);
    assert.doesNotMatch(Deno.inspect(error), /5ecret/);
    return true;
  });
});

Deno.test("A plain request sends the proxy its credentials too", async () => {
  await using world = await behindProxy({ proxy: { credentials: "user:secret" } });
  assert.equal((await world.http()).status, 200);
});

Deno.test("A plain request whose credentials the proxy refuses is not the server's refusal", async () => {
  await using world = await behindProxy({ proxy: { credentials: "user:secret" } });
  const tls = { proxies: { http: `http://127.0.0.1:${world.proxy.port}`, except: [] } };
  await assert.rejects(world.http({ tls }), /^Error: Cannot connect: the proxy answered 407$/);
});

Deno.test("A server's certificate is checked through the proxy as without it", async () => {
  await using world = await behindProxy({ secure: true });
  const untrusting = { proxies: world.route.proxies };
  await assert.rejects(
    world.http({ tls: untrusting }),
    /^Error: Cannot connect: refused, lost, or not trusted$/,
  );
  await assert.rejects(world.ws({ tls: untrusting }), /^WebSocketOpenError: /);
  assert.equal((await world.http({ tls: { ...untrusting, skipVerify: true } })).status, 200);
});

Deno.test("A proxy over TLS is verified by the same certificates", async () => {
  const { ca, cert, key } = await makeCertificates("IP:127.0.0.1");
  await using world = await behindProxy({ secure: true, proxy: { certificate: { cert, key } } });
  const caCerts = [...world.route.caCerts ?? [], ca];
  assert.equal((await world.http({ tls: { ...world.route, caCerts } })).status, 200);
  await assert.rejects(world.http(), /^Error: Cannot connect: the proxy is out of reach$/);
});

import assert from "@std/assert";
import { makeCertificates } from "../../tests/fakes/certificates.ts";
import { httpGet, type HttpGetOptions } from "./http_get.ts";

function serve(
  answer: (request: Request) => Response | Promise<Response>,
  tls?: { cert: string; key: string },
) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {}, ...tls }, answer);
  return {
    url: `${tls ? "https" : "http"}://127.0.0.1:${server.addr.port}/path?query=1`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const options = (extra: Partial<HttpGetOptions> = {}): HttpGetOptions => ({
  signal: new AbortController().signal,
  timeoutMs: 10_000,
  bodyBytesMax: 1_000,
  ...extra,
});

Deno.test("A GET carries its headers and query, and gives back status and body", async () => {
  await using server = serve((request) => {
    return new Response(`${new URL(request.url).search} ${request.headers.get("x-asked")}`, { status: 418 });
  });
  const answer = await httpGet(server.url, options({ headers: { "X-Asked": "yes" } }));
  assert.deepEqual(answer, { status: 418, body: "?query=1 yes" });
});

Deno.test("A body over the bound is refused", async () => {
  await using server = serve(() => new Response("x".repeat(1_001)));
  await assert.rejects(httpGet(server.url, options()), /too long/);
});

Deno.test("A server that never answers is given up, by time or by signal", async () => {
  const never = Promise.withResolvers<Response>();
  {
    await using server = serve(() => never.promise);
    await assert.rejects(httpGet(server.url, options({ timeoutMs: 50 })), /none within 50 ms/);
    const controller = new AbortController();
    const asked = httpGet(server.url, options({ signal: controller.signal }));
    controller.abort(new Error("enough"));
    await assert.rejects(asked, /enough/);
    never.resolve(new Response());
  }
});

Deno.test("Nobody there is an error that names no address", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await assert.rejects(
    httpGet(`http://127.0.0.1:${port}/`, options()),
    (error: Error) => /Cannot connect/.test(error.message) && !error.message.includes(String(port)),
  );
});

Deno.test("A certificate is checked against the CAs given, unless this request skips that", async () => {
  const { ca, cert, key } = await makeCertificates("IP:127.0.0.1");
  await using server = serve(() => new Response("secret"), { cert, key });
  await assert.rejects(httpGet(server.url, options()), /Cannot connect/);
  assert.equal((await httpGet(server.url, options({ tls: { caCerts: [ca] } }))).body, "secret");
  assert.equal((await httpGet(server.url, options({ tls: { skipVerify: true } }))).body, "secret");
});

import assert from "@std/assert";
import { makeCertificates } from "../../tests/fakes/certificates.ts";
import { httpRequest, type HttpRequestOptions } from "./http_request.ts";

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

const options = (extra: Partial<HttpRequestOptions> = {}): HttpRequestOptions => ({
  signal: new AbortController().signal,
  timeoutMs: 10_000,
  bodyBytesMax: 1_000,
  ...extra,
});

Deno.test("A GET sends its headers and query, and resolves with status, headers and body", async () => {
  await using server = serve((request) => {
    const { search } = new URL(request.url);
    return new Response(`${request.method} ${search} ${request.headers.get("x-asked")}`, {
      status: 418,
      headers: { "Retry-After": "7" },
    });
  });
  const answer = await httpRequest(server.url, options({ headers: { "X-Asked": "yes" } }));
  assert.equal(answer.status, 418);
  assert.equal(answer.body, "GET ?query=1 yes");
  assert.equal(answer.headers["retry-after"], "7");
});

Deno.test("A body is sent whole, with its length in bytes, by the given method", async () => {
  await using server = serve(async (request) => {
    const { headers, method } = request;
    return new Response(
      [method, headers.get("content-type"), headers.get("content-length"), await request.text()].join(" "),
    );
  });
  for (const method of ["POST", "PUT"] as const) {
    const headers = { "Content-Type": "text/plain" };
    const answer = await httpRequest(server.url, options({ method, headers, body: "grün" }));
    assert.equal(answer.body, `${method} text/plain 5 grün`);
  }
});

Deno.test("A body of bytes is sent as it is", async () => {
  await using server = serve(async (request) => {
    const bytes = new Uint8Array(await request.arrayBuffer());
    return new Response(`${request.headers.get("content-length")} ${bytes.join(" ")}`);
  });
  const body = Uint8Array.from([0, 255, 13, 10, 128]);
  const answer = await httpRequest(server.url, options({ method: "POST", body }));
  assert.equal(answer.body, "5 0 255 13 10 128");
});

Deno.test("A body over the bound is refused", async () => {
  await using server = serve(() => new Response("x".repeat(1_001)));
  await assert.rejects(httpRequest(server.url, options()), /too long/);
});

Deno.test("A server that never answers is abandoned, by time or by signal", async () => {
  const never = Promise.withResolvers<Response>();
  {
    await using server = serve(() => never.promise);
    await assert.rejects(httpRequest(server.url, options({ timeoutMs: 50 })), /none within 50 ms/);
    const controller = new AbortController();
    const asked = httpRequest(server.url, options({ signal: controller.signal }));
    controller.abort(new Error("enough"));
    await assert.rejects(asked, /enough/);
    never.resolve(new Response());
  }
});

Deno.test("A refused connection is an error that contains no address", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await assert.rejects(
    httpRequest(`http://127.0.0.1:${port}/`, options()),
    (error: Error) => /Cannot connect/.test(error.message) && !error.message.includes(String(port)),
  );
});

Deno.test("A certificate is checked against the CAs given, unless this request skips that", async () => {
  const { ca, cert, key } = await makeCertificates("IP:127.0.0.1");
  await using server = serve(() => new Response("secret"), { cert, key });
  await assert.rejects(httpRequest(server.url, options()), /Cannot connect/);
  assert.equal((await httpRequest(server.url, options({ tls: { caCerts: [ca] } }))).body, "secret");
  assert.equal((await httpRequest(server.url, options({ tls: { skipVerify: true } }))).body, "secret");
});

Deno.test("A response in chunks of one byte is read whole, and a too long one is not", async () => {
  const pieces = (count: number) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < count; at++) controller.enqueue(Uint8Array.of(97 + at % 26));
        controller.close();
      },
    });
  let length = 9_000;
  await using server = serve(() => new Response(pieces(length)));
  const { body } = await httpRequest(server.url, options({ bodyBytesMax: 10_000 }));
  assert.equal(body, Array.from({ length }, (_, at) => String.fromCharCode(97 + at % 26)).join(""));
  length = 10_001;
  await assert.rejects(httpRequest(server.url, options({ bodyBytesMax: 10_000 })), /it is too long/);
});

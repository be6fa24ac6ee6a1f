import assert from "@std/assert";
import { makeCertificates } from "../../tests/fakes/certificates.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { httpDownload, type HttpDownloadOptions } from "./http_download.ts";

function serve(
  answer: (request: Request) => Response | Promise<Response>,
  tls?: { cert: string; key: string },
) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {}, ...tls }, answer);
  return {
    url: `${tls ? "https" : "http"}://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const options = (extra: Partial<HttpDownloadOptions> = {}): HttpDownloadOptions => ({
  signal: new AbortController().signal,
  silentMs: 10_000,
  ...extra,
});

async function textOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of pieces) text += decoder.decode(piece, { stream: true });
  return text;
}

Deno.test("A body comes in pieces, with its status and headers, and the request's headers are sent", async () => {
  await using server = serve((request) =>
    new Response(`${request.headers.get("range")} ${"x".repeat(1_000_000)}`, {
      status: 206,
      headers: { "X-Own": "yes" },
    })
  );
  await httpDownload(server.url, options({ headers: { Range: "bytes=5-" } }), async (body) => {
    assert.deepEqual([body.status, body.headers["x-own"]], [206, "yes"]);
    const text = await textOf(body.pieces);
    assert.equal(text.length, 1_000_009);
    assert.match(text, /^bytes=5- x/);
  });
});

Deno.test("Redirects are followed, to other servers too, but not in a circle", async () => {
  await using other = serve(() => new Response("there"));
  await using server = serve((request) => {
    const { pathname } = new URL(request.url);
    const location = pathname === "/one" ? "/two" : pathname === "/two" ? `${other.url}/` : "/circle";
    return new Response("redirected", { status: 302, headers: { Location: location } });
  });
  assert.equal(await httpDownload(`${server.url}/one`, options(), ({ pieces }) => textOf(pieces)), "there");
  const circle = httpDownload(`${server.url}/circle`, options(), () => assert.fail("received"));
  await assert.rejects(circle, /more than 5 redirects/);
});

Deno.test("A secure address does not lead to an insecure one, or to a file", async () => {
  const { ca, cert, key } = await makeCertificates("IP:127.0.0.1");
  for (const location of ["http://127.0.0.1:1/", "file:///etc/passwd"]) {
    await using server = serve(() => new Response(null, { status: 301, headers: { Location: location } }), {
      cert,
      key,
    });
    const download = httpDownload(
      server.url,
      options({ tls: { caCerts: [ca] } }),
      () => assert.fail("received"),
    );
    await assert.rejects(download, /redirects to no secure address/);
  }
});

Deno.test("A certificate that is not trusted ends it, without the address in the error", async () => {
  const { ca, cert, key } = await makeCertificates("IP:127.0.0.1");
  await using server = serve(() => new Response("secret"), { cert, key });
  const untrusted = httpDownload(server.url, options(), () => assert.fail("received"));
  await assert.rejects(
    untrusted,
    (error: Error) => error.message === "Cannot connect: refused, lost, or not trusted",
  );
  const tls = { caCerts: [ca] };
  assert.equal(await httpDownload(server.url, options({ tls }), ({ pieces }) => textOf(pieces)), "secret");
});

Deno.test("A connection lost within the body is an error, after the pieces that came", async () => {
  for (const head of ["Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = (async () => {
      using connection = await listener.accept();
      await connection.read(new Uint8Array(4_096));
      await connection.write(new TextEncoder().encode(`HTTP/1.1 200 OK\r\n${head}`));
    })();
    let received = "";
    const lost = httpDownload(`http://127.0.0.1:${listener.addr.port}`, options(), async ({ pieces }) => {
      for await (const piece of pieces) received += new TextDecoder().decode(piece);
    });
    await assert.rejects(lost, /connection lost/, head);
    assert.equal(received, "half");
    await serving;
    listener.close();
  }
});

Deno.test("A silent server is abandoned, before its response and within it; a slow reader is not", async () => {
  const clock = new FakeClock();
  const within = { silentMs: 30_000, clock };
  const asked = Promise.withResolvers<void>();
  const never = Promise.withResolvers<Response>();
  {
    await using server = serve(() => {
      asked.resolve();
      return never.promise;
    });
    const silent = httpDownload(server.url, options(within), () => assert.fail("received"));
    await asked.promise;
    await clock.advance(30_000);
    await assert.rejects(silent, /nothing for 30000 ms/);
    never.resolve(new Response());
  }
  const body = new TransformStream<Uint8Array, Uint8Array>();
  const writer = body.writable.getWriter();
  await using server = serve(() => new Response(body.readable));
  let received = 0;
  const download = httpDownload(server.url, options(within), async ({ pieces }) => {
    for await (const _ of pieces) {
      received++;
      await clock.advance(60_000); // the reader's own time
      if (received < 3) void writer.write(new Uint8Array(1));
      else void clock.advance(30_000); // after the next piece is asked for
    }
  });
  void writer.write(new Uint8Array(1));
  await assert.rejects(download, /nothing for 30000 ms/);
  assert.equal(received, 3);
  await writer.close();
});

Deno.test("The signal ends it, and so does an error of the reader; nothing stays open", async () => {
  await using server = serve(() => new Response("x".repeat(5_000_000)));
  const controller = new AbortController();
  const aborted = httpDownload(server.url, options({ signal: controller.signal }), async ({ pieces }) => {
    for await (const _ of pieces) controller.abort(new Error("enough"));
  });
  await assert.rejects(aborted, /enough/);
  const failed = httpDownload(server.url, options(), async ({ pieces }) => {
    for await (const _ of pieces) throw new Error("the disk is full");
  });
  await assert.rejects(failed, /the disk is full/);
  await assert.rejects(
    httpDownload(
      server.url,
      options({ signal: AbortSignal.abort(new Error("before")) }),
      () => assert.fail(),
    ),
    /before/,
  );
});

Deno.test("A refused connection is an error that contains no address", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await assert.rejects(
    httpDownload(`http://127.0.0.1:${port}/`, options(), () => assert.fail("received")),
    (error: Error) => /^Cannot connect: refused/.test(error.message),
  );
});

import assert from "@std/assert";
import { withJsonBody } from "./body.ts";
import { HttpError } from "./errors.ts";

function post(body: BodyInit): Request {
  return new Request("http://host/path", {
    method: "POST",
    body,
    headers: { "content-type": "application/json" },
  });
}

const refusedWith = (status: number) => (error: unknown) =>
  error instanceof HttpError && error.fault.status === status;

/** A body that stalls after the given chunks. */
function stalled(chunks: readonly string[], onCancel: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
    },
    cancel: onCancel,
  });
}

Deno.test("A body that does not arrive in time is cancelled", async () => {
  let cancelled = false;
  const request = post(stalled(['{"room'], () => cancelled = true));
  await assert.rejects(withJsonBody(request, 20), refusedWith(408));
  assert.equal(cancelled, true);
});

Deno.test("A body that is too large is cancelled at the limit", async () => {
  let pulled = 0;
  let cancelled = false;
  const endless = new ReadableStream({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(16_384).fill(0x20));
    },
    cancel: () => void (cancelled = true),
  });
  await assert.rejects(withJsonBody(post(endless)), refusedWith(413));
  assert.equal(cancelled, true);
  assert.ok(pulled <= 6, `${pulled} chunks were taken`);
});

Deno.test("A character split between chunks is decoded", async () => {
  const bytes = new TextEncoder().encode('{"name":"é漢"}');
  const body = new ReadableStream({
    start(controller) {
      for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
      controller.close();
    },
  });
  const request = await withJsonBody(post(body));
  assert.deepEqual(await request.json(), { name: "é漢" });
  assert.equal(request.url, "http://host/path");
});

Deno.test("An incomplete body is 400", async () => {
  const broken = new ReadableStream({
    start(controller) {
      controller.error(new Error("connection reset"));
    },
  });
  await assert.rejects(withJsonBody(post(broken)), refusedWith(400));
});

Deno.test("A request without a body is 400", async () => {
  await assert.rejects(withJsonBody(new Request("http://host/", { method: "POST" })), refusedWith(400));
});

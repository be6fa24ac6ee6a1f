import assert from "@std/assert";
import { backendChecksum, FakeNextcloud } from "./nextcloud.ts";

const BACKEND = "/ocs/v2.php/apps/spreed/api/v3/signaling/backend";

async function ask(nextcloud: FakeNextcloud, message: Record<string, unknown>, secret = "secret") {
  const body = JSON.stringify(message);
  const random = "r".repeat(32);
  const response = await fetch(`${nextcloud.url}${BACKEND}`, {
    method: "POST",
    headers: {
      "Spreed-Signaling-Random": random,
      "Spreed-Signaling-Checksum": backendChecksum(secret, random, body),
    },
    body,
  });
  return (await response.json()).ocs.data;
}

Deno.test("The checksum is that of the HPB's documentation", () => {
  const body = '{"type":"auth","auth":{"version":"1.0","params":{"hello":"world"}}}';
  const random = "afb6b872ab03e3376b31bf0af601067222ff7990335ca02d327071b73c0119c6";
  assert.equal(
    backendChecksum("MySecretValue", random, body),
    "3c4a69ff328299803ac2879614b707c807b4758cf19450755c60656cac46e3bc",
  );
});

Deno.test("The fake Nextcloud answers the HPB's questions in OCS envelopes, and counts wrong checksums", async () => {
  await using nextcloud = await FakeNextcloud.start({ secret: "secret" });
  const auth = await ask(nextcloud, { type: "auth", auth: { version: "1.0", params: { userid: "ada" } } });
  assert.deepEqual(auth.auth, { version: "1.0", userid: "ada", user: { displayname: "ada" } });
  const room = await ask(nextcloud, {
    type: "room",
    room: { roomid: "t", sessionid: "nc", action: "leave" },
  });
  assert.equal(room.room.roomid, "t");
  assert.ok(room.room.permissions.includes("publish-audio"));
  const ping = await ask(nextcloud, { type: "ping", ping: { roomid: "t", entries: [] } });
  assert.equal(ping.type, "ping");
  assert.equal(ping.room.roomid, "t");
  assert.deepEqual(nextcloud.roomRequests, [{ roomToken: "t", ncSessionId: "nc", action: "leave" }]);
  assert.equal(nextcloud.badChecksums, 0);
  const refused = await ask(nextcloud, { type: "ping", ping: {} }, "another");
  assert.equal(refused.error.code, "invalid_request");
  assert.equal(nextcloud.badChecksums, 1);
});

Deno.test("The fake Nextcloud signs what it tells the HPB", async () => {
  const seen: { path: string; ok: boolean; type: string; backend: string | null }[] = [];
  await using hpb = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const body = await request.text();
    const { headers } = request;
    const random = headers.get("Spreed-Signaling-Random") ?? "";
    const ok = headers.get("Spreed-Signaling-Checksum") === backendChecksum("secret", random, body);
    const { type } = JSON.parse(body);
    seen.push({
      path: new URL(request.url).pathname,
      ok,
      type,
      backend: headers.get("Spreed-Signaling-Backend"),
    });
    return new Response("{}", { status: type === "delete" ? 403 : 200 });
  });
  const hpbUrl = `http://127.0.0.1:${hpb.addr.port}`;
  await using nextcloud = await FakeNextcloud.start({ secret: "secret" });
  await nextcloud.setInCall(hpbUrl, "t", [{ ncSessionId: "nc", inCall: 3 }]);
  await assert.rejects(nextcloud.deleteRoom(hpbUrl, "t"), /403/);
  const backend = `${nextcloud.url}/`;
  assert.deepEqual(seen, [
    { path: "/api/v1/room/t", ok: true, type: "incall", backend },
    { path: "/api/v1/room/t", ok: true, type: "delete", backend },
  ]);
});

/** The REST API with clients that hold connections, and without free descriptors: the service as a process. */
import assert from "@std/assert";
import { LIMITS } from "../../src/domain/mod.ts";
import { RawHttp } from "../fakes/raw_http.ts";
import { ServiceProcess } from "../load/service_process.ts";
import { eventually, metric } from "./world.ts";

const ENVIRONMENT = {
  LT_HPB_URL: "http://127.0.0.1:1",
  LT_INTERNAL_SECRET: "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
  NEXTCLOUD_URL: "http://127.0.0.1:1",
  STT_STREAM_URL: "ws://127.0.0.1:1",
  MEDIA_WORKERS: "1",
};
const ANSWER_MS = 5_000;

const portOf = ({ baseUrl }: ServiceProcess) => Number(new URL(baseUrl).port);

async function isHealthy({ baseUrl }: ServiceProcess): Promise<boolean> {
  const answer = await fetch(`${baseUrl}/healthz`, {
    headers: { connection: "close" },
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  await answer.body?.cancel();
  return answer.ok;
}

Deno.test("HTTP continues after the process was out of descriptors, which is logged once", async () => {
  await using service = await ServiceProcess.start({ environment: ENVIRONMENT, descriptorsMax: 1_000 });
  assert.ok(await isHealthy(service));
  await service.limitDescriptors(10);
  using early = await RawHttp.open(portOf(service));
  await early.send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await eventually("the failure is logged", () => service.log.some((line) => line.includes("EMFILE")));
  await service.limitDescriptors(1_000);
  assert.match(await early.readAll(), /^HTTP\/1\.1 200 /, "who called meanwhile is answered");
  assert.ok(await isHealthy(service));
  assert.equal(service.log.filter((line) => line.includes("EMFILE")).length, 1, service.log.join("\n"));
  assert.equal(await service.stop(), 0);
});

Deno.test("2,000 incomplete requests delay no valid client, and are few at any time", async () => {
  await using service = await ServiceProcess.start({ environment: ENVIRONMENT, descriptorsMax: 4_000 });
  const before = service.fdCount();
  const halves = await RawHttp.openHalves(portOf(service), 2_000);
  try {
    assert.ok(await isHealthy(service));
    const open = service.fdCount() - before;
    assert.ok(open <= LIMITS.httpConnections + 20, `${open} descriptors more`);
    assert.ok(await isHealthy(service));
    const closed = await metric(service.baseUrl, 'tiro_http_connections_closed_total{reason="too_many"}');
    assert.ok(closed >= 2_000 - LIMITS.httpConnections, `${closed} closed`);
    assert.equal(await metric(service.baseUrl, "tiro_descriptors_limit"), 4_000);
  } finally {
    for (const half of halves) half[Symbol.dispose]();
  }
});

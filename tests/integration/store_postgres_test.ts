/** The record store on a real PostgreSQL that stops, hangs, refuses, or belongs to others. */
import assert from "@std/assert";
import { StoreError } from "../../src/domain/mod.ts";
import { Scope, systemClock } from "../../src/flow/mod.ts";
import { openForReading, openRecords } from "../../src/store/mod.ts";
import { PostgresDatabase } from "../../src/store/postgres.ts";
import { SqlRecordStore } from "../../src/store/sql_store.ts";
import { audit, cue, transcript } from "../contract/store_contract.ts";
import { makeCertificates } from "../fakes/certificates.ts";
import { FakeClock } from "../fakes/clock.ts";
import { isPostgresInstalled, PostgresServer } from "../fakes/postgres.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { eventually } from "./world.ts";

const ignore = !isPostgresInstalled;
let server: PostgresServer;
let ca: string;

if (!ignore) {
  Deno.test.beforeAll(async () => {
    const certificates = await makeCertificates("IP:127.0.0.1");
    ca = certificates.ca;
    server = await PostgresServer.start(certificates);
  });
  Deno.test.afterAll(() => server[Symbol.asyncDispose]());
}

function opened(url: string, more: { caCerts?: string[]; readOnly?: boolean } = {}) {
  const database = new PostgresDatabase({ url, readOnly: false, clock: systemClock, ...more });
  return {
    database,
    store: new SqlRecordStore(database),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

/** The error of a store that cannot be used; nothing of the address is in it. */
async function errorOf(
  url: string,
  more: { caCerts?: string[]; readOnly?: boolean } = {},
): Promise<unknown[]> {
  await using under = opened(url, more);
  try {
    await under.store.transcripts({});
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    assert.doesNotMatch(Deno.inspect(error, { depth: 5 }), /pass-word|127\.0\.0\.1|secret-db/);
    return [error.code, error.retryable];
  }
  return ["none"];
}

Deno.test({
  name: "PostgreSQL stops while records are written: none is lost, all are in order",
  ignore,
  fn: async () => {
    await using server = await PostgresServer.start(); // the others need theirs
    const url = await server.url();
    const [log, meter] = [new FakeLog(), new FakeMeter()];
    const scope = new Scope("test");
    const records = openRecords({
      dataFolder: "/none",
      databaseUrl: url,
      scope,
      clock: systemClock,
      log,
      meter,
    });
    records.add(transcript("t"));
    await records.flush();
    let index = 0;
    const speaking = setInterval(() => records.add(cue("t", index++)), 5);
    await eventually("records are written", () => meter.counted("tiro_records_total", "written") > 20);
    await server.stop();
    await eventually("the loss is noticed", () => records.trouble === "records_delayed");
    const before = index;
    await eventually("more is said", () => index > before + 100);
    await server.resume();
    await eventually("records are written again", () => records.trouble === undefined, 40_000);
    clearInterval(speaking);
    await records.flush();
    const cues = await records.store.cues("t", 0, 10_000);
    assert.deepEqual(cues.map((each) => each.index), Array.from({ length: index }, (_, at) => at));
    assert.equal(meter.counted("tiro_records_total", "dropped"), 0);
    assert.equal(meter.counted("tiro_records_total", "written"), index + 1);
    assert.doesNotMatch(Deno.inspect(log.lines, { depth: 9 }), /pass-word|127\.0\.0\.1/);
    await scope[Symbol.asyncDispose]();
  },
});

Deno.test({
  name: "A record that PostgreSQL refuses is dropped alone",
  ignore,
  fn: async () => {
    const url = await server.url();
    const scope = new Scope("test");
    const meter = new FakeMeter();
    const records = openRecords({
      ...{ dataFolder: "/none", databaseUrl: url, scope, clock: systemClock, log: new FakeLog(), meter },
    });
    await records.flush();
    await records.store.transcripts({});
    await server.query("ALTER TABLE cues ADD CHECK (text <> 'poison')", url);
    records.add(transcript("t"));
    for (let index = 0; index < 9; index++) {
      records.add(cue("t", index, index === 4 ? { text: "poison" } : {}));
    }
    await records.flush();
    assert.equal((await records.store.cues("t", 0, 10)).length, 8);
    assert.equal(meter.counted("tiro_records_total", "refused"), 1);
    await scope[Symbol.asyncDispose]();
  },
});

Deno.test({
  name: "What is written to a transcript while another service deletes it does not stay",
  ignore,
  fn: async () => {
    const url = await server.url();
    await using one = opened(url);
    await using other = opened(url);
    for (let round = 0; round < 40; round++) {
      const id = `t${round}`;
      await one.store.write([transcript(id), cue(id, 0)]);
      const cues = Array.from({ length: 30 }, (_, index) => cue(id, index));
      // The batch may be refused: then each of its records is written alone.
      const writing = one.store.write(cues).catch((error) => assert.equal(error.code, "store_record"));
      await other.store.deleteTranscript(id);
      await writing;
    }
    assert.equal(await server.query("SELECT COUNT(*) FROM cues", url), "0");
  },
});

Deno.test({
  name: "Services that start at the same time make the tables once; a newer version's are refused",
  ignore,
  fn: async () => {
    const url = await server.url();
    const all = Array.from({ length: 5 }, () => opened(url));
    await Promise.all(all.map(({ store }, at) => store.write([audit(at)])));
    assert.equal((await all[0].store.audit({})).length, 5);
    for (const each of all) await each[Symbol.asyncDispose]();
    await server.query("UPDATE tiro_schema SET version = version + 1", url);
    assert.deepEqual(await errorOf(url), ["store_newer", false]);
    assert.deepEqual(await errorOf(url, { readOnly: true }), ["store_newer", false]);
  },
});

Deno.test({
  name: "Reading makes no tables, and tables of another program are left alone",
  ignore,
  fn: async () => {
    const url = await server.url();
    assert.deepEqual(await errorOf(url, { readOnly: true }), ["store_older", false]);
    await server.query("CREATE TABLE transcripts (whose text)", url);
    assert.deepEqual(await errorOf(url), ["store_foreign", false]);
    assert.equal(await server.query("SELECT to_regclass('tiro_schema') IS NULL", url), "t");
  },
});

Deno.test({
  name: "Wrong credentials and servers that are not there are named by their code alone",
  ignore,
  fn: async () => {
    assert.deepEqual(await errorOf(server.address("postgres", "pass-word-wrong")), ["store_refused", false]);
    assert.deepEqual(await errorOf(server.address("secret-db")), ["store_refused", false]);
    assert.deepEqual(await errorOf("postgres://tiro:pass-word@127.0.0.1:1/tiro"), ["store_away", true]);
    assert.deepEqual(await errorOf("postgres://tiro:pass-word@nowhere.invalid/tiro"), ["store_away", true]);
  },
});

Deno.test({
  name: "The address says how TLS is used, and verify-full wants a certificate that is trusted",
  ignore,
  fn: async () => {
    const ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    const usedWith = async (options: string, caCerts?: string[]) => {
      await using under = opened(await server.url(options), { caCerts });
      const [[row]] = await under.database.transact([{
        sql: `SELECT CAST((${ssl}) AS TEXT) AS ssl`,
        values: [],
      }]);
      return row.ssl;
    };
    assert.equal(await usedWith("?sslmode=disable"), "false");
    assert.equal(await usedWith(""), "true");
    assert.equal(await usedWith("?sslmode=require"), "true");
    assert.equal(await usedWith("?sslmode=verify-full", [ca]), "true");
    assert.deepEqual(await errorOf(await server.url("?sslmode=verify-full")), ["store_away", true]);
    const elsewhere = (await server.url("?sslmode=verify-full")).replace("127.0.0.1", "localhost");
    assert.deepEqual(await errorOf(elsewhere, { caCerts: [ca] }), ["store_away", true], "of another name");
  },
});

Deno.test({
  name: "A server that does not reply is given up, and the next request connects again",
  ignore,
  fn: async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const held: Deno.Conn[] = [];
    const accepting = (async () => {
      for await (const connection of listener) held.push(connection);
    })();
    const clock = new FakeClock();
    const url = `postgres://tiro:pass-word@127.0.0.1:${listener.addr.port}/tiro?sslmode=disable`;
    {
      await using database = new PostgresDatabase({ url, readOnly: false, clock });
      const store = new SqlRecordStore(database);
      for (const attempt of [1, 2]) {
        const refused = assert.rejects(store.transcripts({}), { code: "store_slow", retryable: true });
        await eventually("it connects", () => held.length === attempt);
        await clock.advance(16_000);
        await refused;
      }
    }
    listener.close();
    await accepting;
    for (const connection of held) connection.close();
  },
});

Deno.test({
  name: "What a service wrote can be read while it runs",
  ignore,
  fn: async () => {
    const url = await server.url();
    await using under = opened(url);
    await under.store.write([audit(1)]);
    await using reading = openForReading({
      ...{ dataFolder: "/none", databaseUrl: url, clock: systemClock, log: new FakeLog() },
    });
    assert.deepEqual(await reading.audit({}), [audit(1).record]);
  },
});

import assert from "@std/assert";
import { InvalidRequestError, type LogFields, UnavailableError } from "../domain/mod.ts";
import { createSilentLog } from "../../tests/fakes/telemetry.ts";
import { createLog, type LogOptions, standardError } from "./mod.ts";
import { LINES_MAX } from "./line_rate.ts";

const AT = "2026-03-04T05:06:07.890Z";

function setup(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLog({
    level: "info",
    format: "json",
    write: (line) => void lines.push(line),
    now: () => new Date(AT),
    ...options,
  });
  return { log, lines, last: () => JSON.parse(lines.at(-1)!) };
}

Deno.test("An event is one JSON line with its time, level, message and fields", () => {
  const { log, lines, last } = setup();
  log.info("Joined the call", { room: 7, speaker: "abc", resumed: false, nothing: undefined });
  assert.deepEqual(last(), {
    time: AT,
    level: "info",
    message: "Joined the call",
    room: 7,
    speaker: "abc",
    resumed: false,
  });
  assert.equal(lines.length, 1);
  assert.match(lines[0], /^[^\n]+\n$/);
});

Deno.test("As text an event is one readable line, with colours only where enabled", () => {
  const plain = setup({ format: "text" });
  plain.log.warn("Reconnecting", { attempt: 2, reason: "server said bye" });
  assert.deepEqual(plain.lines, ['05:06:07.890 WARN  Reconnecting attempt=2 reason="server said bye"\n']);

  const coloured = setup({ format: "text", colours: true });
  coloured.log.warn("Reconnecting");
  assert.ok(coloured.lines[0].includes("\x1b[33mWARN \x1b[0m"));
});

Deno.test("Lines below the level are not written", () => {
  const { log, lines } = setup({ level: "warn" });
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.error("d", new Error("e"));
  assert.deepEqual(lines.map((line) => JSON.parse(line).message), ["c", "d"]);
});

Deno.test("Lines that peers can cause are bounded per message; the rest is counted and reported", () => {
  let nowMs = Date.parse(AT);
  const { log, lines } = setup({ level: "debug", now: () => new Date(nowMs) });
  for (let index = 0; index < 180; index++) log.child({ speaker: index }).warn("Refused", { index });
  assert.equal(lines.length, LINES_MAX.warn);
  log.warn("Something else");
  for (let index = 0; index < 180; index++) log.debug("Asked for");
  assert.equal(lines.length, LINES_MAX.warn + 1 + 180, "nothing else is suppressed");
  nowMs += 60_000;
  log.info("Later");
  const [suppressed, later] = lines.slice(-2).map((line) => JSON.parse(line));
  assert.match(suppressed.message, /^log lines suppressed/);
  assert.deepEqual([suppressed.level, suppressed.of, suppressed.lines], [
    "warn",
    "Refused",
    180 - LINES_MAX.warn,
  ]);
  assert.equal(later.message, "Later");
  log.warn("Refused");
  assert.equal(JSON.parse(lines.at(-1)!).message, "Refused");
});

Deno.test("A child adds its fields to every line, and its caller's win", () => {
  const { log, last } = setup();
  const child = log.child({ room: 1, door: "talk" }).child({ speaker: "s" });
  child.info("Heard", { room: 2 });
  assert.deepEqual([last().room, last().door, last().speaker], [2, "talk", "s"]);
  log.info("Elsewhere");
  assert.equal("speaker" in last(), false);
});

Deno.test("An error is logged with its name, code and causes", () => {
  const { log, last, lines } = setup();
  const refused = Object.assign(new Error("connection refused"), { code: "ECONNREFUSED" });
  const error = new UnavailableError("Cannot join: HPB out of reach", "signaling_unreachable", refused);
  log.error("Join failed", error, { room: 3 });
  assert.deepEqual(last().error, {
    name: "UnavailableError",
    code: "signaling_unreachable",
    message: "Cannot join: HPB out of reach",
  });
  assert.deepEqual(last().causes, [{ name: "Error", code: "ECONNREFUSED", message: "connection refused" }]);
  assert.equal(last().room, 3);
  assert.equal(lines[0].includes("log_test.ts"), false, "no stack at this level");

  const text = setup({ format: "text" });
  text.log.error("Join failed", error);
  assert.equal(
    text.lines[0],
    "05:06:07.890 ERROR Join failed - UnavailableError (signaling_unreachable): " +
      "Cannot join: HPB out of reach <- Error (ECONNREFUSED): connection refused\n",
  );
});

Deno.test("At debug level an error comes with its stack, without repeating the message", () => {
  const { log, last } = setup({ level: "debug" });
  log.error("Failed", new InvalidRequestError("Cannot do: https://u:5ecret@host/?x=5ecret", "field"));
  assert.match(last().stack, /^\s+at .*log_test\.ts/);
  assert.ok(!JSON.stringify(last()).includes("5ecret"));
});

Deno.test("The first error of an aggregate is its cause, and a circular chain of causes ends", () => {
  const { log, last } = setup();
  log.error("Closing failed", new AggregateError([new Error("one"), new Error("two")], "both"));
  assert.deepEqual(last().causes.map((cause: { message: string }) => cause.message), ["one"]);

  const ring = new Error("ring");
  ring.cause = ring;
  log.error("Ring", ring);
  assert.equal(last().causes.length, 4);
});

Deno.test("Thrown values that are no errors are not shown", () => {
  const { log, lines, last } = setup();
  const hostile = Object.defineProperty(new Error("x"), "message", {
    get() {
      throw new Error("trap");
    },
  });
  for (const thrown of ["spoken words", 7, null, undefined, { secret: "spoken words" }, hostile]) {
    log.error("Failed", thrown);
  }
  assert.equal(lines.length, 6);
  assert.ok(!lines.join("").includes("spoken words"));
  assert.deepEqual(last().error, { name: "unknown", message: "an error that cannot be read" });
});

Deno.test("A log whose writer fails does not throw", () => {
  const { log } = setup({
    write: () => {
      throw new Error("disk full");
    },
  });
  log.info("Hello");
  log.error("Failed", new Error("x"));
});

Deno.test("Fields whose names mean secrets, tokens, SDP or speech are hidden", () => {
  const names = [
    ...["secret", "internalSecret", "MODAL_SECRET", "roomToken", "room_token", "token", "sdp", "offerSdp"],
    ...[
      "text",
      "finalText",
      "transcript",
      "caption",
      "speech",
      "apiKey",
      "password",
      "Authorization",
      "cookie",
    ],
    ...["credential", "turn-credentials", "displayName", "candidate"],
  ];
  for (const format of ["json", "text"] as const) {
    const { log, lines } = setup({ format });
    log.info("Event", Object.fromEntries(names.map((name) => [name, "5ecret"])) as LogFields);
    assert.ok(!lines[0].includes("5ecret"), lines[0]);
    assert.equal(lines[0].split("[hidden]").length - 1, names.length);
  }
  const { log, last } = setup();
  const harmless = { context: "a", monkey: "b", sttProvider: "kyutai", captions: 3, texture: "c", tokens: 5 };
  log.info("Event", harmless);
  const { time: _1, level: _2, message: _3, ...fields } = last();
  assert.deepEqual(fields, harmless);
});

Deno.test("Of URLs only the host is shown, and of messages only the first line", () => {
  const { log, last } = setup();
  log.info(
    "error sending request for url (wss://me:5ecret@hpb.example.org:8080/spreed?token=5ecret): refused",
  );
  assert.equal(last().message, "error sending request for url (wss://hpb.example.org:8080): refused");
  log.info("Event", { reason: "no answer from https://me:5ecret@hpb/?x=5ecret", other: "v=0\r\no=- 5ecret" });
  assert.deepEqual([last().reason, last().other], ["no answer from https://hpb", "v=0 ..."]);
  log.error("Failed", new Error("v=0\r\no=- 5ecret IN IP4 10.0.0.1\r\ns=-"));
  assert.equal(last().error.message, "v=0 ...");
  log.error("Failed", parseFailure("spoken words"));
  assert.deepEqual(last().error, { name: "SyntaxError", message: "[hidden]" });
});

Deno.test("Lines are bounded, whatever is logged", () => {
  const { log, lines, last } = setup();
  log.error("m".repeat(10_000), new Error("e".repeat(10_000)), { field: "f".repeat(10_000) });
  assert.ok(lines[0].length < 2_000);
  assert.equal(last().message.length, 500);
  assert.equal(last().field.length, 200);
  assert.ok(last().field.endsWith("..."));
});

Deno.test("A line is never longer than one write to a pipe", () => {
  const { log, lines } = setup({ level: "debug" });
  const wide = "\u4e2d".repeat(1_000);
  let error = new Error(wide);
  for (let depth = 0; depth < 6; depth++) error = new Error(wide, { cause: error });
  error.stack = `Error\n${`    at ${"a".repeat(100)}\n`.repeat(200)}`;
  const fields = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`field_${at}`, wide]));
  log.error("with all", error, fields);
  log.error("without fields", error);
  log.error("with a stack", Object.assign(new Error("short"), { stack: error.stack }));
  for (const line of lines) assert.ok(new TextEncoder().encode(line).length <= 4_096, line.slice(0, 60));
  const events = lines.map((line) => JSON.parse(line));
  assert.deepEqual(events.map(({ message }) => message), ["with all", "without fields", "with a stack"]);
  assert.equal(events[1].error.name, "Error");
  assert.equal(events[2].error.message, "short");
});

Deno.test("Nothing logged can forge a second line or control the terminal", () => {
  for (const format of ["json", "text"] as const) {
    const { log, lines } = setup({ format });
    log.info("one\x1b[2J", { field: "a\nb\x1b[2J", other: "c\rd" });
    assert.equal(lines[0].split("\n").length, 2);
    assert.ok(!lines[0].includes("\x1b") && !lines[0].includes("\r"));
  }
});

Deno.test("A field cannot replace one of the event's own", () => {
  const { log, last } = setup();
  log.info("Event", { level: "forged", time: 0, stack: true, number: NaN });
  assert.equal(last().level, "info");
  assert.equal(last().time, AT);
  assert.equal(last().field_level, "forged");
  assert.equal(last().field_stack, true);
  assert.equal(last().number, "NaN");
});

Deno.test("A silent log and its children write nothing", async () => {
  const written = await writtenBy(() => {
    const logs = [createSilentLog(), createSilentLog().child({ a: 1 }).child({ b: 2 })];
    for (const log of logs) {
      log.debug("x");
      log.info("x", { c: 3 });
      log.warn("x");
      log.error("x", new Error("y"));
    }
  });
  assert.deepEqual(written, []);
  assert.equal(
    (await writtenBy(() => createLog({ level: "info" }).info("x"))).length,
    1,
    "what is written is seen here",
  );
});

/** What reaches standard output and standard error meanwhile. */
async function writtenBy(work: () => void): Promise<string[]> {
  const written: string[] = [];
  const restore = [Deno.stdout, Deno.stderr].map((stream) => {
    const { write, writeSync } = stream;
    stream.writeSync = (bytes) => {
      written.push(new TextDecoder().decode(bytes));
      return bytes.length;
    };
    stream.write = (bytes) => Promise.resolve(stream.writeSync(bytes));
    return () => Object.assign(stream, { write, writeSync });
  });
  try {
    work();
    await standardError.flush(10_000);
  } finally {
    for (const undo of restore) undo();
  }
  return written;
}

function parseFailure(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    return error;
  }
}

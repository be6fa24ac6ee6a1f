import assert from "@std/assert";
import { type Decode, DECODE_KINDS, DecodeOrder } from "./decode_order.ts";

function all(order: DecodeOrder<string>): string[] {
  const found: string[] = [];
  for (let next: Decode<string> | undefined = order.next(); next; next = order.next()) {
    found.push(`${next.session} ${next.kind}`);
  }
  return found;
}

Deno.test("The most important kind comes first, each in its order", () => {
  const order = new DecodeOrder<string>();
  order.ask("a", "partial");
  order.ask("b", "ending");
  order.ask("c", "first");
  order.ask("d", "final");
  order.ask("e", "partial");
  order.ask("f", "first");
  order.ask("a", "final");
  assert.equal(order.waiting, 7);
  assert.deepEqual(all(order), [
    "d final",
    "a final",
    "c first",
    "f first",
    "b ending",
    "a partial",
    "e partial",
  ]);
  assert.equal(order.waiting, 0);
});

Deno.test("A session has one that is no final at the most, which keeps its place", () => {
  const order = new DecodeOrder<string>();
  for (const session of ["a", "b", "a", "b", "a"]) order.ask(session, "partial");
  assert.deepEqual(all(order), ["a partial", "b partial"]);
});

Deno.test("It becomes more important, and never less", () => {
  const order = new DecodeOrder<string>();
  for (const kind of ["partial", "ending", "partial"] as const) order.ask("a", kind);
  for (const kind of ["partial", "first", "ending"] as const) order.ask("b", kind);
  assert.deepEqual(all(order), ["b first", "a ending"]);
});

Deno.test("Every final of a session counts", () => {
  const order = new DecodeOrder<string>();
  order.ask("a", "final");
  order.ask("a", "final");
  assert.deepEqual(all(order), ["a final", "a final"]);
});

Deno.test("A session that ended is decoded no more", () => {
  for (const kind of DECODE_KINDS) {
    const order = new DecodeOrder<string>();
    for (const session of ["a", "b"]) order.ask(session, kind);
    assert.deepEqual(["a", "b", "c"].map((session) => order.has(session)), [true, true, false]);
    order.forget("a");
    assert.equal(order.has("a"), false);
    assert.deepEqual(all(order), [`b ${kind}`]);
  }
});

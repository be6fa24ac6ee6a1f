import assert from "@std/assert";
import { type Decode, DecodeOrder } from "./decode_order.ts";

function all(order: DecodeOrder<string>): string[] {
  const found: string[] = [];
  for (let next: Decode<string> | undefined = order.next(); next; next = order.next()) {
    found.push(`${next.session} ${next.kind}`);
  }
  return found;
}

Deno.test("Finals come before partials, each in their order", () => {
  const order = new DecodeOrder<string>();
  order.ask("a", "partial");
  order.ask("b", "final");
  order.ask("c", "partial");
  order.ask("a", "final");
  assert.deepEqual([order.waiting, order.finals], [4, 2]);
  assert.deepEqual(all(order), ["b final", "a final", "a partial", "c partial"]);
  assert.equal(order.waiting, 0);
});

Deno.test("A session has one partial at the most, which keeps its place", () => {
  const order = new DecodeOrder<string>();
  for (const session of ["a", "b", "a", "b", "a"]) order.ask(session, "partial");
  assert.deepEqual(all(order), ["a partial", "b partial"]);
});

Deno.test("Every final of a session counts", () => {
  const order = new DecodeOrder<string>();
  order.ask("a", "final");
  order.ask("a", "final");
  assert.deepEqual(all(order), ["a final", "a final"]);
});

Deno.test("A session that ended is decoded no more", () => {
  const order = new DecodeOrder<string>();
  for (const kind of ["final", "partial", "final"] as const) {
    for (const session of ["a", "b"]) order.ask(session, kind);
  }
  order.forget("a");
  assert.deepEqual(all(order), ["b final", "b final", "b partial"]);
});

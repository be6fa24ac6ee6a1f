import assert from "@std/assert";
import { z } from "zod";
import { listOf, texts, unknownMap } from "./lists.ts";

const MANY = Array(100_000).fill(1);
const issuesOf = (schema: z.ZodType, value: unknown) => schema.safeParse(value).error?.issues.length ?? 0;

Deno.test("A list is what it was, and one without end is one error, whatever it holds", () => {
  const names = listOf(z.object({ name: z.string() }));
  assert.deepEqual(names.parse([{ name: "a", more: 1 }, { name: "b" }]), [{ name: "a" }, { name: "b" }]);
  assert.equal(names.parse(Array(1_000).fill({ name: "a" })).length, 1_000);
  assert.equal(issuesOf(names, MANY), 1);
  assert.equal(issuesOf(names, MANY.map(() => ({ name: "a" }))), 1);
  for (const other of [undefined, null, {}, "a", [1]]) assert.equal(issuesOf(names, other), 1);
  assert.equal(issuesOf(names, { length: { toString: 1, valueOf: 1 } }), 1, "never thrown");
});

Deno.test("A map is what it was, PHP's empty list an empty one, and one without end is one error", () => {
  assert.deepEqual(unknownMap.parse({ a: 1 }), { a: 1 });
  assert.deepEqual(Object.keys(unknownMap.parse([])), []);
  assert.equal(issuesOf(unknownMap, Object.fromEntries(MANY.entries())), 1);
  for (const other of [undefined, null, "a", [1]]) assert.equal(issuesOf(unknownMap, other), 1);
});

Deno.test("Of a list of texts what is none is left out without an error each", () => {
  assert.deepEqual(texts.parse([...MANY, "a", null]), ["a"]);
  assert.equal(issuesOf(texts, {}), 1);
});

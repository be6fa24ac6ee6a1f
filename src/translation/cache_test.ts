import assert from "@std/assert";
import { TranslationCache } from "./cache.ts";

Deno.test("The translation used least recently makes room when there are too many", () => {
  const cache = new TranslationCache({ entries: 2, chars: 1_000 });
  cache.set("a", "1");
  cache.set("b", "2");
  assert.equal(cache.get("a"), "1");
  cache.set("c", "3");
  assert.deepEqual([cache.get("a"), cache.get("b"), cache.get("c")], ["1", undefined, "3"]);
});

Deno.test("Translations are bounded in characters as well, replaced ones not counted twice", () => {
  const cache = new TranslationCache({ entries: 100, chars: 20 });
  cache.set("a", "123456789");
  cache.set("a", "987654321");
  cache.set("b", "123456789");
  assert.deepEqual([cache.get("a"), cache.get("b")], ["987654321", "123456789"]);
  cache.set("c", "1");
  assert.deepEqual([cache.get("a"), cache.get("b"), cache.get("c")], [undefined, "123456789", "1"]);
  cache.set("d", "x".repeat(20));
  const left = ["a", "b", "c", "d"].map((key) => cache.get(key));
  assert.ok(left.every((text) => text === undefined), "one that is too long alone stays out");
});

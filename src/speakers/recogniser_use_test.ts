import assert from "@std/assert";
import { sumRecognisers } from "./recogniser_use.ts";

Deno.test("Speakers of a recogniser are those of all workers; its state is the worst of any", () => {
  const of = (modal: number, state: "available" | "starting" | "failing", local: number) => [
    { name: "modal", state, speakers: modal },
    { name: "local", state: "available" as const, speakers: local },
  ];
  assert.deepEqual(sumRecognisers([of(2, "available", 0), of(0, "failing", 3), of(1, "starting", 1)]), [
    { name: "modal", state: "failing", speakers: 3 },
    { name: "local", state: "available", speakers: 4 },
  ]);
  assert.deepEqual(sumRecognisers([]), []);
});

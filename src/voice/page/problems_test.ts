import assert from "@std/assert";
import { microphoneProblem, sessionProblem } from "./problems.js";

Deno.test("A problem that passes says that it is tried again, any other what to do", () => {
  const passing = [
    ["draining", 4503],
    ["recogniser_full", 4503],
    ["keys_unavailable", 4503],
    ["memory", 4503],
    [
      "too_slow",
      4409,
    ],
    ["connection", 1006],
    ["", 1012],
  ] as const;
  for (const [code, closed] of passing) {
    const { words, isPassing } = sessionProblem(code, closed);
    assert.ok(isPassing, code);
    assert.match(words, /tried again automatically\.$/, code);
  }
  const lasting = [
    ["token_expired", 4001],
    ["token_new_kind", 4001],
    ["bad_audio", 4400],
    [
      "language_unsupported",
      4400,
    ],
    ["idle", 4408],
    ["rate_limited", 4429],
  ] as const;
  for (const [code, closed] of lasting) {
    const { words, isPassing } = sessionProblem(code, closed);
    assert.ok(!isPassing, code);
    assert.match(words, /press Start/, code);
  }
});

Deno.test("Each way a microphone can be missing has words of its own", () => {
  const names = [
    "NotAllowedError",
    "NotFoundError",
    "NotReadableError",
    "OverconstrainedError",
    "UnknownError",
  ];
  assert.equal(new Set(names.map(microphoneProblem)).size, names.length);
  for (const name of names) assert.match(microphoneProblem(name), /then press Start\.$/);
});

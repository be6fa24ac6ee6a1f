import assert from "@std/assert";
import { transcribeBody } from "./schemas.ts";

const issuesOf = (turnServers: unknown) =>
  transcribeBody.safeParse({ roomToken: "room", ncSessionId: "nc", turnServers }).error?.issues ?? [];

Deno.test("A list of servers that is too long is refused, and no more of it is looked at than shows that", () => {
  assert.deepEqual(issuesOf(Array(32).fill({ urls: "stun:a" })), []);
  const [issue] = issuesOf(Array(33).fill({ urls: "stun:a" }));
  assert.deepEqual([issue.path, issue.message], [["turnServers"], "more than 32 servers"]);
  assert.ok(issuesOf(Array(30_000).fill({})).length <= 34);
  const urls = Array(30_000).fill(1);
  assert.ok(JSON.stringify(issuesOf([{ urls }])).length < 5_000, "each address may be an error of its own");
});

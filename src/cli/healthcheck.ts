/** `tiro healthcheck`: asks the service on this machine how it is; for HEALTHCHECK in containers. */
import { fail, say } from "./output.ts";

const TIMEOUT_MS = 3_000;

export async function run(): Promise<number> {
  const port = Deno.env.get("PORT") || "8080";
  const host = Deno.env.get("HOST") || "127.0.0.1";
  const target = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  try {
    const response = await fetch(`http://${target}:${port}/healthz`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const { status } = await response.json();
    say(`tiro is ${status}`);
    return response.ok ? 0 : 1;
  } catch (error) {
    fail(`Cannot reach tiro on port ${port}: ${error instanceof Error ? error.name : "unknown error"}`);
    return 1;
  }
}

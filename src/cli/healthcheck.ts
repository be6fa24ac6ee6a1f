/** `tiro healthcheck`: requests /healthz of the service on this machine; for HEALTHCHECK in containers. */
import { listenAddressIn } from "../config/mod.ts";
import { fail, say } from "./output.ts";

const TIMEOUT_MS = 3_000;

export async function run(): Promise<number> {
  const { host, port, unixSocket } = listenAddressIn(Deno.env.toObject());
  const hostname = host === "0.0.0.0" || host === "::"
    ? "127.0.0.1"
    : host.includes(":")
    ? `[${host}]`
    : host;
  try {
    // Directly: Docker sets HTTP_PROXY in containers, which is for other machines.
    using client = Deno.createHttpClient({
      proxy: unixSocket === undefined
        ? { transport: "tcp", hostname, port: Number(port) }
        : { transport: "unix", path: unixSocket },
    });
    const response = await fetch("http://tiro/healthz", { signal: AbortSignal.timeout(TIMEOUT_MS), client });
    const { status } = await response.json();
    say(`tiro is ${status}`);
    return response.ok ? 0 : 1;
  } catch (error) {
    const isSlow = error instanceof DOMException && error.name === "TimeoutError";
    const why = isSlow ? "no answer within 3 s" : "nothing answers there; is it running?";
    fail(`Cannot reach tiro on ${unixSocket ?? `port ${port}`}: ${why}`);
    return 1;
  }
}

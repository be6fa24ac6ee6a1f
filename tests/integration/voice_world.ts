/** The whole service with the voice door alone: an issuer of tokens in front of it, a recogniser of the toy language behind. */
import { type Seams, type Service, startService } from "../../src/app.ts";
import { loadConfig } from "../../src/config/mod.ts";
import { FakeIssuer } from "../fakes/issuer.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { FakeLog } from "../fakes/telemetry.ts";
import { VoiceClient, type VoiceClientOptions } from "../fakes/voice_client.ts";
import { baseUrl } from "./world.ts";

export interface VoiceWorld extends AsyncDisposable {
  issuer: FakeIssuer;
  stt: FakeKyutaiServer;
  service: Service;
  log: FakeLog;
  base: string;
  /** Of the front end. */
  apiToken: string;
  /** Opens a socket, with a token of Alice's unless another one is given. */
  connect(options?: Partial<VoiceClientOptions>): Promise<VoiceClient>;
  /** The value of one line of /metrics; 0 where there is none yet. */
  metric(line: string): Promise<number>;
  get(path: string): Promise<Response>;
}

const API_TOKEN = "token-of-the-api-in-tests";

/** Proc's file of a machine with much memory left. */
const MEMINFO = "MemTotal: 8000000 kB\nMemAvailable: 8000000 kB\n";

export async function startVoice(
  environment: Record<string, string> = {},
  seams: Seams = {},
): Promise<VoiceWorld> {
  const stack = new AsyncDisposableStack();
  try {
    const issuer = stack.use(await FakeIssuer.start());
    const stt = stack.use(FakeKyutaiServer.start());
    const log = new FakeLog();
    const config = loadConfig({
      VOICE_JWT_ISSUER: issuer.url,
      STT_STREAM_URL: stt.url,
      HOST: "127.0.0.1",
      PORT: "0",
      LT_API_TOKEN: API_TOKEN,
      MEDIA_WORKERS: Deno.env.get("TEST_MEDIA_WORKERS") ?? "0",
      ...environment,
    });
    const readSystemFile = (path: string) => Promise.resolve(path === "/proc/meminfo" ? MEMINFO : undefined);
    const service = stack.use(await startService(config, log, { readSystemFile, ...seams }));
    const base = baseUrl(service);
    const get = (path: string) => fetch(base + path, { headers: { authorization: `Bearer ${API_TOKEN}` } });
    return {
      ...{ issuer, stt, service, log, base, apiToken: API_TOKEN },
      async connect(options = {}) {
        const token = "token" in options ? options.token : await issuer.token();
        return await VoiceClient.open({ base, ...options, token });
      },
      async metric(line) {
        const text = await (await get("/metrics")).text();
        const found = text.split("\n").find((each) => each.startsWith(`${line} `));
        return found === undefined ? 0 : Number(found.slice(line.length + 1));
      },
      get,
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/**
 * What the Python tests talk to: the real service as a process, between a fake HPB with a call in it, a fake recogniser
 * and a fake translator. Prints one line of JSON that says where and how, and ends with its standard input.
 *
 *   deno run -A tests/frontend/stack.ts token|appapi
 */
import { FakeHpb } from "../fakes/hpb.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { FakeLibreTranslate } from "../fakes/translators.ts";
import { ServiceProcess } from "../load/service_process.ts";

const TOKEN = "the token of the API".replaceAll(" ", "-");
const EX_APP = {
  id: "live_transcription",
  secret: "the secret of the ExApp",
  version: "2.1.3",
  aaVersion: "32.0.0",
};
/** What a caller sends, by kind of credentials; a guest has no user id. */
const HEADERS: Record<string, Record<string, string>> = {
  token: { Authorization: `Bearer ${TOKEN}` },
  appapi: {
    "EX-APP-ID": EX_APP.id,
    "EX-APP-VERSION": EX_APP.version,
    "AA-VERSION": EX_APP.aaVersion,
    "AUTHORIZATION-APP-API": btoa(`:${EX_APP.secret}`),
  },
};

const [credentials = "token"] = Deno.args;
const headers = HEADERS[credentials];
if (!headers) throw new Error("Cannot start: name token or appapi");

await run();

async function run(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const storage = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(storage, { recursive: true }));
  const hpb = stack.use(await FakeHpb.start());
  hpb.nextcloud.register(EX_APP);
  const stt = stack.use(FakeKyutaiServer.start());
  const translator = stack.use(new FakeLibreTranslate());
  const call = stack.use(await hpb.startCall());
  const listener = await call.addListener();
  const service = stack.use(
    await ServiceProcess.start({
      paths: [storage],
      environment: {
        LT_HPB_URL: hpb.hpbUrl,
        LT_INTERNAL_SECRET: hpb.internalSecret,
        NEXTCLOUD_URL: hpb.nextcloudUrl,
        STT_STREAM_URL: stt.url,
        MAX_ROOMS: "50", // so that made-up requests meet a full service too
        EMPTY_ROOM_SECONDS: "5",
        TRANSLATION_PROVIDER: "libretranslate",
        LIBRETRANSLATE_URL: translator.url,
        TRANSCRIPTS: "request",
        TIRO_DATA_DIR: storage,
        ...(credentials === "token" ? { LT_API_TOKEN: TOKEN } : {
          APP_SECRET: EX_APP.secret,
          APP_VERSION: EX_APP.version,
          AA_VERSION: EX_APP.aaVersion,
          APP_PERSISTENT_STORAGE: storage,
        }),
      },
    }),
  );

  const where = {
    url: service.baseUrl,
    headers,
    roomToken: call.roomToken,
    ncSessionId: listener.ncSessionId,
  };
  await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(where)}\n`));
  for await (const _ of Deno.stdin.readable) { /* nothing is said; the end of it is the end of this */ }
}

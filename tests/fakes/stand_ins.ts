/** A recogniser of the toy language for each provider: its protocol on loopback, and the environment that chooses it. */
import { FakeDeepgramServer } from "./stt_deepgram.ts";
import { FakeKyutaiServer } from "./stt.ts";
import { FakeMoshiServer } from "./stt_moshi.ts";
import { FakeRealtimeServer } from "./stt_realtime.ts";
import { FakeVoskServer } from "./stt_vosk.ts";
import { FakeWhisperServer } from "./stt_whisper.ts";
import { FakeWhisperWsServer } from "./stt_whisper_ws.ts";
import { FakeWhisperLiveServer } from "./stt_whisperlive.ts";

interface Server extends AsyncDisposable {
  readonly url: string;
}

export interface StandIn extends AsyncDisposable {
  environment: Record<string, string>;
}

/** By the provider's name. Those that recognise on this machine have none. */
export const STAND_INS: Readonly<Record<string, () => StandIn>> = {
  modal: () => standIn("modal", FakeKyutaiServer.start(), (url) => ({ STT_STREAM_URL: url })),
  kyutai: () => standIn("kyutai", FakeMoshiServer.start(), (url) => ({ KYUTAI_URL: url })),
  vosk: () => standIn("vosk", FakeVoskServer.start(), (url) => ({ LT_VOSK_SERVER_URL: url })),
  deepgram: () =>
    standIn(
      "deepgram",
      FakeDeepgramServer.start({ server: "whisperlivekit" }),
      (url) => ({ DEEPGRAM_URL: url }),
    ),
  whisper: () => standIn("whisper", FakeWhisperServer.start(), (url) => ({ WHISPER_SERVICE_URL: url })),
  "whisper-ws": () =>
    standIn("whisper-ws", FakeWhisperWsServer.start(), (url) => ({ WHISPER_SERVICE_URL: url })),
  "openai-realtime": () =>
    standIn("openai-realtime", FakeRealtimeServer.start(), (url) => ({
      OPENAI_REALTIME_URL: url,
      OPENAI_REALTIME_MODEL: "gpt-4o-transcribe",
    })),
  whisperlive: () =>
    standIn("whisperlive", FakeWhisperLiveServer.start(), (url) => ({ WHISPERLIVE_URL: url })),
};

function standIn(
  provider: string,
  server: Server,
  environment: (url: string) => Record<string, string>,
): StandIn {
  return {
    environment: { STT_PROVIDER: provider, ...environment(server.url) },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

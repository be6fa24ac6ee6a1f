import assert from "@std/assert";
import { FOREIGN } from "../../tests/fakes/foreign_stt.ts";
import { ForeignProtocol } from "./foreign.ts";

const AUDIO = { bytes: 19_200, durationMs: 200, voiced: true };

function talk(protocol: ForeignProtocol, ms: number, voiced = true): void {
  for (let sentMs = 0; sentMs < ms; sentMs += AUDIO.durationMs) protocol.sent({ ...AUDIO, voiced });
}

Deno.test("Known protocols are named by their first message, after a second of voice", () => {
  const names = { vosk: "Vosk", moshi: "moshi-server", echo: "an echo", deepgram: "Deepgram" };
  for (const [server, name] of Object.entries(names)) {
    const protocol = new ForeignProtocol();
    talk(protocol, 800);
    const replies = FOREIGN[server](new Uint8Array(AUDIO.bytes), 0);
    protocol.received(replies[0]);
    assert.equal(protocol.failure(), undefined, server);
    talk(protocol, 200);
    const failure = protocol.failure();
    assert.deepEqual([failure?.code, failure?.retryable], ["stt_foreign", false], server);
    assert.ok(failure?.message.includes(name), `${server}: ${failure?.message}`);
  }
});

Deno.test("The first messages of other servers name their protocol", () => {
  const messages: [string, unknown][] = [
    ["Vosk", { partial: "" }],
    ["Vosk", { result: [{ word: "yes" }], text: "yes" }],
    ["moshi-server", { type: "Ready" }],
    ["Deepgram", { type: "Metadata", request_id: "1" }],
    ["OpenAI Realtime", { type: "session.created" }],
    ["OpenAI Realtime", { type: "transcription_session.updated" }],
    ["WhisperLive", { uid: "1", message: "SERVER_READY" }],
    ["WhisperLiveKit", { type: "config", useAudioWorklet: true }],
    ["WhisperLiveKit", { status: "active_transcription", lines: [], buffer_transcription: "" }],
    ["AssemblyAI", { message_type: "SessionBegins" }],
  ];
  for (const [name, message] of messages) {
    const protocol = new ForeignProtocol();
    protocol.received(JSON.stringify(message));
    talk(protocol, 1_000);
    assert.ok(protocol.failure()?.message.includes(name), JSON.stringify(message));
  }
});

Deno.test("Messages of no known protocol fail the session after five seconds of voice, text and binary alike", () => {
  for (
    const message of ['{"hello":"world"}', "hello", "7", "null", new Uint8Array([1, 2, 3]), new Uint8Array()]
  ) {
    const protocol = new ForeignProtocol();
    protocol.received(message);
    talk(protocol, 4_800);
    talk(protocol, 60_000, false);
    assert.equal(protocol.failure(), undefined);
    talk(protocol, 200);
    assert.match(
      protocol.failure()?.message ?? "",
      /another protocol, its (text|binary) messages are not known$/,
    );
  }
});

Deno.test("A server that was understood once, or sends nothing, never fails", () => {
  const understood = new ForeignProtocol();
  understood.understood();
  understood.received('{"partial":"hello"}');
  talk(understood, 60_000);
  assert.equal(understood.failure(), undefined);
  const silent = new ForeignProtocol();
  talk(silent, 60_000);
  assert.equal(silent.failure(), undefined);
});

Deno.test("A failure contains nothing of a message", () => {
  const protocol = new ForeignProtocol();
  protocol.received('{"partial":"my secret words"}');
  talk(protocol, 5_000);
  assert.doesNotMatch(protocol.failure()?.message ?? "", /secret/);
});

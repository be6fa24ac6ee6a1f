/** Starts the service and a call, plays the dialogue, and shows the captions that a participant receives. */
import { startService } from "../app.ts";
import { loadConfig } from "../config/mod.ts";
import { delay } from "../flow/mod.ts";
import type { TestParticipant, TestSpeaker, Transcript } from "../../tests/fakes/call.ts";
import { FakeHpb } from "../../tests/fakes/hpb.ts";
import { weriftPublisherFactory } from "../../tests/fakes/sfu.ts";
import { type Line, readDialogue } from "./dialogue.ts";
import { openRecogniser } from "./recogniser.ts";
import { openScreen, type Screen } from "./screen.ts";

/** For the last final after a line. */
const FINAL_DEADLINE_MS = 8_000;
const CONNECTED_DEADLINE_MS = 10_000;

/** The exit code is 0 where every line was captioned. */
export async function runDemo(): Promise<number> {
  const screen = openScreen();
  const lines = await readDialogue();
  await using recogniser = await openRecogniser(lines);
  screen.note(recogniser.note);
  screen.note("Starting the service and a call with two people ...");
  await using hpb = await FakeHpb.start({ publishers: weriftPublisherFactory });
  const config = loadConfig({
    LT_HPB_URL: hpb.hpbUrl,
    LT_INTERNAL_SECRET: hpb.internalSecret,
    NEXTCLOUD_URL: hpb.nextcloudUrl,
    HOST: "127.0.0.1",
    PORT: "0",
    LOG_LEVEL: "error",
    ...recogniser.environment,
  });
  await using service = await startService(config);
  await using call = await hpb.startCall();
  await using listener = await call.addListener();
  await using anna = await call.addSpeaker();
  await using ben = await call.addSpeaker();
  const response = await fetch(`http://127.0.0.1:${service.address.port}/api/v1/call/transcribe`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ roomToken: call.roomToken, ncSessionId: listener.ncSessionId, langId: "en" }),
  });
  await response.body?.cancel();
  await connected(service.address.port, 2);
  screen.note("Captions as a listener of the call sees them, and how late they are:\n");

  let missed = 0;
  const people = { Anna: anna, Ben: ben };
  for (const line of lines) {
    if (!await playLine(line, people[line.speaker], listener, screen)) missed++;
  }
  await service.drain();
  screen.note(
    missed === 0
      ? "\nThat was the demo. README.md says how to put Tiro behind Nextcloud Talk, docs/VOICE.md how to use it without."
      : `\n${missed} of ${lines.length} lines got no caption within ${FINAL_DEADLINE_MS / 1000} s`,
  );
  return missed === 0 ? 0 : 1;
}

/** Waits until the service receives audio of so many speakers: earlier speech is lost, as in any call. */
async function connected(port: number, speakers: number): Promise<void> {
  const signal = AbortSignal.timeout(CONNECTED_DEADLINE_MS);
  for (;;) {
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`, { signal })).text();
    if (metrics.includes(`\ntiro_speakers_heard ${speakers}\n`)) return;
    await delay(50, signal);
  }
}

/** Plays one line and shows its captions; false where its last final is late. */
async function playLine(
  line: Line,
  speaker: TestSpeaker,
  listener: TestParticipant,
  screen: Screen,
): Promise<boolean> {
  let seen = listener.transcripts.length;
  const startMs = performance.now();
  let endMs: number | undefined;
  let firstMs: number | undefined;
  const isNew = (transcript: Transcript) => listener.transcripts.indexOf(transcript) >= seen;
  const playing = speaker.say(line.speech).then(() => void (endMs = performance.now()));
  const deadlineMs = startMs + line.speech.samples.length / line.speech.sampleRateHz * 1000 +
    FINAL_DEADLINE_MS;
  try {
    for (;;) {
      const transcript = await listener.until(isNew, deadlineMs - performance.now());
      seen = listener.transcripts.indexOf(transcript) + 1;
      if (transcript.speakerSessionId !== speaker.sessionId) continue;
      firstMs ??= transcript.atMs - startMs;
      if (!transcript.final) {
        screen.partial(line.speaker, transcript.message);
        continue;
      }
      const sinceEnd = endMs === undefined
        ? "while speaking"
        : `${seconds(transcript.atMs - endMs)} after the last word`;
      screen.final(
        line.speaker,
        transcript.message,
        `(first words ${seconds(firstMs)} after the first sound, final ${sinceEnd})`,
      );
      if (endMs !== undefined) return true;
    }
  } catch {
    screen.final(line.speaker, "", "(no caption)");
    return false;
  } finally {
    await playing;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

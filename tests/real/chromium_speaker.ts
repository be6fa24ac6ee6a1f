/**
 * Someone in a call with a browser: Debian's Chromium captures a WAV file as its microphone, encodes and sends it the
 * way Talk's listeners know it. The page does the WebRTC; the test carries the signalling, so that both kinds of
 * speaker say the same things to the HPB. The microphone plays its file once: the time at which it speaks cannot be chosen.
 */
import { chromium } from "playwright-core";
import type { TestParticipant, Transcript } from "../fakes/call.ts";
import type { HpbParticipant } from "../fakes/participant.ts";
import { CHROMIUM_FLAGS, chromiumMissing, chromiumPath, microphoneFlags } from "../fakes/browser.ts";
import { padded, type Speech, wav } from "../fakes/speech.ts";
import { fromSfu, publishOffer, type Seat } from "./werift_speaker.ts";

/** The file plays from the moment the microphone opens; connecting takes a second or two of it. */
const LEAD_IN_MS = 4_000;
const TAIL_MS = 1_000;
const CONNECT_TIMEOUT_MS = 20_000;
/** Any origin that counts as secure; its only page is answered by the test. */
const PAGE_URL = "http://localhost/";

export class ChromiumSpeaker implements TestParticipant {
  #disposed?: Promise<void>;

  private constructor(
    private readonly participant: HpbParticipant,
    private readonly resources: AsyncDisposableStack,
    /** Resolves when the microphone has played the speech. */
    readonly said: Promise<void>,
  ) {}

  /** Resolves when the browser is connected to the SFU, still silent. */
  static async join(seat: Seat, speech: Speech): Promise<ChromiumSpeaker> {
    await using resources = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "tiro-chromium-" });
    resources.defer(() => Deno.remove(folder, { recursive: true }));
    const wavPath = `${folder}/microphone.wav`;
    await Deno.writeFile(wavPath, wav(padded(speech, LEAD_IN_MS, TAIL_MS)));
    const executablePath = await chromiumPath();
    if (!executablePath) throw new Error(`Cannot start a browser: ${chromiumMissing}`);
    const args = [...CHROMIUM_FLAGS, ...microphoneFlags(wavPath), ADDRESSES];
    const browser = await chromium.launch({ executablePath, args });
    resources.defer(() => browser.close());
    const page = await browser.newPage();
    const html = await Deno.readTextFile(new URL("chromium_page.html", import.meta.url));
    await page.route("**/*", (route) => route.fulfill({ contentType: "text/html", body: html }));
    await page.goto(PAGE_URL);

    const participant = resources.use(await seat.enter());
    const failed = Promise.withResolvers<never>();
    const call = (expression: string) => page.evaluate(expression).catch(failed.reject);
    using _listening = participant.onMessage((message) => {
      const from = fromSfu(participant.sessionId, message);
      if (!from) return;
      void call(
        "answer" in from
          ? `accept(${JSON.stringify(from.answer)})`
          : `addCandidate(${JSON.stringify(from.candidate)})`,
      );
    });
    const sdp: string = await page.evaluate("offer()");
    const said = timeout(LEAD_IN_MS + 1_000 * speech.samples.length / speech.sampleRateHz, resources);
    participant.sendTo(participant.sessionId, publishOffer(participant.sessionId, sdp));
    const late = timeout(CONNECT_TIMEOUT_MS, resources).then(() => {
      throw new Error("Cannot publish: the browser does not connect in time");
    });
    await Promise.race([page.evaluate("connected()"), failed.promise, late]);
    return new ChromiumSpeaker(participant, resources.move(), said);
  }

  get sessionId(): string {
    return this.participant.sessionId;
  }

  get ncSessionId(): string {
    return this.participant.ncSessionId;
  }

  get transcripts(): readonly Transcript[] {
    return this.participant.transcripts;
  }

  until(matches: (transcript: Transcript) => boolean, deadlineMs: number): Promise<Transcript> {
    return this.participant.until(matches, deadlineMs);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= this.resources.disposeAsync();
  }
}

/** Host candidates by address: a machine without mDNS cannot resolve the names that would hide them. */
const ADDRESSES = "--disable-features=WebRtcHideLocalIpsWithMdns";

/** Resolves after `delayMs`, or never once `owner` is disposed. */
function timeout(delayMs: number, owner: AsyncDisposableStack): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, delayMs);
  owner.defer(() => clearTimeout(timer));
  return promise;
}

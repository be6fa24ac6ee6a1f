/** Our receiver reports as Janus reads them: it opens them with libsrtp, and finds in them what we made to be there. */
import assert from "@std/assert";
import type { Clock } from "../../src/domain/mod.ts";
import { systemClock } from "../../src/flow/mod.ts";
import { InternalClient } from "./internal_client.ts";
import { type ReportedAudio, reportedAudio } from "./janus_admin.ts";
import { polled } from "./server_process.ts";
import { installedHpbVersions, onRealStack } from "./stack.ts";

/** Three reports, and time to spare: the machine may be busy with other tests. */
const DEADLINE_MS = 30_000;
const FAR_MS = 200;
const UNEVEN_MS = 40;
const LOST = 7;

/**
 * On one machine nothing takes long enough for Janus to count it. So every other packet comes late by this clock, and
 * as it goes back when a timer is due, a report says it waited for less than it did, which looks like a long way.
 */
function distortedClock(): Clock {
  let asked = 0;
  let backMs = 0;
  return {
    now: () => systemClock.now() + (asked++ % 2) * UNEVEN_MS - backMs,
    timer: (delayMs, callback) =>
      systemClock.timer(delayMs, () => {
        backMs = FAR_MS;
        callback();
        backMs = 0;
      }),
  };
}

Deno.test("Janus is told what was lost, how far away we are and how unevenly packets come", () =>
  onRealStack({ hpbVersion: installedHpbVersions().at(-1)! }, async (stack) => {
    const { hpbUrl, nextcloudUrl, internalSecret } = stack;
    await using call = await stack.startCall();
    const speaker = await call.addSpeaker();
    const { roomToken } = call;
    await using client = await InternalClient.join({
      hpbUrl,
      nextcloudUrl,
      internalSecret,
      roomToken,
      clock: distortedClock(),
    });
    await client.subscribe(speaker.sessionId);
    await client.until(() => client.heard.length > 10);
    speaker.lose(LOST);
    let audio: ReportedAudio = { packetsLost: 0, rttMs: 0, jitterMs: 0 };
    await polled("Janus to know of the loss and of the way", DEADLINE_MS, async () => {
      [audio = audio] = await reportedAudio(stack.janusAdmin);
      return audio.packetsLost > 0 && audio.rttMs > 0;
    });
    assert.equal(audio.packetsLost, LOST);
    assert.ok(audio.rttMs > FAR_MS - UNEVEN_MS - 5 && audio.rttMs < FAR_MS + 200, `${audio.rttMs} ms away`);
    assert.ok(
      audio.jitterMs > UNEVEN_MS / 2 && audio.jitterMs < UNEVEN_MS * 2,
      `${audio.jitterMs} ms uneven`,
    );
    assert.doesNotMatch(await stack.logs(), /SRTCP unprotect error/);
    for (const reason of ["malformed", "replayed", "forged", "too_many_sources"]) {
      assert.equal(
        client.meter.counted("tiro_rtp_refused_total", `rtcp_${reason}`),
        0,
        "what Janus sent was refused",
      );
    }
  }));

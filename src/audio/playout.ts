/**
 * RTP packets as they arrive -> a speaker's timeline in order, without gaps or overlaps (RFC 3550, RFC 7587).
 * Packets in order pass at once: there is no jitter buffer, because a recogniser does not need an even pace.
 *
 *     in order ----------------------> out
 *     ahead of a gap ---> held ------> out, when the gap fills, TARGET_PACKETS are held, or the oldest has
 *                                      waited TARGET_PACKETS x 20 ms; what is missing then becomes `lost`
 *     behind the timeline -----------> late
 *     impossible (new publisher) ----> restart: media time continues, plus the wall time that passed
 *     more than time has passed -----> pauses are skipped, packets dropped: see media_budget.ts
 *
 * Sans-IO: the clock is an argument. Of a packet's payload only the duration is read.
 * Not followed: RFC 3550 A.1 keeps a new source on probation for two packets; SRTP has authenticated ours already.
 */
import { type AudioLedger, type CodedFrame, LIMITS, type RtpPacket } from "../domain/mod.ts";
import { MediaBudget } from "./media_budget.ts";
import { LONGEST_PACKET_TICKS, opusPacketTicks, SHORTEST_FRAME_TICKS, TICKS_PER_MS } from "./opus_packet.ts";

export interface PlayoutOptions {
  ledger: AudioLedger;
  /** Packets the inbox dropped since the last call: counted there, so not counted as lost again. */
  takeDropped: () => number;
  /** A packet was dropped and counted in the ledger: more audio than time has passed. */
  onTooFast?: () => void;
}

interface Held {
  packet: RtpPacket;
  /** When it reached this playout. Not `arrivedMs`: after a stall the missing packet is already in the inbox. */
  sinceMs: number;
}

/** What a publisher sends by default; assumed for a packet that cannot be parsed. */
const USUAL_MS = 20;
const USUAL_TICKS = USUAL_MS * TICKS_PER_MS;
const TARGET_PACKETS = LIMITS.playoutTargetPackets;
const MAX_PACKETS = LIMITS.playoutMaxPackets;
/** Sequence numbers within this of the expected one belong to the stream: RFC 3550 A.1, MAX_DROPOUT; 60 s. */
const SEQUENCE_WINDOW = 3_000;
/** RFC 3550 A.1, MAX_MISORDER; 2 s. */
const MISORDER_MAX = 100;
/** Packets in sequence after which late packets may be a stream of their own: RFC 3550 A.1, MIN_SEQUENTIAL. */
const PROBATION = 2;
/** Timestamps may run ahead of the wall clock by this: a stalled network delivers packets in one burst. */
const BURST_TICKS = 5_000 * TICKS_PER_MS;
/** Timestamps may fall behind the packets' durations by this in all; beyond it they are another stream's. */
const OVERLAP_TICKS = 1_000 * TICKS_PER_MS;
/** A late packet may be older than its sequence number implies by this, for silence in between. */
const LATE_SILENCE_TICKS = 60_000 * TICKS_PER_MS;
/** The last packets of a replaced stream may arrive for this long. */
const STRAGGLER_MS = 1_000;
/** Longest silence between two streams: a longer one means that the machine was suspended. */
const RESTART_SILENCE_MS = 3_600_000;

const NOTHING: readonly CodedFrame[] = Object.freeze([]);

export class Playout {
  readonly #ledger: AudioLedger;
  readonly #takeDropped: () => number;
  readonly #onTooFast: () => void;

  #started = false;
  #ssrc = 0;
  #replaced: { ssrc: number; untilMs: number } | undefined;
  #nextSequence = 0;
  /** RTP timestamp at the end of the timeline. */
  #nextTimestamp = 0;
  /** End of the timeline, 1/48000 s of media time. Always whole 2.5 ms, so that ms are exact. */
  #endTicks = 0;
  readonly #budget = new MediaBudget();
  /** Arrival of the newest packet played, ms. */
  #playedMs = 0;
  /** Duration of the last packet played: assumed for a missing one. */
  #packetTicks = USUAL_TICKS;
  /** Packets ahead of a gap, in sequence; fewer than TARGET_PACKETS between calls. */
  readonly #held: Held[] = [];
  /** What `receive` returns, reused: nearly always one frame. */
  readonly #out: CodedFrame[] = [];
  /** Packets the inbox dropped, for which no gap was seen yet. */
  #droppedUnseen = 0;
  /** Packets in a row that came late, each following the one before. */
  #lateRun = 0;
  #lateSequence = 0;

  constructor(options: PlayoutOptions) {
    this.#ledger = options.ledger;
    this.#takeDropped = options.takeDropped;
    this.#onTooFast = options.onTooFast ?? (() => {});
  }

  /** Returns the frames that the packet completes, oldest first, in an array that is valid until the next call. */
  receive(packet: RtpPacket, nowMs: number): readonly CodedFrame[] {
    if (!this.#started || packet.ssrc !== this.#ssrc) {
      return this.#isStraggler(packet) ? this.#late() : this.#restart(packet);
    }
    const ahead = (packet.sequence - this.#nextSequence) << 16 >> 16;
    if (!this.#continues(packet, ahead)) return this.#restart(packet);
    if (ahead < 0) {
      return this.#isLateStream(packet, ahead) ? this.#restart(packet) : this.#late();
    }
    this.#lateRun = 0;
    const out = this.#out;
    while (out.length > 0) out.pop(); // a length of 0 would free the array's memory
    if (ahead === 0) {
      this.#play(packet, out);
      this.#playHeld(out);
    } else if (!this.#hold(packet, nowMs)) {
      return this.#late();
    }
    this.#skipGaps(nowMs, out);
    return out;
  }

  /** Marks packets lost that were waited for long enough. */
  due(nowMs: number): readonly CodedFrame[] {
    const out: CodedFrame[] = [];
    this.#skipGaps(nowMs, out);
    return out;
  }

  /** When the packets held have waited long enough, monotonic ms; undefined while none is held. */
  nextDeadline(): number | undefined {
    if (this.#held.length === 0) return undefined;
    let oldestMs = Infinity;
    for (const { sinceMs } of this.#held) if (sinceMs < oldestMs) oldestMs = sinceMs;
    return oldestMs + TARGET_PACKETS * USUAL_MS;
  }

  /** Plays what is held. A later packet continues the timeline. */
  flush(): readonly CodedFrame[] {
    const out: CodedFrame[] = [];
    this.#playAllHeld(out);
    return out;
  }

  /** Drops what is held. */
  clear(): void {
    if (this.#held.length > 0) this.#ledger.add("dropped", this.#held.length);
    this.#held.length = 0;
  }

  /** Whether a packet of the current SSRC can belong to the stream played so far. */
  #continues(packet: RtpPacket, ahead: number): boolean {
    const gapTicks = packet.timestamp - this.#nextTimestamp | 0;
    if (ahead < 0) {
      return ahead >= -SEQUENCE_WINDOW &&
        gapTicks <= ahead * SHORTEST_FRAME_TICKS + OVERLAP_TICKS &&
        gapTicks >= ahead * LONGEST_PACKET_TICKS - LATE_SILENCE_TICKS;
    }
    const elapsedTicks = (packet.arrivedMs - this.#playedMs) * TICKS_PER_MS;
    return ahead <= SEQUENCE_WINDOW &&
      gapTicks >= ahead * SHORTEST_FRAME_TICKS - OVERLAP_TICKS &&
      gapTicks <= Math.max(elapsedTicks, ahead * LONGEST_PACKET_TICKS) + BURST_TICKS;
  }

  #isStraggler(packet: RtpPacket): boolean {
    return this.#replaced !== undefined && packet.ssrc === this.#replaced.ssrc &&
      packet.arrivedMs < this.#replaced.untilMs;
  }

  /**
   * A stream can continue or restart with the same SSRC and numbers that merely look old. Packets in sequence with none on
   * time between them are a stream and not stragglers: from the third on, where they are farther back than MISORDER_MAX or
   * their timestamps are current; otherwise after a second's worth.
   */
  #isLateStream(packet: RtpPacket, ahead: number): boolean {
    this.#lateRun = packet.sequence === (this.#lateSequence + 1 & 0xffff) ? this.#lateRun + 1 : 1;
    this.#lateSequence = packet.sequence;
    const gapTicks = packet.timestamp - this.#nextTimestamp | 0;
    const isClear = ahead < -MISORDER_MAX || gapTicks > ahead * SHORTEST_FRAME_TICKS;
    return this.#lateRun > (isClear ? PROBATION : MAX_PACKETS);
  }

  #late(): readonly CodedFrame[] {
    this.#ledger.add("late");
    return NOTHING;
  }

  /** Starts a stream at the end of the timeline, after the silence that passed meanwhile. */
  #restart(packet: RtpPacket): readonly CodedFrame[] {
    const out: CodedFrame[] = [];
    this.#playAllHeld(out);
    if (this.#started) {
      if (packet.ssrc !== this.#ssrc) {
        this.#replaced = { ssrc: this.#ssrc, untilMs: packet.arrivedMs + STRAGGLER_MS };
      }
      // A packet arrives when its last sample was spoken: its own duration is not part of the pause.
      const ticks = opusPacketTicks(packet.payload) ?? USUAL_TICKS;
      const elapsedMs = Math.min(
        packet.arrivedMs - this.#playedMs,
        RESTART_SILENCE_MS + ticks / TICKS_PER_MS,
      );
      this.#budget.arrived(packet.arrivedMs);
      // Media time that is ahead waits for the clock, so that bursts do not add up.
      this.#silence(Math.min(elapsedMs * TICKS_PER_MS, this.#budget.behindTicks) - ticks, packet, out);
    }
    this.#started = true;
    this.#ssrc = packet.ssrc;
    this.#nextSequence = packet.sequence;
    this.#nextTimestamp = packet.timestamp;
    this.#packetTicks = USUAL_TICKS;
    this.#lateRun = 0;
    // What the inbox dropped between the streams leaves no gap in either.
    this.#takeDropped();
    this.#droppedUnseen = 0;
    this.#play(packet, out);
    return out;
  }

  /** Copies a packet that is ahead of a gap; false for a duplicate. */
  #hold(packet: RtpPacket, nowMs: number): boolean {
    let at = this.#held.length;
    while (at > 0) {
      const behind = (packet.sequence - this.#held[at - 1].packet.sequence) << 16 >> 16;
      if (behind === 0) return false;
      if (behind > 0) break;
      at--;
    }
    const kept = { ...packet, payload: packet.payload.slice() };
    this.#held.splice(at, 0, { packet: kept, sinceMs: nowMs });
    return true;
  }

  #skipGaps(nowMs: number, out: CodedFrame[]): void {
    while (
      this.#held.length > 0 && (this.#held.length >= TARGET_PACKETS || nowMs >= this.nextDeadline()!)
    ) {
      this.#playPastGap(out);
    }
  }

  #playAllHeld(out: CodedFrame[]): void {
    while (this.#held.length > 0) this.#playPastGap(out);
  }

  /** Plays what is held up to the next gap. */
  #playHeld(out: CodedFrame[]): void {
    let played = 0;
    while (played < this.#held.length && this.#held[played].packet.sequence === this.#nextSequence) {
      this.#play(this.#held[played++].packet, out);
    }
    if (played > 0) this.#held.splice(0, played);
  }

  /** Marks what is missing before the first held packet as lost, then plays on. */
  #playPastGap(out: CodedFrame[]): void {
    const { packet } = this.#held[0];
    const missing = packet.sequence - this.#nextSequence & 0xffff;
    this.#countLost(missing);
    this.#budget.arrived(packet.arrivedMs);
    if (missing <= MAX_PACKETS) {
      // Where the timestamps leave no time for it (the sender shortened its packets) it is counted and not marked.
      for (let i = 0; i < missing; i++) {
        const ticks = wholeFrames(Math.min(this.#packetTicks, packet.timestamp - this.#nextTimestamp | 0));
        if (ticks > 0) this.#advance("lost", ticks, packet, out);
      }
    }
    this.#nextSequence = packet.sequence;
    this.#playHeld(out);
  }

  #countLost(missing: number): void {
    this.#droppedUnseen += this.#takeDropped();
    const counted = Math.min(missing, this.#droppedUnseen);
    this.#droppedUnseen -= counted;
    if (missing > counted) this.#ledger.add("lost", missing - counted);
  }

  /** Plays the next packet in sequence, after the silence that its timestamp implies. */
  #play(packet: RtpPacket, out: CodedFrame[]): void {
    const ticks = opusPacketTicks(packet.payload);
    this.#nextSequence = packet.sequence + 1 & 0xffff;
    this.#budget.arrived(packet.arrivedMs);
    if (packet.arrivedMs > this.#playedMs) this.#playedMs = packet.arrivedMs;
    if (ticks === undefined) return this.#playMalformed(packet, out);
    if (ticks > this.#budget.packetTicks) return this.#drop(packet, ticks);
    this.#silence(packet.timestamp - this.#nextTimestamp | 0, packet, out);
    this.#packetTicks = ticks;
    out.push({
      kind: "coded",
      startMs: this.#endTicks / TICKS_PER_MS,
      durationMs: ticks / TICKS_PER_MS,
      payload: packet.payload,
      receivedAtMs: packet.arrivedMs,
    });
    this.#advanceBy(ticks, ticks);
  }

  /** More audio than time has passed: continues as if the packet had lasted no time. */
  #drop({ timestamp }: RtpPacket, ticks: number): void {
    this.#ledger.add("dropped");
    this.#onTooFast();
    this.#nextTimestamp = timestamp + ticks >>> 0;
  }

  /** Not Opus: marked lost. One whose time was played already (padding, bandwidth probes) is only late. */
  #playMalformed(packet: RtpPacket, out: CodedFrame[]): void {
    const gapTicks = packet.timestamp - this.#nextTimestamp | 0;
    if (gapTicks <= -this.#packetTicks) {
      this.#ledger.add("late");
      return;
    }
    this.#ledger.add("lost");
    this.#silence(gapTicks, packet, out);
    this.#advance("lost", this.#packetTicks, packet, out);
  }

  /**
   * Fills a gap in the timestamps. Less than 2.5 ms remains as a difference between timeline and timestamps until it has
   * grown; an overlap remains until a later pause makes up for it. So media time does not drift.
   */
  #silence(gapTicks: number, cause: RtpPacket, out: CodedFrame[]): void {
    const ticks = wholeFrames(gapTicks);
    if (ticks > 0) this.#advance("silence", ticks, cause, out);
  }

  /** Timestamps advance by `ticks`, media time by no more than the budget allows. */
  #advance(kind: "lost" | "silence", ticks: number, cause: RtpPacket, out: CodedFrame[]): void {
    const taken = Math.max(0, Math.min(ticks, wholeFrames(this.#budget.gapTicks)));
    if (taken > 0) {
      out.push({
        kind,
        startMs: this.#endTicks / TICKS_PER_MS,
        durationMs: taken / TICKS_PER_MS,
        receivedAtMs: cause.arrivedMs,
      });
    }
    if (taken < ticks) this.#ledger.add("skippedMs", (ticks - taken) / TICKS_PER_MS);
    this.#advanceBy(taken, ticks);
  }

  #advanceBy(mediaTicks: number, timestampTicks: number): void {
    this.#endTicks += mediaTicks;
    this.#budget.spend(mediaTicks);
    this.#nextTimestamp = this.#nextTimestamp + timestampTicks >>> 0;
  }
}

/** Rounds down to whole 2.5 ms. */
function wholeFrames(ticks: number): number {
  return Math.floor(ticks / SHORTEST_FRAME_TICKS) * SHORTEST_FRAME_TICKS;
}

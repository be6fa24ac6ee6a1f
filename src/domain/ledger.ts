/**
 * What became of every packet, and of every second of audio decoded. Per speaker:
 *
 *     received = decoded + silent + late + dropped (+ those in transit)
 *     decodedMs = sentMs + gatedMs + droppedMs + cutMs (+ those in transit)
 *
 * `lost` packets were never received, or are no Opus; skipped audio was never decoded. Each speaker's ledger is added to
 * the process total as it changes.
 */
export const LEDGER_ENTRIES = ["received", "decoded", "silent", "late", "lost", "dropped"] as const;
export type LedgerEntry = (typeof LEDGER_ENTRIES)[number];

export const AUDIO_ENTRIES = ["decodedMs", "sentMs", "gatedMs", "droppedMs", "cutMs", "skippedMs"] as const;
export type AudioEntry = (typeof AUDIO_ENTRIES)[number];

/** All of a ledger, as plain data. */
export type LedgerSnapshot = Record<LedgerEntry | AudioEntry, number>;

export class AudioLedger {
  /** RTP packets that reached the inbox. */
  received = 0;
  /** Opus packets decoded. */
  decoded = 0;
  /** Opus packets discarded by the silence gate. */
  silent = 0;
  /** Packets received after their playout time, or twice. */
  late = 0;
  /** Packets never received. */
  lost = 0;
  /** Packets dropped by the full inbox because the thread was busy, or faster than real time. */
  dropped = 0;

  /** Audio decoded, concealed, or inserted for silence between words. */
  decodedMs = 0;
  /** Audio sent to speech-to-text, counted once if it was sent again. */
  sentMs = 0;
  /** Audio decoded without a voice in it, and not sent. */
  gatedMs = 0;
  /** Speech dropped because speech-to-text did not take it in time: lost words. */
  droppedMs = 0;
  /** Audio in the pipeline when its speaker left. */
  cutMs = 0;
  /** Pauses and losses in a sender's timestamps for which no time has passed: left out of media time. */
  skippedMs = 0;

  constructor(private readonly total?: AudioLedger) {}

  /** `amount`: packets, or ms. */
  add(entry: LedgerEntry | AudioEntry, amount = 1): void {
    this[entry] += amount;
    this.total?.add(entry, amount);
  }

  /** At a speaker's end: the audio not accounted for was cut off. */
  cut(): void {
    const cutMs = this.decodedMs - this.sentMs - this.gatedMs - this.droppedMs - this.cutMs;
    this.add("cutMs", Math.max(0, cutMs)); // of fractions, summed in another order
  }

  snapshot(): LedgerSnapshot {
    const all = [...LEDGER_ENTRIES, ...AUDIO_ENTRIES].map((entry) => [entry, this[entry]]);
    return Object.fromEntries(all);
  }

  /** Packets by their fate. */
  packets(): Record<string, number> {
    return Object.fromEntries(LEDGER_ENTRIES.map((entry) => [entry, this[entry]]));
  }

  /** Seconds of audio by their fate. */
  seconds(): Record<string, number> {
    return Object.fromEntries(AUDIO_ENTRIES.map((entry) => [entry.slice(0, -2), this[entry] / 1_000]));
  }
}

/**
 * Where every packet went, and every second of audio made of them. Per speaker:
 *
 *     received = decoded + silent + late + dropped (+ what is still on its way)
 *     decodedMs = sentMs + gatedMs + droppedMs + cutMs (+ what is still on its way)
 *
 * `lost` packets were expected and never received, or are no Opus. What was skipped was never decoded. One ledger per
 * speaker, added into the process total when it changes.
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
  /** Opus packets decoded and passed on. */
  decoded = 0;
  /** Opus packets the silence gate kept from the decoder for good. */
  silent = 0;
  /** Packets that came after their place had been given up, or twice. */
  late = 0;
  /** Packets that never came. */
  lost = 0;
  /** Packets pushed out of the full inbox (this thread did not come to them in time), or more than time has passed for. */
  dropped = 0;

  /** Audio decoded, concealed or put in the place of silence between words. */
  decodedMs = 0;
  /** Audio handed to speech-to-text, what is said again to another session counted once. */
  sentMs = 0;
  /** Audio listened to while nobody spoke, and kept back. */
  gatedMs = 0;
  /** Speech pushed out because speech-to-text did not take it in time: words that were lost. */
  droppedMs = 0;
  /** Audio left in the chain when its speaker went. */
  cutMs = 0;
  /** Pauses and losses that a sender's timestamps tell of, and for which no time has passed: left out of media time. */
  skippedMs = 0;

  constructor(private readonly total?: AudioLedger) {}

  /** Packets, or milliseconds. */
  add(entry: LedgerEntry | AudioEntry, amount = 1): void {
    this[entry] += amount;
    this.total?.add(entry, amount);
  }

  /** Closes the account of a speaker's audio: what went nowhere else was cut off. */
  cut(): void {
    this.add("cutMs", this.decodedMs - this.sentMs - this.gatedMs - this.droppedMs - this.cutMs);
  }

  snapshot(): LedgerSnapshot {
    const all = [...LEDGER_ENTRIES, ...AUDIO_ENTRIES].map((entry) => [entry, this[entry]]);
    return Object.fromEntries(all);
  }

  /** Packets by what became of them. */
  packets(): Record<LedgerEntry, number> {
    return Object.fromEntries(LEDGER_ENTRIES.map((entry) => [entry, this[entry]])) as Record<
      LedgerEntry,
      number
    >;
  }

  /** Seconds of audio by what became of them: decoded, sent, gated, dropped, cut, skipped. */
  seconds(): Record<string, number> {
    return Object.fromEntries(AUDIO_ENTRIES.map((entry) => [entry.slice(0, -2), this[entry] / 1_000]));
  }
}

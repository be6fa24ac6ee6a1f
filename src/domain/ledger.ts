/**
 * Where every packet went. Per speaker: received = decoded + silent + late + dropped (+ what is still on its way);
 * `lost` packets were expected and never received. One ledger per speaker, added into the process total when it changes.
 */
export const LEDGER_ENTRIES = ["received", "decoded", "silent", "late", "lost", "dropped"] as const;
export type LedgerEntry = (typeof LEDGER_ENTRIES)[number];

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
  /** Packets pushed out of the full inbox. */
  dropped = 0;

  constructor(private readonly total?: AudioLedger) {}

  add(entry: LedgerEntry, packets = 1): void {
    this[entry] += packets;
    this.total?.add(entry, packets);
  }

  snapshot(): Record<LedgerEntry, number> {
    return {
      received: this.received,
      decoded: this.decoded,
      silent: this.silent,
      late: this.late,
      lost: this.lost,
      dropped: this.dropped,
    };
  }
}

/**
 * The 48-bit index of a packet from its 16-bit sequence number (RFC 3711, section 3.3.1), and the replay window (section
 * 3.3.2). Only `add` changes state, after authentication, so that no forged packet advances a stream.
 */

/** Replay window in packets; older packets are refused. RFC 3711 requires at least 64. */
const WINDOW = 64;
const ROLLOVERS_MAX = 0xffff_ffff;

export class PacketIndex {
  /** Of the newest packet. */
  #rollovers = 0;
  /** Sequence number of the newest packet; undefined before the first. */
  #newest: number | undefined;
  /** Bit n: the packet n behind the newest was received; 0 to 31, and 32 to 63. */
  #seen = 0;
  #seenEarlier = 0;

  /**
   * The rollover counter that puts a sequence number nearest to the newest packet. The counter never goes below 0: in its
   * first round a number more than half a round ahead stays ahead, as in libsrtp. An SFU whose publisher steps back right
   * after the subscription sends 1, then 65535, and continues from there.
   */
  rolloversOf(sequence: number): number {
    if (this.#newest === undefined) return 0;
    const ahead = sequence - this.#newest;
    if (ahead < -0x8000) return this.#rollovers + 1;
    return ahead > 0x8000 && this.#rollovers > 0 ? this.#rollovers - 1 : this.#rollovers;
  }

  /**
   * For a packet that seems too old: the rollover counter if its sender jumped ahead by more than half a round instead,
   * which section 3.3.1 takes for a step back. Authentication decides.
   */
  rolloversAhead(rollovers: number, sequence: number): number | undefined {
    if (this.#newest === undefined || this.#behind(this.#newest, rollovers, sequence) < WINDOW) {
      return undefined;
    }
    return rollovers < ROLLOVERS_MAX ? rollovers + 1 : undefined;
  }

  /** Whether a packet is neither a duplicate nor older than the window. */
  isNew(rollovers: number, sequence: number): boolean {
    if (rollovers > ROLLOVERS_MAX) return false;
    if (this.#newest === undefined) return true;
    const behind = this.#behind(this.#newest, rollovers, sequence);
    if (behind < 0) return true;
    if (behind >= WINDOW) return false;
    return behind < 32 ? (this.#seen >>> behind & 1) === 0 : (this.#seenEarlier >>> behind - 32 & 1) === 0;
  }

  /** Index of the newest packet, 0 before the first. */
  get highest(): number {
    return this.#rollovers * 0x1_0000 + (this.#newest ?? 0);
  }

  /** Records a new, authenticated packet. */
  add(rollovers: number, sequence: number): void {
    const behind = this.#newest === undefined ? -WINDOW : this.#behind(this.#newest, rollovers, sequence);
    if (behind >= 32) this.#seenEarlier |= 1 << behind - 32;
    else if (behind >= 0) this.#seen |= 1 << behind;
    else {
      this.#shift(-behind);
      this.#seen |= 1;
      this.#rollovers = rollovers;
      this.#newest = sequence;
    }
  }

  #behind(newest: number, rollovers: number, sequence: number): number {
    return (this.#rollovers - rollovers) * 0x1_0000 + newest - sequence;
  }

  #shift(by: number): void {
    if (by >= WINDOW) this.#seen = this.#seenEarlier = 0;
    else if (by >= 32) {
      this.#seenEarlier = this.#seen << by - 32;
      this.#seen = 0;
    } else { // 1 to 31: shifts are modulo 32
      this.#seenEarlier = this.#seenEarlier << by | this.#seen >>> 32 - by;
      this.#seen <<= by;
    }
  }
}

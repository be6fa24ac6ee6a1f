/**
 * Where a packet stands in its stream: the 48-bit index behind a 16-bit sequence number (RFC 3711, section 3.3.1), and
 * which indices came already (section 3.3.2). Asking changes nothing: only `add` does, once the packet was
 * authenticated, so that no forged one moves a stream on.
 */

/** Packets behind the newest that can still be told new from known; what is older is refused. RFC 3711 asks for 64. */
const WINDOW = 64;
const ROLLOVERS_MAX = 0xffff_ffff;

export class PacketIndex {
  /** Of the newest packet. */
  #rollovers = 0;
  /** Sequence number of the newest packet; undefined before the first. */
  #newest: number | undefined;
  /** Bit n: the packet n behind the newest came; 0 to 31, and 32 to 63. */
  #seen = 0;
  #seenEarlier = 0;

  /**
   * The rollover counter that puts a sequence number nearest to the newest packet: 0 for the first packet. There is no
   * round before the first, so there a number more than half a round ahead stays ahead, as in libsrtp: an SFU whose
   * publisher steps back right after it was subscribed to sends 1 and then 65535, and counts on from there.
   */
  rolloversOf(sequence: number): number {
    if (this.#newest === undefined) return 0;
    const ahead = sequence - this.#newest;
    if (ahead < -0x8000) return this.#rollovers + 1;
    return ahead > 0x8000 && this.#rollovers > 0 ? this.#rollovers - 1 : this.#rollovers;
  }

  /**
   * For a packet that is too old, if it is what it seems: the rollover counter it has when its sender jumped ahead by
   * more than half a round instead, which section 3.3.1 takes for a step back. Only authentication tells which.
   */
  rolloversAhead(rollovers: number, sequence: number): number | undefined {
    if (this.#newest === undefined || this.#behind(this.#newest, rollovers, sequence) < WINDOW) {
      return undefined;
    }
    return rollovers < ROLLOVERS_MAX ? rollovers + 1 : undefined;
  }

  /** Whether a packet neither came already nor is too old to tell. */
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

  /** Takes note of an authenticated packet that was new. */
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
    } else { // 1 to 31: a shift by 32 would be one by 0
      this.#seenEarlier = this.#seenEarlier << by | this.#seen >>> 32 - by;
      this.#seen <<= by;
    }
  }
}

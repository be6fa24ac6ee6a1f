/**
 * The output of `gst-launch-1.0 -m` about the element `pocketsphinx` as SttEvents. A line is a serialised GStreamer
 * structure (gst_structure_to_string): `name, field=(type)value, ...;`. Strings with special characters are quoted, with
 * `\` before those and three octal digits for a byte that is not ASCII. Other lines are skipped.
 */
import type { SttEvent } from "../../domain/mod.ts";

/** A hypothesis of some minutes; a longer line is skipped and not kept. */
const LINE_CHARS_MAX = 64 * 1024;
const MESSAGE = /^Got message #\d+ from element "[^"]*" \(element\): pocketsphinx, (.*);$/;
const HYPOTHESIS = /\bhypothesis=\(string\)(?:"((?:[^"\\]|\\.)*)"|([^,;"]*))/;
const IS_FINAL = /\bfinal=\(boolean\)(true|false)/;
const TIMESTAMP_NS = /\btimestamp=\(guint64\)(\d+)/;
/** GST_CLOCK_TIME_NONE, at the end of the stream. */
const NO_TIME = "18446744073709551615";

export class PocketsphinxDecoder {
  readonly #text = new TextDecoder();
  #line = "";
  /** Whether the current line is too long. */
  #skipping = false;
  #hypothesis = "";

  /** Takes standard output in any pieces. */
  receive(chunk: Uint8Array): SttEvent[] {
    const events: SttEvent[] = [];
    const parts = this.#text.decode(chunk, { stream: true }).split("\n");
    parts.forEach((part, index) => {
      if (!this.#skipping && this.#line.length + part.length <= LINE_CHARS_MAX) this.#line += part;
      else this.#skipping = true;
      if (index === parts.length - 1) return; // the line is not complete
      const event = this.#skipping ? undefined : this.#receiveLine(this.#line);
      if (event) events.push(event);
      this.#line = "";
      this.#skipping = false;
    });
    if (this.#skipping) this.#line = "";
    return events;
  }

  #receiveLine(line: string): SttEvent | undefined {
    const fields = MESSAGE.exec(line)?.[1];
    if (fields === undefined) return undefined;
    const [, quoted, bare] = HYPOTHESIS.exec(fields) ?? [];
    const text = (quoted === undefined ? bare ?? "" : unescape(quoted)).trim();
    const ns = TIMESTAMP_NS.exec(fields)?.[1];
    const endMs = ns === undefined || ns === NO_TIME ? {} : { endMs: Number(ns) / 1e6 };
    if (IS_FINAL.exec(fields)?.[1] === "true") {
      const nothingToSettle = text === "" && this.#hypothesis === "";
      this.#hypothesis = "";
      return nothingToSettle ? undefined : { type: "final", text, ...endMs };
    }
    if (text === "" || text === this.#hypothesis) return undefined;
    this.#hypothesis = text;
    return { type: "partial", text, ...endMs };
  }
}

/** Undoes gst_string_wrap: bytes, since an escaped character may be several. */
function unescape(quoted: string): string {
  const bytes = new TextEncoder().encode(quoted);
  const out: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== 0x5c) out.push(bytes[at]);
    else {
      const octal = /^[0-3][0-7]{2}$/.exec(String.fromCharCode(...bytes.subarray(at + 1, at + 4)));
      out.push(octal ? parseInt(octal[0], 8) : bytes[at + 1]);
      at += octal ? 3 : 1;
    }
  }
  return new TextDecoder().decode(Uint8Array.from(out));
}

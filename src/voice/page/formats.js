/** Formats of audio the browser can record. */

/** @typedef {"webm" | "ogg" | "pcm"} Format */

/** @type {Record<"webm" | "ogg", string>} */
export const MIME_TYPES = { webm: "audio/webm;codecs=opus", ogg: "audio/ogg;codecs=opus" };

/** Bytes a second, as recorded: what has not been sent yet is judged by it. */
export const OPUS_BITS_PER_SECOND = 32_000;

/**
 * The best first: Opus takes an eighth of the network of PCM. Firefox records WebM in pieces as short as is wished, and
 * Ogg in pages of a second; Chromium has no Ogg, Safari neither before version 18.4.
 * @param {(mimeType: string) => boolean} isRecorded
 * @returns {Format[]}
 */
export function possibleFormats(isRecorded) {
  /** @type {("webm" | "ogg")[]} */
  const containers = ["webm", "ogg"];
  return [...containers.filter((format) => isRecorded(MIME_TYPES[format])), "pcm"];
}

/** @returns {Format[]} of this browser */
export function ownFormats() {
  return possibleFormats((mimeType) =>
    typeof MediaRecorder !== "undefined" && MediaRecorder.isTypeSupported(mimeType)
  );
}

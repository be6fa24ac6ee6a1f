/** Formats of audio the browser can record. */

/** @typedef {"webm" | "ogg" | "pcm"} Format */

/** @type {Record<"webm" | "ogg", string>} */
export const MIME_TYPES = { webm: "audio/webm;codecs=opus", ogg: "audio/ogg;codecs=opus" };

/** Bytes a second, as recorded: what has not been sent yet is judged by it. */
export const OPUS_BITS_PER_SECOND = 32_000;

/**
 * The best first: Opus takes a twentieth of the network of PCM. Firefox writes Ogg page by page, and WebM in clusters of a
 * second; Safari records neither before version 18.4.
 * @param {(mimeType: string) => boolean} isRecorded
 * @param {boolean} isFirefox
 * @returns {Format[]}
 */
export function possibleFormats(isRecorded, isFirefox) {
  /** @type {("webm" | "ogg")[]} */
  const containers = isFirefox ? ["ogg", "webm"] : ["webm", "ogg"];
  return [...containers.filter((format) => isRecorded(MIME_TYPES[format])), "pcm"];
}

/** @returns {Format[]} of this browser */
export function ownFormats() {
  const isRecorded = (/** @type {string} */ mimeType) =>
    typeof MediaRecorder !== "undefined" && MediaRecorder.isTypeSupported(mimeType);
  return possibleFormats(isRecorded, navigator.userAgent.includes("Firefox/"));
}

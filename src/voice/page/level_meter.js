/** The level of the microphone, as a bar and in words. */

const EVERY_MS = 100;
/** Of a quiet room, and of somebody who speaks near the microphone. */
const FLOOR_DB = -60;
const SPEECH_DB = -45;
/** Words change more slowly than the bar, which nobody could read. */
const SPEECH_LASTS_MS = 700;
const SILENT_AFTER_MS = 5_000;

/** @type {(meter: HTMLElement, bar: HTMLElement, words: HTMLElement, levelDb: () => number | undefined) => { close(): void }} */
export function levelMeter(meter, bar, words, levelDb) {
  let soundAtMs = performance.now() - SPEECH_LASTS_MS;
  let shown = "";

  function show() {
    const level = levelDb();
    const db = level ?? FLOOR_DB;
    const part = Math.max(0, Math.min(1, (db - FLOOR_DB) / -FLOOR_DB));
    bar.style.transform = `scaleX(${part.toFixed(2)})`;
    const nowMs = performance.now();
    if (db > SPEECH_DB) soundAtMs = nowMs;
    const quietMs = nowMs - soundAtMs;
    const text = level === undefined ? "" : wordFor(quietMs);
    meter.setAttribute("aria-valuenow", String(Math.round(100 * part)));
    if (text === shown) return;
    shown = text;
    words.textContent = text;
    meter.setAttribute("aria-valuetext", text);
  }

  show();
  const timer = setInterval(show, EVERY_MS);
  return { close: () => clearInterval(timer) };
}

/** @param {number} quietMs */
function wordFor(quietMs) {
  if (quietMs < SPEECH_LASTS_MS) return "Sound";
  return quietMs < SILENT_AFTER_MS ? "Quiet" : "No sound";
}

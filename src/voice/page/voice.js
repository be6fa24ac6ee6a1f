/**
 * The page /voice: microphone to captions. The states: idle; opening the microphone; connecting; live; waiting to connect
 * again; stopping, while the last words are captioned.
 */
import { LANGUAGE_STAYS, microphoneProblem, NO_MICROPHONE_HERE, sessionProblem } from "./problems.js";
import { ownFormats } from "./formats.js";
import { openMicrophone } from "./microphone.js";
import { voiceSession } from "./voice_session.js";
import { voiceLines } from "./voice_lines.js";
import { levelMeter } from "./level_meter.js";
import { transcriptLink } from "./transcript_link.js";
import { keepChoices, keepToken, readChoices, readToken } from "./choices.js";

/** @typedef {"idle" | "opening" | "connecting" | "live" | "waiting" | "stopping" | "failed"} State */

/** @type {Record<State, string>} */
const STATES = {
  idle: "Ready",
  opening: "Waiting for the microphone…",
  connecting: "Connecting…",
  live: "Captions on",
  waiting: "Connection lost",
  stopping: "Finishing the last words…",
  failed: "Stopped",
};
const RETRY_BASE_MS = 1_000;
/** Four a minute, below the service's usual limit. */
const RETRY_CAP_MS = 15_000;
const SIZES = [16, 18, 20, 24, 28, 32, 36, 42, 48, 56, 64, 76, 90, 108, 130, 160];

/** @template {HTMLElement} E @param {string} id @param {new () => E} kind @returns {E} */
function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`Cannot find #${id}`);
  return found;
}

const settings = byId("settings", HTMLFormElement);
const settingsButton = byId("settings-button", HTMLButtonElement);
const stateText = byId("state", HTMLElement);
const language = byId("language", HTMLSelectElement);
const token = byId("token", HTMLInputElement);
const remember = byId("remember", HTMLInputElement);
const transcript = byId("transcript", HTMLInputElement);
const device = byId("microphone", HTMLSelectElement);
const format = byId("format", HTMLSelectElement);
const start = byId("start", HTMLButtonElement);
const retry = byId("retry", HTMLButtonElement);
const problem = byId("problem", HTMLElement);
const notice = byId("notice", HTMLElement);
const levelBox = byId("level-box", HTMLElement);
const link = byId("link", HTMLAnchorElement);
const copy = byId("copy", HTMLButtonElement);
const smaller = byId("smaller", HTMLButtonElement);
const larger = byId("larger", HTMLButtonElement);
const follow = byId("follow", HTMLButtonElement);
const view = byId("captions", HTMLElement);
const lines = voiceLines({
  view,
  finals: byId("finals", HTMLElement),
  partial: byId("partial", HTMLElement),
  onFollowing(isFollowing) {
    follow.hidden = isFollowing;
  },
});

const base = new URL(location.pathname.replace(/voice\/?$/, ""), location.origin);
const local = () => localStorage;
const tab = () => sessionStorage;
const choices = readChoices(local);
const formats = ownFormats();

/** @type {State} */
let state = "idle";
/** @type {import("./microphone.js").Microphone | undefined} */
let microphone;
/** @type {import("./microphone.js").Recording | undefined} */
let recording;
/** @type {import("./voice_session.js").VoiceSession | undefined} */
let session;
/** @type {{ close(): void } | undefined} */
let meter;
let failures = 0;
let retryTimer = 0;
/** @type {WakeLockSentinel | undefined} */
let lock;

/** @param {State} next */
function setState(next) {
  state = next;
  // Attempts are not told one by one.
  const told = next === "connecting" && failures > 0 ? "waiting" : next;
  if (stateText.textContent !== STATES[told]) stateText.textContent = STATES[told];
  stateText.dataset.state = told;
  const isOff = next === "idle" || next === "failed";
  start.textContent = isOff ? "Start" : "Stop";
  start.dataset.does = isOff ? "start" : "stop";
  start.disabled = next === "stopping";
  retry.hidden = next !== "waiting";
  for (const field of [token, transcript, device, format]) field.disabled = !isOff;
  void keepAwake();
}

/** @param {string} words empty: none */
function showProblem(words) {
  if (problem.textContent !== words) problem.textContent = words;
  problem.hidden = words === "";
}

/** @param {string} words empty: none */
function showNotice(words) {
  notice.textContent = words;
  notice.hidden = words === "";
}

/** @param {boolean} isOpen */
function showSettings(isOpen) {
  settings.hidden = !isOpen;
  settingsButton.setAttribute("aria-expanded", String(isOpen));
}

async function begin() {
  showProblem("");
  showNotice("");
  if (token.value.trim() === "") return failToken(sessionProblem("token_missing", 4001).words);
  token.removeAttribute("aria-invalid");
  keepToken(remember.checked ? token.value.trim() : "", tab);
  if (!navigator.mediaDevices) return fail(NO_MICROPHONE_HERE);
  setState("opening");
  const opened = await openMicrophone(device.value).catch((error) => {
    fail(microphoneProblem(error.name));
  });
  if (!opened) return;
  if (state !== "opening") return void opened.close(); // stopped meanwhile
  microphone = opened;
  opened.track.addEventListener("ended", () => {
    if (microphone === opened) fail(microphoneProblem("NotFoundError"));
  });
  opened.track.addEventListener("mute", () => showNotice("The microphone is muted by this device."));
  opened.track.addEventListener("unmute", () => showNotice(""));
  levelBox.hidden = false;
  meter = levelMeter(
    byId("level", HTMLElement),
    byId("level-bar", HTMLElement),
    byId("level-words", HTMLElement),
    opened.levelDb,
  );
  void listDevices();
  showSettings(false);
  failures = 0;
  await connect();
}

/** Records from the first moment on: what is said while the session opens is captioned too. */
async function connect() {
  if (!microphone) return;
  setState("connecting");
  /** @type {ArrayBuffer[]} */
  const early = [];
  /** @type {import("./voice_session.js").VoiceSession | undefined} */
  let own;
  const chosen = formats.find((each) => each === format.value) ?? formats[0];
  const started = await microphone.record(chosen, (data) => own ? own.send(data) : early.push(data));
  if (state !== "connecting") return void started.stop();
  recording = started;
  try {
    own = open(started);
  } catch { // the token has characters that no token has
    return failToken(sessionProblem("token_malformed", 4001).words);
  }
  session = own;
  for (const data of early) own.send(data);
}

/** @param {import("./microphone.js").Recording} recorded */
function open({ format, sampleRate, channels, bytesPerSecond }) {
  const url = new URL("api/v1/voice/transcribe", base);
  url.protocol = url.protocol.replace("http", "ws");
  return voiceSession({
    url: url.href,
    token: token.value.trim(),
    bytesPerSecond,
    start: {
      ...(language.value && { language: language.value }),
      ...{ format, sampleRate, channels },
      ...(transcript.checked && { transcript: true }),
    },
    onReady(ready) {
      if (state === "connecting") setState("live");
      showProblem("");
      byId("empty", HTMLElement).textContent = "Speak: the words appear here.";
      void showLink(ready.transcript?.id);
    },
    onCaption(caption) {
      failures = 0;
      byId("empty", HTMLElement).hidden = true;
      lines.show(caption);
    },
    onStatus(code, message) {
      const words = code === "language_unsupported" ? LANGUAGE_STAYS : message;
      showNotice(code === "captioning" ? "" : words);
    },
    onEnd: ended,
  });
}

/** @param {import("./voice_session.js").End} end */
function ended({ code, closed }) {
  session = undefined;
  lines.clearPartial();
  void recording?.stop();
  recording = undefined;
  if (state === "stopping" || closed === 1000) return finish("idle");
  const { words, isPassing } = sessionProblem(code, closed);
  if (!isPassing) return closed === 4001 ? failToken(words) : fail(words);
  const delayMs = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** failures++) * (.75 + Math.random() / 2);
  setState("waiting");
  showProblem(words);
  showNotice("");
  retryTimer = setTimeout(() => void connect(), delayMs);
}

function connectNow() {
  if (state !== "waiting") return;
  clearTimeout(retryTimer);
  void connect();
}

async function stop() {
  if (state === "opening") return finish("idle");
  if (!session || state === "waiting") {
    clearTimeout(retryTimer);
    session?.abort();
    return finish("idle");
  }
  setState("stopping");
  await recording?.stop();
  session?.stop();
}

/** @param {string} words */
function fail(words) {
  finish("failed");
  showProblem(words);
}

/** Where another token can be entered. @param {string} words */
function failToken(words) {
  fail(words);
  token.setAttribute("aria-invalid", "true");
  showSettings(true);
  token.focus();
}

/** @param {"idle" | "failed"} next */
function finish(next) {
  clearTimeout(retryTimer);
  const closing = microphone;
  microphone = undefined;
  const open = session;
  session = undefined;
  open?.abort();
  void recording?.stop();
  recording = undefined;
  meter?.close();
  levelBox.hidden = true;
  setState(next);
  showProblem("");
  showNotice("");
  lines.clearPartial();
  void closing?.close();
}

/** @param {string | undefined} id of the transcript */
async function showLink(id) {
  const href = id && await transcriptLink(base, id, token.value.trim());
  byId("link-line", HTMLElement).hidden = !href;
  if (href) link.href = href;
  copy.textContent = "Copy the link";
  lines.toEnd();
}

/** Their names are known once the microphone is permitted. */
async function listDevices() {
  const found = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  const chosen = device.value;
  device.replaceChildren(device.options[0]);
  for (const { kind, deviceId, label } of found) {
    if (kind === "audioinput" && deviceId && deviceId !== "default") device.add(new Option(label, deviceId));
  }
  device.value = chosen;
  if (device.value !== chosen) device.value = "";
}

/** The screen of a phone stays on while captions arrive. */
async function keepAwake() {
  const isWanted = state === "live" && !document.hidden;
  try {
    if (isWanted && (!lock || lock.released)) lock = await navigator.wakeLock?.request("screen");
    else if (!isWanted) await lock?.release();
  } catch {
    // Refused, to save power: captions go on.
  }
}

/** @param {number} size */
function setSize(size) {
  choices.size = size;
  document.documentElement.style.setProperty("--size", `${size}px`);
  smaller.disabled = size <= SIZES[0];
  larger.disabled = size >= SIZES[SIZES.length - 1];
  lines.toEnd();
}

function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  token.value = given ?? token.value;
  // Not in the history, nor in a screenshot.
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
}

smaller.addEventListener("click", () => {
  setSize(SIZES.filter((size) => size < choices.size).pop() ?? SIZES[0]);
  keepChoices(choices, local);
});
larger.addEventListener("click", () => {
  setSize(SIZES.find((size) => size > choices.size) ?? SIZES[SIZES.length - 1]);
  keepChoices(choices, local);
});
language.addEventListener("change", () => {
  choices.language = language.value;
  keepChoices(choices, local);
  if (language.value) session?.language(language.value);
});
remember.addEventListener("change", () => keepToken(remember.checked ? token.value.trim() : "", tab));
token.addEventListener("input", () => token.removeAttribute("aria-invalid"));
settings.addEventListener("submit", (event) => {
  event.preventDefault();
  if (start.dataset.does === "start") void begin();
});
settingsButton.addEventListener("click", () => showSettings(settings.hidden === true));
start.addEventListener("click", () => void (start.dataset.does === "start" ? begin() : stop()));
copy.addEventListener("click", () => {
  void navigator.clipboard.writeText(link.href).then(
    () => copy.textContent = "Copied",
    () => copy.textContent = "Copy it from the link's menu",
  );
});
follow.addEventListener("click", () => {
  lines.follow();
  view.focus();
});
retry.addEventListener("click", connectNow);
addEventListener("online", connectNow);
addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || settings.hidden) return;
  showSettings(false);
  settingsButton.focus();
});
addEventListener("hashchange", takeToken);
document.addEventListener("visibilitychange", () => void keepAwake());

const kept = readToken(tab);
token.value = kept;
remember.checked = kept !== "";
takeToken();
for (const option of [...format.options]) option.hidden = !["", ...formats].includes(option.value);
format.value = new URLSearchParams(location.search).get("format") ?? "";
language.value = choices.language;
if (language.selectedIndex === -1) language.value = "";
const { transcripts } = document.body.dataset;
byId("transcript-field", HTMLElement).hidden = transcripts !== "request";
byId("transcript-note", HTMLElement).hidden = transcripts !== "on";
setSize(choices.size);
setState("idle");

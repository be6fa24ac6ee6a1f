/** The page of one transcript: `captions/{id}#key=...`. The key stays in the fragment, which no server gets. */
import { applySettings, keepSettings, readSettings, SIZE_MAX, SIZE_MIN } from "./settings.js";
import { captionLines, LINES_MAX } from "./lines.js";
import { liveEvents } from "./live_events.js";

/** @typedef {import("./live_events.js").LiveState} LiveState */
/** @typedef {import("./live_events.js").LiveEvent} LiveEvent */

const STATES = {
  connecting: "Connecting…",
  live: "Live",
  waiting: "Connection lost. Connecting again…",
  ended: "Ended",
  refused: "Not allowed",
  gone: "Not found",
};
const PROBLEMS = new Map([
  [
    "refused",
    "This link does not open the captions: its key is missing, wrong or no longer valid. Ask for a new link.",
  ],
  [
    "gone",
    "This link opens no captions: they may have been deleted, or a part of the link is missing. Ask for a new link.",
  ],
]);
const SIZES = [16, 18, 20, 24, 28, 32, 36, 42, 48, 56, 64, 76, 90, 108, 130, 160];
const LINES_SHOWN = { least: 1, most: 20, usual: 2 };
/** What was said before the viewer came is not read aloud: it arrives in this time. */
const BACKLOG_MS = 1_500;
/** An overlay shows nothing after so much silence. */
const CLEAR_SECONDS = 10;

/** @template {HTMLElement} E @param {string} id @param {new () => E} kind @returns {E} */
function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`Cannot find #${id}`);
  return found;
}

const view = byId("captions", HTMLElement);
const finals = byId("finals", HTMLElement);
const state = byId("state", HTMLElement);
const problem = byId("problem", HTMLElement);
const empty = byId("empty", HTMLElement);
const ended = byId("ended", HTMLElement);
const pause = byId("pause", HTMLButtonElement);
const follow = byId("follow", HTMLButtonElement);
const retry = byId("retry", HTMLButtonElement);
const earlier = byId("earlier", HTMLButtonElement);
const smaller = byId("smaller", HTMLButtonElement);
const larger = byId("larger", HTMLButtonElement);
const form = byId("settings", HTMLFormElement);
const formButton = byId("settings-button", HTMLButtonElement);
/** @type {["colours", "font", "spacing"]} */
const SELECTS = ["colours", "font", "spacing"];
/** @type {["names", "partials"]} */
const CHECKS = ["names", "partials"];

const parameters = new URLSearchParams(location.search);
const [, prefix, id] = /^(.*\/)captions\/([^/]+)\/?$/.exec(location.pathname) ?? ["", "/", ""];
const key = new URLSearchParams(location.hash.slice(1)).get("key") ?? "";
const root = document.documentElement;
const isOverlay = parameters.has("overlay");
const storage = () => localStorage;
const settings = readSettings(parameters, storage);

/** @type {LiveState} */
let current = "connecting";
let unread = 0;
let isPaused = false;
/** @type {LiveEvent[]} arrived during a pause */
let held = [];
let lastIndex = -1;
let clearTimer = 0;
let backlogTimer = 0;
let isFromStart = false;
/** @type {WakeLockSentinel | undefined} */
let lock;

const lines = captionLines({
  view,
  finals,
  partialLines: byId("partial-lines", HTMLElement),
  onFollowing(isFollowing) {
    unread = 0;
    follow.hidden = isFollowing;
    follow.textContent = "Follow";
  },
});

/** @param {LiveEvent[]} events */
function show(events) {
  for (const { type, data } of events) {
    if (type === "transcript") {
      finals.setAttribute("aria-live", "off");
      clearTimeout(backlogTimer);
      backlogTimer = setTimeout(() => finals.setAttribute("aria-live", "polite"), BACKLOG_MS);
    } else if (type === "cue" && data.index > lastIndex) {
      if (lastIndex === -1) earlier.hidden = data.index === 0;
      lastIndex = data.index;
      lines.addFinal(data);
      unread++;
    } else if (type === "gap") lines.addNote("Some captions cannot be shown now.");
    else if (type === "partial") lines.setPartial(data);
    else if (type === "end") endWith(data.reason);
    if (type === "cue" || type === "partial") empty.hidden = true;
  }
  if (isFromStart && lastIndex >= 0) {
    isFromStart = false;
    lines.toStart();
  }
  lines.toEnd();
  if (!follow.hidden && unread > 0) follow.textContent = `Follow (${unread} new)`;
  if (isOverlay) clearLater();
}

/** @param {string} reason */
function endWith(reason) {
  if (reason === "deleted") lines.clear();
  ended.textContent = reason === "deleted" ? "These captions were deleted." : "The captions have ended.";
}

function clearLater() {
  clearTimeout(clearTimer);
  const seconds = Number(parameters.get("clear") ?? CLEAR_SECONDS);
  if (seconds > 0) clearTimer = setTimeout(() => lines.clear(), seconds * 1_000);
}

/** @param {LiveState} next */
function showState(next) {
  // Attempts are not told one by one.
  const isRetry = next === "connecting" && current === "waiting";
  current = isRetry ? current : next;
  const words = PROBLEMS.get(next);
  const text = isPaused && next === "live" ? "Paused" : STATES[current];
  if (state.textContent !== text) state.textContent = text;
  state.dataset.state = words ? "failed" : isPaused ? "paused" : current;
  problem.textContent = words ?? "";
  problem.hidden = !words;
  pause.hidden = words !== undefined;
  retry.hidden = current !== "waiting";
  ended.hidden = next !== "ended";
  if (words) empty.hidden = true;
  if (next !== "live") lines.clearPartials();
  lines.toEnd();
  void keepAwake();
}

const live = liveEvents({
  url: `${location.origin}${prefix}api/v1/transcripts/${id}/events`,
  key,
  onEvents(events) {
    if (!isPaused) return show(events);
    for (const event of events) hold(event);
    showPause();
  },
  onState: showState,
});

/** Of what is being said, the last words alone: they do not take the place of lines. @param {LiveEvent} event */
function hold({ type, data }) {
  if (type === "partial") {
    held = held.filter((each) => each.type !== type || each.data.speakerId !== data.speakerId);
  }
  held = [...held, { type, data }].slice(-LINES_MAX);
}

function showPause() {
  const waiting = held.filter(({ type }) => type === "cue").length;
  pause.textContent = !isPaused ? "Pause" : waiting > 0 ? `Resume (${waiting} new)` : "Resume";
}

function togglePause() {
  isPaused = !isPaused;
  const events = held;
  held = [];
  showPause();
  showState(current);
  show(events);
}

/** The screen of a phone stays on while captions arrive. */
async function keepAwake() {
  const isWanted = current === "live" && !document.hidden;
  try {
    if (isWanted && (!lock || lock.released)) lock = await navigator.wakeLock?.request("screen");
    else if (!isWanted) await lock?.release();
  } catch {
    // Refused, to save power: the captions are shown all the same.
  }
}

function showSettings() {
  applySettings(settings, root);
  byId("size-now", HTMLOutputElement).value = String(settings.size);
  smaller.disabled = settings.size <= SIZE_MIN;
  larger.disabled = settings.size >= SIZE_MAX;
  for (const name of SELECTS) byId(name, HTMLSelectElement).value = settings[name];
  for (const name of CHECKS) byId(name, HTMLInputElement).checked = settings[name];
  lines.toEnd();
}

/** @param {Partial<import("./settings.js").Settings>} part */
function change(part) {
  Object.assign(settings, part);
  keepSettings(settings, storage);
  showSettings();
}

smaller.addEventListener("click", () => {
  change({ size: SIZES.filter((size) => size < settings.size).pop() ?? SIZE_MIN });
});
larger.addEventListener("click", () => {
  change({ size: SIZES.find((size) => size > settings.size) ?? SIZE_MAX });
});
for (const name of SELECTS) {
  const select = byId(name, HTMLSelectElement);
  select.addEventListener("change", () => change({ [name]: select.value }));
}
for (const name of CHECKS) {
  const check = byId(name, HTMLInputElement);
  check.addEventListener("change", () => change({ [name]: check.checked }));
}
form.addEventListener("submit", (event) => event.preventDefault());
formButton.addEventListener("click", () => {
  form.hidden = !form.hidden;
  formButton.setAttribute("aria-expanded", String(!form.hidden));
});
follow.addEventListener("click", () => {
  lines.follow();
  view.focus();
});
earlier.addEventListener("click", () => {
  lines.clear();
  lastIndex = -1;
  isFromStart = true;
  earlier.hidden = true;
  live.from(0);
  view.focus();
});
pause.addEventListener("click", togglePause);
retry.addEventListener("click", () => live.now());
addEventListener("keydown", (event) => {
  const isControl = event.target instanceof Element && event.target.closest("button, select, input, a");
  if (event.key === " " && !isControl && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    togglePause();
  } else if (event.key === "Escape" && !form.hidden) {
    formButton.click();
    formButton.focus();
  }
});
addEventListener("online", () => live.now());
addEventListener("hashchange", () => location.reload());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && current === "waiting") live.now();
  void keepAwake();
});

if (isOverlay) {
  root.dataset.overlay = "";
  view.removeAttribute("tabindex");
}
const wanted = Math.round(Number(parameters.get("lines")));
const shown = wanted >= LINES_SHOWN.least && wanted <= LINES_SHOWN.most ? wanted : LINES_SHOWN.usual;
root.style.setProperty("--lines", String(shown));
showSettings();

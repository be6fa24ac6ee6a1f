/** How the viewer wants to read: kept in this browser, and overridden by the address (`?size=48&colours=yellow`). */

const SETTINGS_KEY = "tiro.captions";
export const SIZE_MIN = 16;
export const SIZE_MAX = 160;
const CHOICES = {
  colours: ["system", "light", "dark", "yellow", "cream", "blue"],
  font: ["standard", "legible", "dyslexia", "serif"],
  spacing: ["narrow", "normal", "wide"],
};
const DEFAULTS = {
  size: 32,
  colours: "system",
  font: "standard",
  spacing: "normal",
  names: true,
  partials: true,
};

/** @typedef {typeof DEFAULTS} Settings */
/** @typedef {() => Pick<Storage, "getItem" | "setItem">} OpenStorage throws where there is none */

/**
 * What is valid of `from`, whatever it holds.
 * @param {Record<string, unknown>} from
 * @returns {Partial<Settings>}
 */
export function validSettings(from) {
  /** @type {Record<string, unknown>} */
  const settings = {};
  const size = Number(from.size);
  if (from.size && Number.isFinite(size)) {
    settings.size = Math.round(Math.min(SIZE_MAX, Math.max(SIZE_MIN, size)));
  }
  for (const [name, values] of Object.entries(CHOICES)) {
    const value = from[name];
    if (typeof value === "string" && values.includes(value)) settings[name] = value;
  }
  for (const name of ["names", "partials"]) {
    if (from[name] === true || from[name] === "on") settings[name] = true;
    if (from[name] === false || from[name] === "off") settings[name] = false;
  }
  return settings;
}

/** @type {(parameters: URLSearchParams, storage: OpenStorage) => Settings} */
export function readSettings(parameters, storage) {
  /** @type {Record<string, unknown>} */
  let kept = {};
  try {
    const value = JSON.parse(storage().getItem(SETTINGS_KEY) ?? "{}");
    if (typeof value === "object" && value !== null) kept = value;
  } catch {
    // No storage here, or not of this page: the defaults.
  }
  // A browser source of OBS is set up by its address alone.
  const isOverlay = parameters.has("overlay");
  return {
    ...DEFAULTS,
    ...(isOverlay ? {} : validSettings(kept)),
    ...validSettings(Object.fromEntries(parameters)),
  };
}

/** @type {(settings: Settings, storage: OpenStorage) => void} */
export function keepSettings(settings, storage) {
  try {
    storage().setItem(SETTINGS_KEY, JSON.stringify(settings));
  } catch {
    // They last until the page is closed.
  }
}

/** @type {(settings: Settings, root: HTMLElement) => void} */
export function applySettings(settings, root) {
  root.style.setProperty("--size", `${settings.size}px`);
  root.dataset.colours = settings.colours;
  root.dataset.font = settings.font;
  root.dataset.spacing = settings.spacing;
  root.dataset.names = settings.names ? "on" : "off";
  root.dataset.partials = settings.partials ? "on" : "off";
}

/** The live events of a transcript, connected again when they break off. They end with `end`, or where they are refused. */
import { readEvents } from "./event_stream.js";

const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 15_000;
const RETRY_AFTER_MAX_MS = 60_000;
/** The service sends a comment every 20 s. */
const SILENCE_MS = 45_000;

/** @typedef {"connecting" | "live" | "waiting" | "ended" | "refused" | "gone"} LiveState `refused`: the key */
/** @typedef {{ type: string, data: any }} LiveEvent */

/**
 * `now()` connects at once where it waits; `from(index)` connects again and begins with that cue.
 * @param {object} options
 * @param {string} options.url
 * @param {string} options.key
 * @param {(events: LiveEvent[]) => void} options.onEvents
 * @param {(state: LiveState) => void} options.onState
 */
export function liveEvents({ url, key, onEvents, onState }) {
  let lastId = "";
  let failures = 0;
  let wake = () => {};
  let fromIndex = -1;
  let aborting = new AbortController();
  let isRunning = false;

  /** @param {string | null} retryAfter seconds */
  function delayMs(retryAfter) {
    const askedMs = Math.min(RETRY_AFTER_MAX_MS, Number(retryAfter) * 1_000 || 0);
    const ownMs = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** failures++);
    return Math.max(askedMs, ownMs * (.75 + Math.random() / 2));
  }

  /** @returns {Promise<{ state?: LiveState, retryAfter: string | null }>} */
  async function connection() {
    const headers = new Headers({ accept: "text/event-stream" });
    if (key) headers.set("authorization", `Bearer ${key}`);
    if (lastId) headers.set("last-event-id", lastId);
    const address = fromIndex >= 0 && !lastId ? `${url}?from=${fromIndex}` : url;
    aborting = new AbortController();
    const response = await fetch(address, { headers, cache: "no-store", signal: aborting.signal });
    const retryAfter = response.headers.get("retry-after");
    if (!response.ok || !response.body) {
      await response.body?.cancel();
      const { status } = response;
      if (status === 401 || status === 403) return { state: "refused", retryAfter };
      if (status === 404 || status === 410) return { state: "gone", retryAfter };
      return { retryAfter };
    }
    onState("live");
    let hasEnded = false;
    await readEvents(response.body, (events) => {
      if (events.length === 0) return;
      failures = 0;
      lastId = events[events.length - 1].id;
      hasEnded ||= events.some(({ type }) => type === "end");
      onEvents(events.map(({ type, data }) => ({ type, data: JSON.parse(data) })));
    }, SILENCE_MS);
    return hasEnded ? { state: "ended", retryAfter } : { retryAfter };
  }

  async function run() {
    isRunning = true;
    for (;;) {
      onState("connecting");
      const { state, retryAfter } = await connection().catch(() => ({ state: undefined, retryAfter: null }));
      if (aborting.signal.aborted) continue;
      if (state) {
        isRunning = false;
        return onState(state);
      }
      onState("waiting");
      await new Promise((resolve) => {
        wake = () => resolve(undefined);
        setTimeout(resolve, delayMs(retryAfter));
      });
    }
  }

  void run();
  return {
    now() {
      failures = 0;
      wake();
    },
    /** @param {number} index */
    from(index) {
      fromIndex = index;
      lastId = "";
      aborting.abort();
      wake();
      if (!isRunning) void run();
    },
  };
}

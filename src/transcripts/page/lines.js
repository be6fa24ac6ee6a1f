/** The captions on the page: finals, below them what is being said, and the place where the viewer reads. */

/** Some hours of talk; the transcript has the rest. */
export const LINES_MAX = 2_000;
/** Who talk at once. */
const PARTIALS_MAX = 50;
/** So near to the end, the viewer reads what is new. */
const NEAR_PX = 48;

/** @typedef {{ speakerId: string, speakerName?: string, languageId: string, text: string }} Words as the events have them */

/**
 * @param {object} options
 * @param {HTMLElement} options.view scrolls
 * @param {HTMLElement} options.finals
 * @param {HTMLElement} options.partialLines
 * @param {(isFollowing: boolean) => void} options.onFollowing whether new lines scroll the view
 */
export function captionLines({ view, finals, partialLines, onFollowing }) {
  /** @type {Map<string, HTMLElement>} by speaker */
  const partials = new Map();
  /** @type {string | undefined} */
  let lastSpeaker;
  let isFollowing = true;

  /** @type {(words: Words, isNext: boolean) => HTMLElement} */
  function lineOf({ text, languageId, speakerName }, isNext) {
    const line = document.createElement("p");
    line.dir = "auto"; // by the first letter
    line.lang = languageId.replaceAll("_", "-");
    if (isNext && speakerName) {
      const who = document.createElement("bdi");
      who.className = "who";
      who.textContent = speakerName;
      line.append(who);
    }
    const said = document.createElement("span");
    said.className = "said";
    said.textContent = text;
    line.append(said);
    return line;
  }

  /** @param {boolean} value */
  function setFollowing(value) {
    if (isFollowing === value) return;
    isFollowing = value;
    onFollowing(value);
  }

  /** @param {string} speakerId */
  function removePartial(speakerId) {
    partials.get(speakerId)?.remove();
    partials.delete(speakerId);
  }

  function clearPartials() {
    partials.clear();
    partialLines.replaceChildren();
  }

  function toEnd() {
    if (isFollowing) view.scrollTop = view.scrollHeight;
  }

  view.addEventListener("scroll", () => {
    setFollowing(view.scrollHeight - view.clientHeight - view.scrollTop < NEAR_PX);
  });
  new ResizeObserver(toEnd).observe(view);

  return {
    clearPartials,
    /** After lines were added. */
    toEnd,
    /** @param {Words} words */
    addFinal(words) {
      removePartial(words.speakerId);
      const isNext = words.speakerId !== lastSpeaker || finals.childElementCount === 0;
      lastSpeaker = words.speakerId;
      const added = lineOf(words, isNext);
      added.className = isNext ? "cue next" : "cue";
      finals.append(added);
      while (finals.childElementCount > LINES_MAX) {
        const before = view.scrollHeight;
        finals.firstElementChild?.remove();
        if (!isFollowing) view.scrollTop -= before - view.scrollHeight;
      }
    },
    /** @param {string} text in place of captions */
    addNote(text) {
      const note = document.createElement("p");
      note.className = "note";
      note.textContent = text;
      finals.append(note);
      lastSpeaker = undefined;
    },
    /** @param {Words} words */
    setPartial(words) {
      const { speakerId, text } = words;
      const old = partials.get(speakerId);
      if (text === "") return removePartial(speakerId);
      const shown = lineOf(words, speakerId !== lastSpeaker || partials.size > (old ? 1 : 0));
      if (old) old.replaceWith(shown);
      else partialLines.append(shown);
      partials.set(speakerId, shown);
      const [oldest] = partials.keys();
      if (partials.size > PARTIALS_MAX && oldest !== undefined) removePartial(oldest);
    },
    clear() {
      clearPartials();
      finals.replaceChildren();
    },
    follow() {
      setFollowing(true);
      toEnd();
    },
    /** Where new lines no longer scroll the view. */
    toStart() {
      setFollowing(false);
      view.scrollTop = 0;
    },
  };
}

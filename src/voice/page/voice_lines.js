/** The captions on the page: finals, and what is being said. */

/** Hours of talk. */
const LINES_MAX = 2_000;
/** So near to the end, the reader follows what is new. */
const NEAR_PX = 48;

/**
 * @param {object} options
 * @param {HTMLElement} options.view scrolls
 * @param {HTMLElement} options.finals
 * @param {HTMLElement} options.partial
 * @param {(isFollowing: boolean) => void} options.onFollowing whether new lines scroll the view
 */
export function voiceLines({ view, finals, partial, onFollowing }) {
  let isFollowing = true;

  /** @param {boolean} value */
  function setFollowing(value) {
    if (isFollowing === value) return;
    isFollowing = value;
    onFollowing(value);
  }

  function toEnd() {
    if (isFollowing) view.scrollTop = view.scrollHeight;
  }

  function clearPartial() {
    partial.hidden = true;
    partial.textContent = "";
  }

  view.addEventListener("scroll", () => {
    setFollowing(view.scrollHeight - view.clientHeight - view.scrollTop < NEAR_PX);
  });
  new ResizeObserver(toEnd).observe(view);

  return {
    clearPartial,
    toEnd,
    follow() {
      setFollowing(true);
      toEnd();
    },
    /** @param {{ type: string, text: string, language: string }} caption */
    show({ type, text, language }) {
      const isFinal = type === "final";
      const line = isFinal ? document.createElement("p") : partial;
      line.lang = language.replaceAll("_", "-");
      line.dir = "auto"; // by the first letter
      line.textContent = text;
      if (isFinal) {
        clearPartial();
        finals.append(line);
        while (finals.childElementCount > LINES_MAX) {
          const before = view.scrollHeight;
          finals.firstElementChild?.remove();
          if (!isFollowing) view.scrollTop -= before - view.scrollHeight;
        }
      } else partial.hidden = false;
      toEnd();
    },
  };
}

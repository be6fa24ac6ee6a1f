/**
 * Server-sent events (WHATWG HTML, section 9.2) from a response of fetch, which unlike EventSource can send an
 * `Authorization` header: the viewer's key is in no URL.
 */

/** A larger event is none of this service. */
const EVENT_CHARACTERS_MAX = 100_000;

/** @typedef {{ type: string, data: string, id: string }} StreamEvent */

/**
 * A function that takes pieces of the stream and returns the events that are complete. It throws on one without end.
 * @returns {(piece: string) => StreamEvent[]}
 */
export function eventParser() {
  let rest = "";
  let type = "";
  /** @type {string[]} */
  let data = [];
  let lastId = "";

  /** @type {(line: string, events: StreamEvent[]) => void} */
  function takeLine(line, events) {
    if (line === "") {
      if (data.length > 0) events.push({ type: type || "message", data: data.join("\n"), id: lastId });
      type = "";
      data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment, which keeps the connection open
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") type = value;
    else if (field === "data") data.push(value);
    else if (field === "id" && !value.includes("\0")) lastId = value;
  }

  return (piece) => {
    /** @type {StreamEvent[]} */
    const events = [];
    rest += piece;
    // A CR at the end may be the first half of a CRLF.
    for (let end; (end = /\r\n|\n|\r(?!$)/.exec(rest));) {
      takeLine(rest.slice(0, end.index), events);
      rest = rest.slice(end.index + end[0].length);
    }
    const size = rest.length + data.reduce((sum, { length }) => sum + length, 0);
    if (size > EVENT_CHARACTERS_MAX) throw new Error("Cannot read events: one is too long");
    return events;
  };
}

/**
 * Calls `receive` with the events of each piece until the stream ends, or `silenceMs` pass without a byte.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @param {(events: StreamEvent[]) => void} receive
 * @param {number} silenceMs
 */
export async function readEvents(body, receive, silenceMs) {
  const parse = eventParser();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const end = () => void reader.cancel().catch(() => {});
  let timer = setTimeout(end, silenceMs);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(end, silenceMs);
      receive(parse(value));
    }
  } finally {
    clearTimeout(timer);
    end();
  }
}

/** One session of the voice door: docs/VOICE.md has the protocol. */

/** What was recorded while the session opens. */
const WAITING_SECONDS = 10;
/** Unsent audio that makes captions too late to be of use. */
const UNSENT_SECONDS = 15;
const OPEN_TIMEOUT_MS = 10_000;
/** The last words are recognised in this time. */
const DONE_TIMEOUT_MS = 15_000;

/** @typedef {{ type: string, text: string, language: string, utterance: number }} Caption */
/** @typedef {{ code: string, closed: number }} End `closed` is 1000 where all was captioned */

/**
 * @param {object} options
 * @param {string} options.url
 * @param {string} options.token
 * @param {number} options.bytesPerSecond
 * @param {Record<string, unknown>} options.start the message
 * @param {(ready: { language?: string, transcript?: { id: string } }) => void} options.onReady
 * @param {(caption: Caption) => void} options.onCaption
 * @param {(code: string, message: string) => void} options.onStatus without a message: an error, after which it may end
 * @param {(end: End) => void} options.onEnd once
 */
export function voiceSession({ url, token, start, bytesPerSecond, onReady, onCaption, onStatus, onEnd }) {
  const protocols = ["tiro.v1", ...(token ? [`tiro.token.${token}`] : [])];
  const socket = new WebSocket(url, protocols);
  /** @type {ArrayBuffer[]} */
  let waiting = [];
  let waitingBytes = 0;
  let isReady = false;
  let isStopping = false;
  let hasEnded = false;
  let code = "";
  let timer = setTimeout(() => end("connection", 1006), OPEN_TIMEOUT_MS);

  /** @type {(code: string, closed: number) => void} */
  function end(code, closed) {
    if (hasEnded) return;
    hasEnded = true;
    clearTimeout(timer);
    waiting = [];
    socket.close();
    onEnd({ code, closed });
  }

  function sendStop() {
    socket.send(JSON.stringify({ type: "stop" }));
    timer = setTimeout(() => end("", 1000), DONE_TIMEOUT_MS);
  }

  /** @param {any} message */
  function receive(message) {
    if (message.type === "ready") {
      clearTimeout(timer);
      isReady = true;
      for (const data of waiting) socket.send(data);
      waiting = [];
      onReady(message);
      if (isStopping) sendStop();
    } else if (message.type === "partial" || message.type === "final") onCaption(message);
    else if (message.type === "status") onStatus(message.code, message.message);
    else if (message.type === "error") {
      code = message.code;
      onStatus(code, "");
    }
  }

  socket.addEventListener("open", () => socket.send(JSON.stringify({ type: "start", ...start })));
  socket.addEventListener("message", ({ data }) => {
    if (!hasEnded) receive(JSON.parse(data));
  });
  socket.addEventListener("close", (event) => {
    // The reason is the code; an error that did not end the session is none of its end.
    end(event.reason || (event.code >= 4000 ? code : "connection"), event.code);
  });

  return {
    /** @param {ArrayBuffer} data */
    send(data) {
      if (hasEnded || isStopping && isReady) return;
      if (isReady) {
        socket.send(data);
        if (socket.bufferedAmount > UNSENT_SECONDS * bytesPerSecond) end("too_slow", 4409);
        return;
      }
      waiting.push(data);
      waitingBytes += data.byteLength;
      // A container cannot be read without its beginning.
      if (waitingBytes > WAITING_SECONDS * bytesPerSecond) end("connection", 1006);
    },
    /** @param {string} language */
    language(language) {
      if (isReady && !hasEnded) socket.send(JSON.stringify({ type: "language", language }));
    },
    /** All that was sent is captioned, then it ends with 1000. */
    stop() {
      if (hasEnded || isStopping) return;
      isStopping = true;
      if (isReady) sendStop();
    },
    /** At once. */
    abort() {
      end("", 1000);
    },
  };
}

/** @typedef {ReturnType<typeof voiceSession>} VoiceSession */

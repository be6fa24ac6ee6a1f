/** What went wrong, in words that a person can act on. Messages of the service are for developers. */

/** @type {Record<string, string>} by name of the DOMException of getUserMedia */
const MICROPHONE = {
  NotAllowedError:
    "This page may not use the microphone. Allow it in the browser's address bar or settings, then press Start.",
  NotFoundError: "No microphone was found. Connect one, then press Start.",
  OverconstrainedError:
    "The microphone that was chosen is not there. Choose another one under More, then press Start.",
  NotReadableError:
    "The microphone cannot be opened. Another program may be using it: close that, then press Start.",
};

const NEW_TOKEN = "Ask for a new token, enter it under Settings, then press Start.";
const WAITING = "It is tried again automatically.";

/** @type {Record<string, string>} by code of the service: docs/VOICE.md has them all */
const SERVICE = {
  token_missing: "Enter the access token under Settings, then press Start.",
  token_malformed:
    "This is not a valid access token: a part of it may be missing. Enter it again, then press Start.",
  token_expired: `The access token has expired. ${NEW_TOKEN}`,
  token_not_yet_valid: "The access token is not valid yet. Wait a moment, then press Start.",
  token_wrong_audience: `The access token is for another service. ${NEW_TOKEN}`,
  token_wrong_issuer: `The access token is from somebody this service does not trust. ${NEW_TOKEN}`,
  language_unsupported: "This language cannot be captioned now. Choose another one, then press Start.",
  idle: "No sound arrived for too long, so the captions were stopped. To go on, press Start.",
  rate_limited: "Captions were started too often in a minute. Wait a minute, then press Start.",
  recogniser_full: `As many people are captioned as the service can take. ${WAITING}`,
  recogniser_unavailable: `Speech cannot be recognised at the moment. ${WAITING}`,
  keys_unavailable: `The access token cannot be checked at the moment. ${WAITING}`,
  draining: `The service is being restarted. ${WAITING}`,
  disabled: `The service is turned off at the moment. ${WAITING}`,
  too_slow: `The network is too slow for the audio. ${WAITING}`,
  connection: `The service cannot be reached. Check the network. ${WAITING}`,
};

/** @type {Record<number, string>} by code of the close frame, where the service has another code */
const CLOSED = {
  4001: `The access token is not accepted. ${NEW_TOKEN}`,
  4400: "The audio could not be read. Choose another audio format under Settings, More, then press Start.",
  4408: SERVICE.idle,
  4409: `The network is too slow for the audio. ${WAITING}`,
  4429: SERVICE.rate_limited,
  4503: `The service is busy. ${WAITING}`,
};

/** Trying again may help: the network, or the service, was away. */
const PASSING = [1001, 1005, 1006, 1011, 1012, 1013, 4409, 4503];

/** @type {(name: string) => string} */
export function microphoneProblem(name) {
  return MICROPHONE[name] ??
    "The microphone cannot be used. Check it in the settings of this device, then press Start.";
}

/**
 * @param {string} code of the service, or of this page: `connection`, `too_slow`
 * @param {number} closed
 */
export function sessionProblem(code, closed) {
  return {
    words: SERVICE[code] ?? CLOSED[closed] ?? SERVICE.connection,
    isPassing: PASSING.includes(closed),
  };
}

export const NO_MICROPHONE_HERE =
  "This browser gives no microphone to this page. Open it with https:// in a current browser.";

export const LANGUAGE_STAYS =
  "The language that was chosen cannot be captioned now. The language is as before.";

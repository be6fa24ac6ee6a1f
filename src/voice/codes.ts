/**
 * Every code of the protocol: what it means, and how the socket is closed after it. docs/VOICE.md has this as its table,
 * which tests/docs_test.ts compares. Codes are stable; messages are for people.
 */
import { TiroError, type TokenFault } from "../domain/mod.ts";

/** Of close frames (RFC 6455, 7.4.2: 4000 to 4999 are for private use). */
export const CLOSE = {
  credentials: 4001,
  invalid: 4400,
  idle: 4408,
  pace: 4409,
  rate: 4429,
  unavailable: 4503,
} as const;

export interface CodeMeaning {
  /** Of the close frame that follows the error. */
  close: number;
  /** Sent with it. */
  message: string;
  /** For the page: what leads to it. */
  when: string;
}

const credentials = (message: string, when: string): CodeMeaning => ({
  close: CLOSE.credentials,
  message: `Cannot open the session: ${message}`,
  when,
});
const invalid = (message: string, when: string): CodeMeaning => ({ close: CLOSE.invalid, message, when });
const pace = (message: string, when: string): CodeMeaning => ({ close: CLOSE.pace, message, when });
const unavailable = (cause: string, when: string): CodeMeaning => ({
  close: CLOSE.unavailable,
  message: `Cannot caption: ${cause}`,
  when,
});

const TOKEN_CODES: Readonly<Record<Exclude<TokenFault, "keys_unavailable">, CodeMeaning>> = {
  token_missing: credentials("there is no token; send one", "no token in any of the three places"),
  token_malformed: credentials(
    "the token is no JWT that can be used; send one with exp",
    "the token is no signed JWT of at most 8 KB, has no `exp`, or a claim of the wrong type",
  ),
  token_expired: credentials("the token has expired; get a new one", "its `exp` has passed"),
  token_not_yet_valid: credentials(
    "the token is not valid yet; check the clocks",
    "its `nbf` has not come",
  ),
  token_wrong_audience: credentials(
    "the token is for another service; get one for this one",
    "neither its `aud` nor its `azp` is `VOICE_JWT_AUDIENCE`",
  ),
  token_wrong_issuer: credentials(
    "the token is of another issuer; get one of the issuer this service trusts",
    "its `iss` is not `VOICE_JWT_ISSUER`",
  ),
  token_bad_signature: credentials(
    "the signature is wrong, or its key is not the issuer's; get a new token",
    "signed with another key or secret, or changed afterwards",
  ),
  token_algorithm: credentials(
    "the algorithm is not accepted here; have the issuer sign with another",
    "`alg` is `none`, or not one that is accepted",
  ),
  token_no_user: credentials(
    "the token names no user; have the issuer set user_id or sub",
    "it has neither `user_id` nor `sub`, or they are no printable text",
  ),
};

export const CODES = {
  ...TOKEN_CODES,
  bad_message: invalid(
    "Cannot read the message; see docs/VOICE.md",
    "a text frame is no JSON object of the protocol, larger than 8 KB, or there are more than two a second; the message names the field",
  ),
  format_unsupported: invalid(
    "Cannot read this format; send s16le, f32le, webm or ogg",
    "`format`, `sampleRate` or `channels` of `start` is not supported; the message names the field",
  ),
  language_unsupported: invalid(
    "Cannot caption in this language; send one that a recogniser has",
    "no recogniser has the language of `start`; the message lists those they have, the first 40. After `language` it is only reported: the socket stays open, and the language as it was",
  ),
  already_started: invalid(
    "Cannot start the session: it has started; send start once, before any audio",
    "`start` after audio or after another `start`",
  ),
  bad_audio: invalid(
    "Cannot decode the audio; send WebM or Ogg with Opus from its beginning",
    "the binary frames are not the container named in `start`, or have no Opus in them",
  ),
  idle: {
    close: CLOSE.idle,
    message: "Cannot wait longer: no audio arrives; open another session when there is some",
    when: "no audio for `VOICE_SESSION_TIMEOUT`. Silence is audio",
  },
  too_fast: pace(
    "Cannot take the audio: it arrives faster than it is spoken; send it as it is recorded",
    "audio faster than real time is slowed down: the service stops reading the socket. It is closed if none of what was sent could be taken for 60 s",
  ),
  not_reading: pace(
    "Cannot send captions: the client does not read them; read the socket while sending",
    "48 KB of captions are unread, besides what the network holds. Partials are left out before that",
  ),
  rate_limited: {
    close: CLOSE.rate,
    message: "Cannot open the session: this user opens too many; wait a minute",
    when: "more than `VOICE_RATE_LIMIT` sessions of a user in a minute",
  },
  recogniser_unavailable: unavailable(
    "the recogniser is not available; try again later",
    "no recogniser works, or none has for 30 s (10 s before the session's first caption); or the last words did not come within 10 s of `stop`",
  ),
  recogniser_full: unavailable(
    "the recogniser captions as many people as it can; try again later",
    "all recognisers that work are full",
  ),
  full: unavailable(
    "too many sessions are open; try again later",
    "`VOICE_MAX_SESSIONS` sessions are open",
  ),
  speakers_max: unavailable("too many people are captioned; try again later", "`MAX_SPEAKERS` are captioned"),
  memory: unavailable("the service is short of memory; try again later", "little memory is left"),
  descriptors: unavailable(
    "the service is short of file descriptors; try again later",
    "few file descriptors are left",
  ),
  no_media_worker: unavailable(
    "no media worker is free; try again in a moment",
    "no media worker has a free slot, or a lost one is being replaced for too long",
  ),
  languages_unknown: unavailable(
    "the recogniser's languages are not known yet; try again in a moment",
    "the recogniser has not listed its languages yet",
  ),
  keys_unavailable: unavailable(
    "the token cannot be checked; try again later with the same token",
    "the issuer's keys cannot be fetched, or not within 5 s. The token may be right",
  ),
  disabled: unavailable("the app is disabled in Nextcloud", "the ExApp is disabled"),
  draining: unavailable("the service shuts down; connect again", "the service is being stopped"),
  failed: unavailable(
    "the service failed; connect again",
    "an unexpected error of the service, which its log has",
  ),
} as const satisfies Readonly<Record<string, CodeMeaning>>;

/** Closes the session. */
export type VoiceCode = keyof typeof CODES;

export function isVoiceCode(code: string): code is VoiceCode {
  return Object.hasOwn(CODES, code);
}

/** How a session ended: completely, by a code, or because the client's connection ended. */
export type VoiceOutcome = VoiceCode | "done" | "client_left";

/** Whether the session is refused for the time being, and not for what its client sent. */
export function isRefusal(outcome: VoiceOutcome): boolean {
  if (outcome === "done" || outcome === "client_left") return false;
  const { close } = CODES[outcome];
  return close === CLOSE.rate || close === CLOSE.unavailable;
}

/** What a client did that cannot be accepted, or why it cannot be served. */
export class VoiceFault extends TiroError {
  constructor(override readonly code: VoiceCode, message: string = CODES[code].message) {
    super(message, { code, retryable: CODES[code].close === CLOSE.unavailable });
  }
}

/** Bounds of a connection to the HPB, with their arithmetic. */

/** Messages towards the HPB are refused above this, its own limit, bytes. */
export const SENT_BYTES_MAX = 64 * 1024;
/** Bytes waiting in our own socket: seven sentences of 300 bytes to 500 listeners. */
export const BUFFERED_BYTES_MAX = 1024 * 1024;
/** The largest message read: 500 users x 0.5 KB, times eight. Guests choose up to 64 KB of their entry in a first list. */
export const RECEIVED_BYTES_MAX = 2 * 1024 * 1024;
/** The HPB keeps a dropped session this long. */
export const RESUME_WINDOW_MS = 30_000;
/** A room joined for this long resets its backoff. */
export const STAY_MS = 10_000;

/** How long a token of `tiro token` is valid; apart, so that the help loads nothing else. */
export const DEFAULT_HOURS = 24;
/** A year. A token cannot be revoked but by another secret, which revokes all. */
export const HOURS_MAX = 8_760;

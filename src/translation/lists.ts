/**
 * Lists and maps that other servers answer with, bounded before they are looked into: each entry that makes no sense
 * is an error of its own to zod, and an answer of 256 KB holds a hundred thousand.
 */
import { z } from "zod";

/** Of one list or map. The longest real ones, of languages, have some two hundred. */
const ENTRIES_MAX = 1_000;

/**
 * A longer list is refused before its entries are looked at. zod's own bound compares the length of what is no list as
 * well, and throws where that is an object (seen in 4.6.7).
 */
export const listOf = <T extends z.ZodType>(entry: T) =>
  z.custom<unknown[]>((value) => Array.isArray(value) && value.length <= ENTRIES_MAX).pipe(z.array(entry));

/** A longer map is none. PHP writes an empty one as a list. */
export const unknownMap = z.custom<Record<string, unknown>>((value) =>
  typeof value === "object" && value !== null &&
  Object.keys(value).length <= (Array.isArray(value) ? 0 : ENTRIES_MAX)
);

/** Of a list, what is text. */
export const texts = z.custom<readonly unknown[]>(Array.isArray)
  .transform((entries) => entries.filter((each) => typeof each === "string"));

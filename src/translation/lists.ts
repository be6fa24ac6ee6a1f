/**
 * Lists and maps that other servers answer with, bounded before they are looked into: each entry that makes no sense
 * is an error of its own to zod, and an answer of 256 KB holds a hundred thousand.
 */
import { z } from "zod";

/** Of one list or map. The longest real ones, of languages, have some two hundred. */
const ENTRIES_MAX = 1_000;

/** A longer list is refused: zod looks at the length before it looks at the entries. */
export const listOf = <T extends z.ZodType>(entry: T) => z.array(entry).max(ENTRIES_MAX);

/** A longer map is none. PHP writes an empty one as a list. */
export const unknownMap = z.custom<Record<string, unknown>>((value) =>
  typeof value === "object" && value !== null &&
  Object.keys(value).length <= (Array.isArray(value) ? 0 : ENTRIES_MAX)
);

/** Of a list, what is text. */
export const texts = z.custom<readonly unknown[]>(Array.isArray)
  .transform((entries) => entries.filter((each) => typeof each === "string"));

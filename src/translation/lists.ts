/**
 * Lists and maps in answers, bounded before their entries are parsed: zod creates an error for each invalid entry, and an
 * answer of 256 KB holds a hundred thousand.
 */
import { z } from "zod";

/** The longest real lists and maps, of languages, have some two hundred. */
const ENTRIES_MAX = 1_000;

/**
 * Refuses a longer list before parsing its entries. zod's own bound also compares the length of what is not a list, and
 * throws where that is an object (seen in 4.6.7).
 */
export const listOf = <T extends z.ZodType>(entry: T) =>
  z.custom<unknown[]>((value) => Array.isArray(value) && value.length <= ENTRIES_MAX).pipe(z.array(entry));

/** PHP writes an empty map as a list. */
export const unknownMap = z.custom<Record<string, unknown>>((value) =>
  typeof value === "object" && value !== null &&
  Object.keys(value).length <= (Array.isArray(value) ? 0 : ENTRIES_MAX)
);

/** The strings of a list. */
export const texts = z.custom<readonly unknown[]>(Array.isArray)
  .transform((entries) => entries.filter((each) => typeof each === "string"));

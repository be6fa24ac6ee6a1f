# shellcheck shell=bash
# Reads what deno test and pytest printed. Sourced by scripts/test; tests/tree_test.ts holds it to what they print.

# sum_of WORDS: adds up the numbers before one of the words in the summaries on standard input.
sum_of() {
  sed -E 's/\x1b\[[0-9;]*m//g' |
    grep -E '(ok|FAILED) \| [0-9]+ passed|^(=+ )?[0-9]+ (passed|failed|skipped|errors?)\b.* in [0-9.]+s' |
    grep -oE "[0-9]+ ($1)\\b" |
    awk '{ sum += $1 } END { print sum + 0 }' || true
}

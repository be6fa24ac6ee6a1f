/**
 * Digits as the words that were said, so that a recogniser that writes "9:30" is not rated worse than one that writes
 * "half past nine". Whole numbers below 1,000 and times of day; the rest stays.
 */
const ONES =
  ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen " +
    "seventeen eighteen nineteen").split(" ");
const TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split(" ");

export function spokenNumbers(text: string): string {
  return text
    .replace(/\b(\d{1,2})[:.](\d{2})\b/g, (_, hour, minute) => time(Number(hour), Number(minute)))
    .replace(/\b\d{1,3}\b/g, (digits) => cardinal(Number(digits)));
}

function time(hour: number, minute: number): string {
  if (minute === 0) return `${cardinal(hour)} o'clock`;
  return minute === 30 ? `half past ${cardinal(hour)}` : `${cardinal(hour)} ${cardinal(minute)}`;
}

function cardinal(value: number): string {
  if (value < 20) return ONES[value];
  if (value < 100) {
    const ten = TENS[Math.floor(value / 10) - 2];
    return value % 10 === 0 ? ten : `${ten} ${ONES[value % 10]}`;
  }
  const hundreds = `${ONES[Math.floor(value / 100)]} hundred`;
  return value % 100 === 0 ? hundreds : `${hundreds} ${cardinal(value % 100)}`;
}

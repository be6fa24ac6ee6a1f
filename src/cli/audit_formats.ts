/** The audit log as people and programs read it. */
import type { AuditRecord } from "../domain/mod.ts";

/** What it makes of a page of records; `isFirst` and `isLast` page of them. */
export type AuditFormat = (
  records: readonly AuditRecord[],
  page: { isFirst: boolean; isLast: boolean },
) => string;

const COLUMNS: readonly [name: string, of: (record: AuditRecord) => string][] = [
  ["started", ({ startedAtMs }) => new Date(startedAtMs).toISOString()],
  ["seconds", ({ durationMs }) => (durationMs / 1_000).toFixed(1)],
  ["audio_seconds", ({ audioMs }) => (audioMs / 1_000).toFixed(1)],
  ["outcome", ({ outcome }) => outcome],
  ["door", ({ door }) => door],
  ["tenant", ({ tenantId = "" }) => tenantId],
  ["user", ({ userId = "" }) => userId],
  ["speaker", ({ speakerId }) => speakerId],
  ["language", ({ languageId }) => languageId],
  ["provider", ({ provider }) => provider],
  ["session", ({ session }) => session],
];

export const AUDIT_FORMATS: Readonly<Record<string, AuditFormat>> = { table, csv, json };

/** Columns are as wide as the first page needs. */
let widths: readonly number[] = [];

function table(records: readonly AuditRecord[], { isFirst }: { isFirst: boolean }): string {
  const rows = records.map((record) => COLUMNS.map(([, of]) => shown(of(record))));
  const head = COLUMNS.map(([name]) => name);
  if (isFirst) widths = head.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at].length)));
  const line = (cells: readonly string[]) =>
    `${cells.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd()}\n`;
  return [...(isFirst ? [head] : []), ...rows].map(line).join("");
}

/** Ids come from peers: no control characters of a terminal. */
function shown(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, "?");
}

/** RFC 4180. */
function csv(records: readonly AuditRecord[], { isFirst }: { isFirst: boolean }): string {
  const cell = (text: string) => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const rows = records.map((record) => COLUMNS.map(([, of]) => cell(of(record))));
  return [...(isFirst ? [COLUMNS.map(([name]) => name)] : []), ...rows].map((row) => `${row.join(",")}\r\n`)
    .join("");
}

function json(
  records: readonly AuditRecord[],
  { isFirst, isLast }: { isFirst: boolean; isLast: boolean },
): string {
  const lines = records.map((record) => JSON.stringify(record)).join(",\n");
  const before = isFirst ? "[\n" : lines === "" ? "" : ",\n";
  return `${before}${lines}${isLast ? "\n]\n" : ""}`;
}

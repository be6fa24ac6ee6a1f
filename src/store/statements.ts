/** Records as SQL that SQLite and PostgreSQL both understand, and rows as records. */
import {
  type AuditFilter,
  type AuditRecord,
  type CueRecord,
  type RecordWrite,
  SPEAKER_OUTCOMES,
  TRANSCRIPT_MS_MAX,
  type TranscriptFilter,
  type TranscriptRecord,
} from "../domain/mod.ts";
import { type Row, type SqlValue, type Statement, storeError } from "./database.ts";

/**
 * In braces is what the databases write differently: `{binary}`, the order of bytes; `{erase cues}`, with a WHERE, after
 * which cues are not read any more.
 */

/** More rows are not read at once: the longest take 15 MB. */
export const ROWS_MAX = 5_000;

const TRANSCRIPT = "id, door, name, user_id, tenant_id, language_id, started_at_ms, ended_at_ms";
const CUE = "transcript_id, cue_index, speaker_id, speaker_name, language_id, start_ms, end_ms, text";
const AUDIT = "id, started_at_ms, duration_ms, door, session, tenant_id, user_id, speaker_id, language_id, " +
  "provider, audio_ms, outcome";

/** Types are named, for PostgreSQL finds none in a SELECT without a table. A deleted transcript gets nothing more. */
const WRITE_TRANSCRIPT = `INSERT INTO transcripts (${TRANSCRIPT})
  SELECT CAST(?1 AS TEXT), CAST(?2 AS TEXT), CAST(?3 AS TEXT), CAST(?4 AS TEXT), CAST(?5 AS TEXT),
    CAST(?6 AS TEXT), CAST(?7 AS BIGINT), CAST(?8 AS BIGINT)
  WHERE NOT EXISTS (SELECT 1 FROM deleted_transcripts WHERE id = ?1)
  ON CONFLICT (id) DO UPDATE SET ended_at_ms = excluded.ended_at_ms WHERE excluded.ended_at_ms IS NOT NULL`;
const WRITE_CUE = `INSERT INTO cues (${CUE})
  SELECT CAST(?1 AS TEXT), CAST(?2 AS BIGINT), CAST(?3 AS TEXT), CAST(?4 AS TEXT), CAST(?5 AS TEXT),
    CAST(?6 AS BIGINT), CAST(?7 AS BIGINT), CAST(?8 AS TEXT)
  WHERE EXISTS (SELECT 1 FROM transcripts WHERE id = ?1)
  ON CONFLICT (transcript_id, cue_index) DO NOTHING`;
const WRITE_AUDIT = `INSERT INTO audit_logs (${AUDIT})
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (id) DO NOTHING`;

export function writing(write: RecordWrite): Statement {
  switch (write.kind) {
    case "transcript": {
      const { id, door, name, userId, tenantId, languageId, startedAtMs, endedAtMs } = write.record;
      return statement(WRITE_TRANSCRIPT, [
        ...[id, door, name, userId, tenantId, languageId],
        ...[whole(startedAtMs), whole(endedAtMs)],
      ]);
    }
    case "cue": {
      const { transcriptId, index, speakerId, speakerName, languageId, startMs, endMs, text } = write.record;
      return statement(WRITE_CUE, [
        ...[transcriptId, whole(index), speakerId, speakerName, languageId],
        ...[whole(startMs), whole(endMs), text],
      ]);
    }
    case "audit": {
      const { id, startedAtMs, durationMs, door, session, tenantId, userId } = write.record;
      const { speakerId, languageId, provider, audioMs, outcome } = write.record;
      return statement(WRITE_AUDIT, [
        ...[id, whole(startedAtMs), whole(durationMs), door, session, tenantId, userId],
        ...[speakerId, languageId, provider, whole(audioMs), outcome],
      ]);
    }
  }
}

export const readingTranscript = (id: string) =>
  statement(`SELECT ${TRANSCRIPT} FROM transcripts WHERE id = ?1`, [id]);

export function readingTranscripts(
  { limit = 100, door, name, userId, tenantId }: TranscriptFilter,
): Statement {
  const where = new Conditions();
  where.equal({ door, name, user_id: userId, tenant_id: tenantId });
  const sql = `SELECT ${TRANSCRIPT} FROM transcripts ${where} ORDER BY started_at_ms DESC, id DESC LIMIT `;
  return statement(sql + where.value(rows(limit)), where.values);
}

export const readingCues = (transcriptId: string, fromIndex: number, limit: number) =>
  statement(
    `SELECT ${CUE} FROM cues WHERE transcript_id = ?1 AND cue_index >= ?2
      AND EXISTS (SELECT 1 FROM transcripts WHERE id = ?1) ORDER BY cue_index LIMIT ?3`,
    [transcriptId, whole(fromIndex), rows(limit)],
  );

export function readingAudit(
  { limit = 1_000, fromMs, beforeMs, after, door, userId, tenantId }: AuditFilter,
): Statement {
  const where = new Conditions();
  where.equal({ door, user_id: userId, tenant_id: tenantId });
  if (fromMs !== undefined) where.add(`started_at_ms >= ${where.value(whole(fromMs))}`);
  if (beforeMs !== undefined) where.add(`started_at_ms < ${where.value(whole(beforeMs))}`);
  if (after) {
    const [ms, id] = [where.value(whole(after.startedAtMs)), where.value(after.id)];
    where.add(`(started_at_ms > ${ms} OR (started_at_ms = ${ms} AND id {binary} > ${id}))`);
  }
  const sql = `SELECT ${AUDIT} FROM audit_logs ${where} ORDER BY started_at_ms, id {binary} LIMIT `;
  return statement(sql + where.value(rows(limit)), where.values);
}

/** The last of them has a row for each transcript that was there. */
export const deletingTranscript = (id: string, nowMs: number) => [
  statement(
    "INSERT INTO deleted_transcripts (id, deleted_at_ms) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
    [id, whole(nowMs)],
  ),
  statement("{erase cues} WHERE transcript_id = ?1", [id]),
  statement("DELETE FROM transcripts WHERE id = ?1 RETURNING id", [id]),
];

/** One without an end has ended: the service was killed. */
const EXPIRED = `COALESCE(ended_at_ms, started_at_ms + ${TRANSCRIPT_MS_MAX}) < ?1`;

/** The third has a row with the count of deleted transcripts. */
export const expiringTranscripts = (beforeMs: number) => [
  statement(
    `{erase cues} WHERE transcript_id IN (SELECT id FROM transcripts WHERE ${EXPIRED})`,
    [whole(beforeMs)],
  ),
  statement("DELETE FROM deleted_transcripts WHERE deleted_at_ms < ?1", [whole(beforeMs)]),
  statement(`SELECT COUNT(*) AS count FROM transcripts WHERE ${EXPIRED}`, [whole(beforeMs)]),
  statement(`DELETE FROM transcripts WHERE ${EXPIRED}`, [whole(beforeMs)]),
];

export const expiringAudit = (beforeMs: number) => [
  statement("SELECT COUNT(*) AS count FROM audit_logs WHERE started_at_ms < ?1", [whole(beforeMs)]),
  statement("DELETE FROM audit_logs WHERE started_at_ms < ?1", [whole(beforeMs)]),
];

export const readingState = (name: string) => statement("SELECT value FROM state WHERE name = ?1", [name]);

/** The update changes nothing: DO NOTHING would return no row. */
export const keepingState = (name: string, value: string) =>
  statement(
    "INSERT INTO state (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = state.value RETURNING value",
    [name, value],
  );

export function transcriptOf(row: Row): TranscriptRecord {
  return {
    id: textIn(row, "id"),
    door: textIn(row, "door"),
    name: textIn(row, "name"),
    ...optional("userId", row.user_id),
    ...optional("tenantId", row.tenant_id),
    languageId: textIn(row, "language_id"),
    startedAtMs: numberIn(row, "started_at_ms"),
    ...(row.ended_at_ms === null ? {} : { endedAtMs: numberIn(row, "ended_at_ms") }),
  };
}

export function cueOf(row: Row): CueRecord {
  return {
    transcriptId: textIn(row, "transcript_id"),
    index: numberIn(row, "cue_index"),
    speakerId: textIn(row, "speaker_id"),
    ...optional("speakerName", row.speaker_name),
    languageId: textIn(row, "language_id"),
    startMs: numberIn(row, "start_ms"),
    endMs: numberIn(row, "end_ms"),
    text: textIn(row, "text"),
  };
}

export function auditOf(row: Row): AuditRecord {
  const outcome = SPEAKER_OUTCOMES.find((each) => each === row.outcome);
  if (outcome === undefined) throw storeError("store_corrupt");
  return {
    id: textIn(row, "id"),
    startedAtMs: numberIn(row, "started_at_ms"),
    durationMs: numberIn(row, "duration_ms"),
    door: textIn(row, "door"),
    session: textIn(row, "session"),
    ...optional("tenantId", row.tenant_id),
    ...optional("userId", row.user_id),
    speakerId: textIn(row, "speaker_id"),
    languageId: textIn(row, "language_id"),
    provider: textIn(row, "provider"),
    audioMs: numberIn(row, "audio_ms"),
    outcome,
  };
}

export function numberIn(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw storeError("store_corrupt");
  return value;
}

export function textIn(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw storeError("store_corrupt");
  return value;
}

/** Of nullable columns: records leave out what is absent. */
function optional<Name extends string>(name: Name, value: SqlValue): { [Key in Name]?: string } {
  const found: { [Key in Name]?: string } = {};
  if (typeof value === "string") found[name] = value;
  return found;
}

function statement(sql: string, values: readonly (SqlValue | undefined)[]): Statement {
  return { sql, values: values.map((value) => typeof value === "string" ? storable(value) : value ?? null) };
}

/** PostgreSQL takes neither NUL nor halves of surrogate pairs, and both stores keep the same. */
function storable(text: string): string {
  return text.replaceAll("\0", "\ufffd").toWellFormed();
}

/** Clocks have fractions. */
function whole(value: number | undefined): number | null {
  if (value === undefined) return null;
  if (!Number.isSafeInteger(Math.round(value))) throw storeError("store_record");
  return Math.round(value);
}

const rows = (limit: number) => Math.min(Math.max(Math.trunc(limit), 0), ROWS_MAX);

/** The WHERE of a query, and its parameters. */
class Conditions {
  readonly values: (SqlValue | undefined)[] = [];
  readonly #conditions: string[] = [];

  /** The parameter's name in the SQL. */
  value(value: SqlValue): string {
    return `?${this.values.push(value)}`;
  }

  add(condition: string): void {
    this.#conditions.push(condition);
  }

  /** Those of undefined values are no conditions. */
  equal(columns: Readonly<Record<string, string | null | undefined>>): void {
    for (const [column, value] of Object.entries(columns)) {
      if (value === null) this.add(`${column} IS NULL`);
      else if (value !== undefined) this.add(`${column} = ${this.value(value)}`);
    }
  }

  toString(): string {
    return this.#conditions.length === 0 ? "" : `WHERE ${this.#conditions.join(" AND ")}`;
  }
}

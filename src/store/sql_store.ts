/** The record store on a database that speaks SQL. */
import type {
  AuditFilter,
  AuditRecord,
  CueRecord,
  RecordStore,
  RecordWrite,
  TranscriptFilter,
  TranscriptRecord,
} from "../domain/mod.ts";
import type { Database } from "./database.ts";
import {
  auditOf,
  cueOf,
  deletingTranscript,
  expiringAudit,
  expiringTranscripts,
  keepingState,
  numberIn,
  readingAudit,
  readingCues,
  readingState,
  readingTranscript,
  readingTranscripts,
  textIn,
  transcriptOf,
  writing,
} from "./statements.ts";

export class SqlRecordStore implements RecordStore {
  constructor(private readonly database: Database, private readonly nowMs: () => number = Date.now) {}

  async write(batch: readonly RecordWrite[]): Promise<void> {
    await this.database.transact(batch.map(writing));
  }

  async transcript(id: string): Promise<TranscriptRecord | undefined> {
    const [[row]] = await this.database.transact([readingTranscript(id)]);
    return row && transcriptOf(row);
  }

  async transcripts(filter: TranscriptFilter): Promise<TranscriptRecord[]> {
    const [rows] = await this.database.transact([readingTranscripts(filter)]);
    return rows.map(transcriptOf);
  }

  async cues(transcriptId: string, fromIndex: number, limit: number): Promise<CueRecord[]> {
    const [rows] = await this.database.transact([readingCues(transcriptId, fromIndex, limit)]);
    return rows.map(cueOf);
  }

  async deleteTranscript(id: string): Promise<boolean> {
    const results = await this.database.erase(deletingTranscript(id, this.nowMs()));
    return results[results.length - 1].length > 0;
  }

  async expire(before: { transcriptsMs?: number; auditMs?: number }) {
    const expired = { transcripts: 0, audit: 0 };
    if (before.auditMs !== undefined) {
      const [[row]] = await this.database.transact(expiringAudit(before.auditMs));
      expired.audit = numberIn(row, "count");
    }
    if (before.transcriptsMs !== undefined) {
      const [, , [row]] = await this.database.erase(expiringTranscripts(before.transcriptsMs));
      expired.transcripts = numberIn(row, "count");
    }
    return expired;
  }

  async audit(filter: AuditFilter): Promise<AuditRecord[]> {
    const [rows] = await this.database.transact([readingAudit(filter)]);
    return rows.map(auditOf);
  }

  async state(name: string): Promise<string | undefined> {
    const [[row]] = await this.database.transact([readingState(name)]);
    return row && textIn(row, "value");
  }

  async keepState(name: string, value: string): Promise<string> {
    const [[row]] = await this.database.transact([keepingState(name, value)]);
    return textIn(row, "value");
  }
}

/** Where transcripts and the audit log are kept: SQLite or PostgreSQL, with a bounded buffer in front. */
export { AuditLog, type AuditLogOptions } from "./audit_log.ts";
export { RECORD_REASONS } from "./buffered_records.ts";
export { backUp } from "./backup.ts";
export { openForReading, openRecords, type RecordsOptions } from "./open_records.ts";

/**
 * The tables, as steps from one version of them to the next. Forward only: a step that was released is never changed, and
 * a database with more steps than this list is refused. Each step is one transaction with the number it leads to.
 */

const SQLITE: readonly (readonly string[])[] = [
  [
    `CREATE TABLE transcripts (
      id TEXT PRIMARY KEY,
      door TEXT NOT NULL,
      name TEXT NOT NULL,
      user_id TEXT,
      tenant_id TEXT,
      language_id TEXT NOT NULL,
      started_at_ms INTEGER NOT NULL,
      ended_at_ms INTEGER
    ) STRICT`,
    "CREATE INDEX transcripts_by_time ON transcripts (started_at_ms)",
    "CREATE INDEX transcripts_by_name ON transcripts (door, name, started_at_ms)",
    `CREATE TABLE cues (
      seq INTEGER PRIMARY KEY,
      transcript_id TEXT NOT NULL,
      cue_index INTEGER NOT NULL,
      speaker_id TEXT NOT NULL,
      speaker_name TEXT,
      language_id TEXT NOT NULL,
      start_ms INTEGER NOT NULL,
      end_ms INTEGER NOT NULL,
      text TEXT NOT NULL
    ) STRICT`,
    "CREATE UNIQUE INDEX cues_by_transcript ON cues (transcript_id, cue_index)",
    "CREATE TABLE deleted_transcripts (id TEXT PRIMARY KEY, deleted_at_ms INTEGER NOT NULL) STRICT",
    `CREATE TABLE audit_logs (
      id TEXT PRIMARY KEY,
      started_at_ms INTEGER NOT NULL,
      duration_ms INTEGER NOT NULL,
      door TEXT NOT NULL,
      session TEXT NOT NULL,
      tenant_id TEXT,
      user_id TEXT,
      speaker_id TEXT NOT NULL,
      language_id TEXT NOT NULL,
      provider TEXT NOT NULL,
      audio_ms INTEGER NOT NULL,
      outcome TEXT NOT NULL
    ) STRICT`,
    "CREATE INDEX audit_logs_by_time ON audit_logs (started_at_ms, id)",
    `CREATE TRIGGER audit_logs_append_only BEFORE UPDATE ON audit_logs
      BEGIN SELECT RAISE(ABORT, 'audit_logs is append-only'); END`,
    "CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
  ],
];

const POSTGRES: readonly (readonly string[])[] = [
  [
    `CREATE TABLE transcripts (
      id text PRIMARY KEY,
      door text NOT NULL,
      name text NOT NULL,
      user_id text,
      tenant_id text,
      language_id text NOT NULL,
      started_at_ms bigint NOT NULL,
      ended_at_ms bigint
    )`,
    "CREATE INDEX transcripts_by_time ON transcripts (started_at_ms)",
    "CREATE INDEX transcripts_by_name ON transcripts (door, name, started_at_ms)",
    `CREATE TABLE cues (
      transcript_id text NOT NULL REFERENCES transcripts (id) ON DELETE CASCADE,
      cue_index bigint NOT NULL,
      speaker_id text NOT NULL,
      speaker_name text,
      language_id text NOT NULL,
      start_ms bigint NOT NULL,
      end_ms bigint NOT NULL,
      text text NOT NULL,
      PRIMARY KEY (transcript_id, cue_index)
    )`,
    "CREATE TABLE deleted_transcripts (id text PRIMARY KEY, deleted_at_ms bigint NOT NULL)",
    `CREATE TABLE audit_logs (
      id text PRIMARY KEY,
      started_at_ms bigint NOT NULL,
      duration_ms bigint NOT NULL,
      door text NOT NULL,
      session text NOT NULL,
      tenant_id text,
      user_id text,
      speaker_id text NOT NULL,
      language_id text NOT NULL,
      provider text NOT NULL,
      audio_ms bigint NOT NULL,
      outcome text NOT NULL
    )`,
    'CREATE INDEX audit_logs_by_time ON audit_logs (started_at_ms, id COLLATE "C")',
    `CREATE FUNCTION audit_logs_refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'audit_logs is append-only'; END $$`,
    `CREATE TRIGGER audit_logs_append_only BEFORE UPDATE ON audit_logs
      FOR EACH ROW EXECUTE FUNCTION audit_logs_refuse()`,
    "CREATE TABLE state (name text PRIMARY KEY, value text NOT NULL)",
  ],
];

/** The statements of step n lead from version n to n + 1; version 0 has no tables. */
export const MIGRATIONS = { sqlite: SQLITE, postgres: POSTGRES };

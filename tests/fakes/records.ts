/** A record store in memory, which a test can take away, and the buffer in front of it. */
import {
  type AuditFilter,
  type AuditRecord,
  type CueRecord,
  type Records,
  type RecordStore,
  type RecordWrite,
  StoreError,
  TRANSCRIPT_MS_MAX,
  type TranscriptFilter,
  type TranscriptRecord,
} from "../../src/domain/mod.ts";

export const STORE_AWAY = new StoreError("Cannot use the record store: the database is away (/a/folder)", {
  code: "store_away",
  retryable: true,
});

export class FakeStore implements RecordStore {
  /** Thrown by every method while it is set. */
  failure: StoreError | undefined;
  /** How often each method was called. */
  readonly calls: Partial<Record<keyof RecordStore, number>> = {};
  readonly #transcripts = new Map<string, TranscriptRecord>();
  readonly #cues = new Map<string, Map<number, CueRecord>>();
  readonly #audit = new Map<string, AuditRecord>();
  readonly #state = new Map<string, string>();
  readonly #deleted = new Set<string>();

  /** Nothing is kept. */
  get isEmpty(): boolean {
    return [this.#transcripts, this.#cues, this.#audit].every(({ size }) => size === 0);
  }

  async write(batch: readonly RecordWrite[]): Promise<void> {
    await this.#asked("write");
    for (const write of batch.map(storable)) this.#keep(write);
  }

  async transcript(id: string): Promise<TranscriptRecord | undefined> {
    await this.#asked("transcript");
    return structuredClone(this.#transcripts.get(id));
  }

  async transcripts({ limit = 100, ...filter }: TranscriptFilter): Promise<TranscriptRecord[]> {
    await this.#asked("transcripts");
    const { door, name, userId, tenantId } = filter;
    return structuredClone(
      [...this.#transcripts.values()]
        .filter((each) => door === undefined || each.door === door)
        .filter((each) => name === undefined || each.name === name)
        .filter((each) => userId === undefined || each.userId === userId)
        .filter((each) => tenantId === undefined || (each.tenantId ?? null) === tenantId)
        .toSorted((a, b) => b.startedAtMs - a.startedAtMs)
        .slice(0, limit),
    );
  }

  async cues(transcriptId: string, fromIndex: number, limit: number): Promise<CueRecord[]> {
    await this.#asked("cues");
    const cues = [...this.#cues.get(transcriptId)?.values() ?? []];
    return structuredClone(
      cues.filter(({ index }) => index >= fromIndex).toSorted((a, b) => a.index - b.index).slice(0, limit),
    );
  }

  async deleteTranscript(id: string): Promise<boolean> {
    await this.#asked("deleteTranscript");
    this.#deleted.add(id);
    this.#cues.delete(id);
    return this.#transcripts.delete(id);
  }

  async expire(before: { transcriptsMs?: number; auditMs?: number }) {
    await this.#asked("expire");
    const { transcriptsMs = -Infinity, auditMs = -Infinity } = before;
    const transcripts = [...this.#transcripts.values()].filter(({ startedAtMs, endedAtMs }) =>
      (endedAtMs ?? startedAtMs + TRANSCRIPT_MS_MAX) < transcriptsMs
    );
    const audit = [...this.#audit.values()].filter(({ startedAtMs }) => startedAtMs < auditMs);
    for (const { id } of transcripts) {
      this.#transcripts.delete(id);
      this.#cues.delete(id);
    }
    for (const { id } of audit) this.#audit.delete(id);
    return { transcripts: transcripts.length, audit: audit.length };
  }

  async audit({ limit = 1_000, ...filter }: AuditFilter): Promise<AuditRecord[]> {
    await this.#asked("audit");
    const { fromMs = -Infinity, beforeMs = Infinity, after, userId, tenantId, door } = filter;
    const order = (a: Pick<AuditRecord, "startedAtMs" | "id">, b: Pick<AuditRecord, "startedAtMs" | "id">) =>
      a.startedAtMs - b.startedAtMs || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
    return structuredClone(
      [...this.#audit.values()]
        .filter((each) => after === undefined || order(after, each) < 0)
        .filter(({ startedAtMs }) => startedAtMs >= fromMs && startedAtMs < beforeMs)
        .filter((each) => userId === undefined || each.userId === userId)
        .filter((each) => tenantId === undefined || each.tenantId === tenantId)
        .filter((each) => door === undefined || each.door === door)
        .toSorted(order)
        .slice(0, limit),
    );
  }

  async state(name: string): Promise<string | undefined> {
    await this.#asked("state");
    return this.#state.get(name);
  }

  async keepState(name: string, value: string): Promise<string> {
    await this.#asked("keepState");
    const kept = this.#state.get(name) ?? value;
    this.#state.set(name, kept);
    return kept;
  }

  #keep(write: RecordWrite): void {
    if (write.kind === "audit") {
      if (!this.#audit.has(write.record.id)) this.#audit.set(write.record.id, write.record);
    } else if (write.kind === "transcript") {
      const { id, endedAtMs } = write.record;
      if (this.#deleted.has(id)) return;
      const known = this.#transcripts.get(id);
      if (!known) this.#transcripts.set(id, write.record);
      else if (endedAtMs !== undefined) known.endedAtMs = endedAtMs;
    } else {
      const { transcriptId, index } = write.record;
      if (!this.#transcripts.has(transcriptId)) return; // deleted
      const cues = this.#cues.get(transcriptId) ?? new Map<number, CueRecord>();
      if (!cues.has(index)) cues.set(index, write.record);
      this.#cues.set(transcriptId, cues);
    }
  }

  async #asked(method: keyof RecordStore): Promise<void> {
    this.calls[method] = (this.calls[method] ?? 0) + 1;
    await Promise.resolve();
    if (this.failure) throw this.failure;
  }
}

/** A copy as databases keep it: whole numbers, and no text that they refuse. */
function storable(write: RecordWrite): RecordWrite {
  const copy = structuredClone(write);
  const fields: Record<string, unknown> = { ...copy.record };
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === "string") fields[name] = value.replaceAll("\0", "\ufffd").toWellFormed();
    if (typeof value !== "number") continue;
    if (!Number.isFinite(value)) {
      throw new StoreError("Cannot write records: one is refused", {
        code: "store_record",
        retryable: false,
      });
    }
    fields[name] = Math.round(value);
  }
  Object.assign(copy.record, fields);
  return copy;
}

/** Writes at each `flush`, and where a test reads. */
export class FakeRecords implements Records {
  readonly memory = new FakeStore();
  trouble: string | undefined;
  /** Everything that was added, in order. */
  readonly added: RecordWrite[] = [];
  /** What is added is dropped. */
  isFull = false;
  #waiting: RecordWrite[] = [];

  /** What is waiting is written first, as far as that succeeds. */
  get store(): RecordStore {
    const flushed = <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    async (
      ...args: Args
    ) => {
      await this.flush();
      return await call(...args);
    };
    const { memory } = this;
    return {
      write: (batch) => memory.write(batch),
      transcript: flushed((id: string) => memory.transcript(id)),
      transcripts: flushed((filter: TranscriptFilter) => memory.transcripts(filter)),
      cues: flushed((id: string, from: number, limit: number) => memory.cues(id, from, limit)),
      deleteTranscript: flushed((id: string) => memory.deleteTranscript(id)),
      expire: flushed((before: Parameters<RecordStore["expire"]>[0]) => memory.expire(before)),
      audit: flushed((filter: AuditFilter) => memory.audit(filter)),
      state: (name) => memory.state(name),
      keepState: (name, value) => memory.keepState(name, value),
    };
  }

  add(write: RecordWrite): boolean {
    if (this.isFull) return false;
    this.added.push(structuredClone(write));
    this.#waiting.push(structuredClone(write));
    return true;
  }

  async flush(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    try {
      await this.memory.write(batch);
    } catch {
      this.#waiting = [...batch, ...this.#waiting];
    }
  }
}

/** What is kept of sessions, where the configuration turns it on: opens the records, and what writes to them. Wiring only. */
import type { Config } from "./config/mod.ts";
import type { Clock, Log, Meter, Records, SessionAbout, SessionObserver } from "./domain/mod.ts";
import type { Scope } from "./flow/mod.ts";
import { ViewerKeys } from "./identity/mod.ts";
import { AuditLog, openRecords } from "./store/mod.ts";
import { keepRetention, Readers, type TranscriptMode, Transcripts } from "./transcripts/mod.ts";

export interface Kept {
  readonly records: Records;
  readonly audit?: AuditLog;
  /** With those who read them, and their keys. */
  readonly transcripts?: { transcripts: Transcripts; readers: Readers; keys: ViewerKeys };
  readonly observers: readonly SessionObserver[];
  /** For the client of a session with a transcript. */
  linkOf(about: SessionAbout): { id: string; key?: string } | undefined;
}

export interface KeptParts {
  /** The service's: records are written until the end. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** Undefined: nothing is kept, and no file is opened. */
export function openKept({ records: wanted, talk, tls }: Config, parts: KeptParts): Kept | undefined {
  const { scope } = parts;
  if (!wanted.audit && wanted.transcripts === "off") return undefined;
  const records = openRecords({
    dataFolder: wanted.dataFolder,
    databaseUrl: wanted.databaseUrl?.reveal(),
    caCerts: tls.caCerts,
    ...parts,
  });
  const { transcriptDays, auditDays } = wanted;
  keepRetention({ store: records.store, transcriptDays, auditDays, ...parts });
  const audit = wanted.audit
    ? new AuditLog({ records, digestKey: talk?.internalSecret.reveal() ?? "" })
    : undefined;
  const transcripts = wanted.transcripts === "off"
    ? undefined
    : openTranscripts(wanted.transcripts, records, { ...parts, scope: scope.child("transcripts") });
  return {
    ...{ records, audit, transcripts },
    observers: [transcripts?.transcripts, audit].filter((each) => each !== undefined),
    linkOf(about) {
      const id = transcripts?.transcripts.idOf(about);
      return id === undefined ? undefined : { id, key: transcripts?.keys.issueNow(id)?.key };
    },
  };
}

function openTranscripts(mode: TranscriptMode, records: Records, parts: KeptParts): Kept["transcripts"] {
  const transcripts = new Transcripts({ mode, records, ...parts });
  const keys = new ViewerKeys({ store: records.store });
  keys.prepare();
  return { transcripts, readers: new Readers({ transcripts, ...parts }), keys };
}

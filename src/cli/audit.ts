/** `tiro audit`: the audit log, page by page, so that an export of years takes no more memory than one of a day. */
import { databaseIn, formatConfigError } from "../config/mod.ts";
import { type AuditFilter, type AuditRecord, ConfigError, StoreError } from "../domain/mod.ts";
import { systemClock } from "../flow/mod.ts";
import { openForReading } from "../store/mod.ts";
import { createLog } from "../telemetry/mod.ts";
import { AUDIT_FORMATS, type AuditFormat } from "./audit_formats.ts";
import { optionsIn } from "./options.ts";
import { fail, write } from "./output.ts";

const PAGE = 1_000;

const OPTIONS = ["since", "until", "user", "tenant", "door", "format"] as const;

export async function run(args: readonly string[]): Promise<number> {
  const options = optionsIn(args, OPTIONS);
  if (typeof options === "string") return misused(options);
  const { since, until, user, tenant, door, format = "table" } = options;
  if (!Object.hasOwn(AUDIT_FORMATS, format)) {
    return misused(`--format is one of ${Object.keys(AUDIT_FORMATS).join(", ")}`);
  }
  const filter: AuditFilter = {
    fromMs: timeOf(since),
    beforeMs: timeOf(until),
    userId: user,
    tenantId: tenant,
    door,
  };
  for (const [name, ms] of [["since", filter.fromMs], ["until", filter.beforeMs]] as const) {
    if (Number.isNaN(ms)) return misused(`--${name} takes a date such as 2026-11-28 or 2026-11-28T09:30:00Z`);
  }
  try {
    await print(filter, AUDIT_FORMATS[format]);
    return 0;
  } catch (error) {
    if (error instanceof ConfigError) {
      fail(formatConfigError(error));
      return 78;
    }
    if (!(error instanceof StoreError)) throw error;
    fail(error.message);
    return 1;
  }
}

async function print(filter: AuditFilter, format: AuditFormat): Promise<void> {
  const { dataFolder, databaseUrl, caCerts } = databaseIn(Deno.env.toObject());
  await using store = openForReading({
    dataFolder,
    databaseUrl: databaseUrl?.reveal(),
    caCerts,
    clock: systemClock,
    log: createLog({ level: "error" }),
  });
  let after: AuditRecord | undefined;
  do {
    const records = await store.audit({ ...filter, after, limit: PAGE });
    const isLast = records.length < PAGE;
    write(format(records, { isFirst: after === undefined, isLast }));
    if (isLast) return;
    after = records.at(-1);
  } while (after);
}

/** Unix time, ms; NaN where it is none. A date without a time begins at midnight, UTC. */
function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text)
    ? Date.parse(text)
    : NaN;
}

function misused(what: string): number {
  fail(`tiro audit: ${what}; "tiro audit --help" describes them`);
  return 64;
}

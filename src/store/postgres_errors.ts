/** What PostgreSQL, its driver and the network report, as errors of the store. */
import { StoreError } from "../domain/mod.ts";
import { type StoreCode, storeError } from "./database.ts";

/** By SQLSTATE (PostgreSQL's documentation, appendix A): the first that the code begins with. */
const STATES: readonly [prefix: string, code: StoreCode][] = [
  ["22", "store_record"],
  ["23", "store_record"],
  ["54000", "store_record"],
  ["28", "store_refused"],
  ["3D", "store_refused"],
  ["42501", "store_refused"],
  ["42P07", "store_foreign"],
  ["42710", "store_foreign"],
  ["42723", "store_foreign"],
  ["42P01", "store_foreign"],
  ["42703", "store_foreign"],
  ["53100", "store_full"],
  ["53", "store_busy"],
  ["25006", "store_read_only"],
  ["55P03", "store_locked"],
  ["40", "store_locked"],
  ["57014", "store_slow"],
  ["57", "store_away"],
  ["08", "store_away"],
  ["XX001", "store_corrupt"],
  ["XX002", "store_corrupt"],
];

/** Of the driver, of sockets and of TLS. */
const AWAY = /^(CONNECT|ECONN|ENOTFOUND|EAI_|EHOST|ENET|EPIPE|ETIMEDOUT|ERR_SOCKET|ERR_STREAM)/;

/** Messages quote values, addresses and SQL, so they are left out; the code says enough. */
export function storeErrorOf(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const code = codeIn(error);
  if (/^[0-9A-Z]{5}$/.test(code)) {
    const found = STATES.find(([prefix]) => code.startsWith(prefix))?.[1];
    return storeError(found ?? "store_failed", `SQLSTATE ${code}`);
  }
  if (AWAY.test(code)) return storeError("store_away", `${code}; start PostgreSQL, or correct DATABASE_URL`);
  if (/CERT|VERIFY|TLS|SSL|InvalidData/.test(code)) {
    return storeError("store_away", "its certificate is not trusted; see LT_CA_CERTS");
  }
  return storeError("store_failed", code === "" ? undefined : code);
}

function codeIn(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if ("code" in error && typeof error.code === "string") return error.code.replace(/[^\w]/g, "").slice(0, 40);
  return error.name.replace(/[^\w]/g, "").slice(0, 40);
}

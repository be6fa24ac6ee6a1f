/** How the service is, as /healthz has it: counts, and a code for each reason why it is degraded. */

/** Beside the status at /healthz. Not in the body, whose fields are those front ends know. */
export const DEGRADED_HEADER = "x-tiro-degraded";

/** Codes with what each means to who runs the service. */
export type Meanings = Readonly<Record<string, string>>;

export interface ServiceStatus {
  /** Calls being captioned. */
  rooms: number;
  speakers: number;
  /** Resident memory of processes besides this one. */
  otherBytes: number;
  /** Why it is degraded; empty while all is well. */
  reasons: readonly string[];
}

/** A Markdown list of all codes. */
export function listOf(meanings: Meanings): string {
  return Object.entries(meanings).map(([code, meaning]) => `- \`${code}\`: ${meaning}`).join("\n");
}

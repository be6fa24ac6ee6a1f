/** What keeps calls from being captioned: codes of /healthz, with what each means to who runs the service. */
import type { RoomsStatus } from "./rooms.ts";

export const TALK_REASONS = {
  signaling: "the HPB is unreachable",
  signaling_refused: "the HPB refuses the service; the log names the variable to check",
} as const;

export function reasonsOf(
  { signalingReachable, signalingRefused }: RoomsStatus,
): (keyof typeof TALK_REASONS)[] {
  return [
    ...signalingReachable ? [] : ["signaling" as const],
    ...signalingRefused ? ["signaling_refused" as const] : [],
  ];
}

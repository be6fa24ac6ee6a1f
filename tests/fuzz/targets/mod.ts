/** All targets, in the order they run. */
import type { FuzzTarget } from "../target.ts";
import { candidate } from "./candidate.ts";
import { hpb } from "./hpb.ts";
import { modal, pocketsphinx } from "./recognisers.ts";
import { sdp } from "./sdp.ts";

export const TARGETS: readonly FuzzTarget[] = [sdp, candidate, hpb, modal, pocketsphinx];

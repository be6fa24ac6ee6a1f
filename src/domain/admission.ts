/** The port to the question whether one speaker more is taken now. Speakers who are captioned already go on in any case. */

export interface Refusal {
  /** The code of the UnavailableError, the label of the metric, the reason /healthz gives. */
  code: "memory" | "descriptors" | "speakers_max";
  /** What is short and what to do about it: the second half of an error's message. */
  cause: string;
}

export interface Admission {
  /** Why no new speaker is taken now; undefined while they are. Comes and goes by itself. */
  readonly refusal: Refusal | undefined;
}

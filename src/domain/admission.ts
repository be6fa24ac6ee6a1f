/** The port to admission: whether a new speaker is accepted now. It never ends a speaker who is captioned already. */

export interface Refusal {
  /** The code of the UnavailableError, the label of the metric, the reason /healthz gives. */
  code: "memory" | "descriptors" | "speakers_max";
  /** What is short, and what to do: the second half of an error's message. */
  cause: string;
}

export interface Admission {
  /** Why no new speaker is accepted now; undefined while they are. */
  readonly refusal: Refusal | undefined;
}

/**
 * What can be fuzzed: a part of the service that reads what others send, with everything around it in the fuzzer's hands.
 * A target says what its inputs are made of and opens a world; the world takes one input after another and throws when
 * something that has to hold does not.
 */
import type fc from "fast-check";

export interface Target<Input> {
  /** Names the folder of its kept inputs. */
  name: string;
  /** What it reads and what has to hold, in one line. */
  about: string;
  inputs: fc.Arbitrary<Input>;
  /** A world in which nothing has happened. */
  open(): World<Input> | Promise<World<Input>>;
  /** Inputs that one world takes: fewer where they make it slower, more where it costs much to open. */
  inputsPerWorld?: number;
}

export interface World<Input> {
  /** Throws, or rejects, when something that has to hold does not. */
  run(input: Input): void | Promise<void>;
  /** Ends everything. Throws when something is left. */
  close(): void | PromiseLike<void>;
}

/** A target whose inputs nobody outside needs to know the type of. */
export interface FuzzTarget {
  readonly name: string;
  readonly about: string;
  readonly inputsPerWorld: number;
  /** Runs `runs` inputs that follow from the seed in one world. */
  batch(seed: number, runs: number, options: BatchOptions): Promise<Failure | undefined>;
  /** Runs inputs that were kept, in a world of their own. */
  replay(inputs: readonly unknown[]): Promise<void>;
}

export interface BatchOptions {
  /** Whether a socket that is left is the world's: nobody else in the process opens any. */
  countsSockets: boolean;
  /** An input is about to be taken. */
  onInput: () => void;
  /** One failed, and another is about to be tried to make it smaller. */
  onShrinking: () => void;
}

export interface Failure {
  /** What was thrown. */
  error: unknown;
  /** In a world of their own they make it fail: one, or as few as were found. */
  inputs: readonly unknown[];
  /** Whether they do so every time they were tried; if not, the world's inputs are all there. */
  isRepeatable: boolean;
  /** Inputs that the world took before it failed, the last one too. */
  taken: number;
}

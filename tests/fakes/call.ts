/**
 * What a test needs of a Talk call, whoever carries it: `hpb.ts` (the fake) and `../real/stack.ts` (HPB and Janus)
 * both provide it, and `../contract` runs the same cases on both.
 */
import type { Speech } from "./speech.ts";

/** A caption as it arrives at a participant's socket. */
export interface Transcript {
  message: string;
  langId: string;
  /** HPB session id of who spoke. */
  speakerSessionId: string;
  final: boolean;
  /** performance.now() at arrival. */
  atMs: number;
}

export interface TestParticipant extends AsyncDisposable {
  /** HPB session id. */
  readonly sessionId: string;
  /** Nextcloud session id, what Talk's front end sends as `ncSessionId`. */
  readonly ncSessionId: string;
  /** Every transcript that arrived, in order. */
  readonly transcripts: readonly Transcript[];
  /** The first transcript (past or coming) that matches; rejects after `deadlineMs`. */
  until(matches: (transcript: Transcript) => boolean, deadlineMs: number): Promise<Transcript>;
}

export interface TestSpeaker extends TestParticipant {
  /** Plays speech in real time into the call; between plays the microphone sends silence. Resolves when it is out. */
  say(speech: Speech): Promise<void>;
  /** Leaves the call and, with a new HPB session, comes back. */
  rejoin(): Promise<void>;
}

export interface TestCall extends AsyncDisposable {
  readonly roomToken: string;
  addListener(): Promise<TestParticipant>;
  /** A guest, or (with the fake HPB) this user of Nextcloud. */
  addSpeaker(userId?: string): Promise<TestSpeaker>;
  /** Ends the call for everyone. */
  end(): Promise<void>;
}

/** A signalling server with its SFU and the Nextcloud behind it. */
export interface TestStack extends AsyncDisposable {
  /** For LT_HPB_URL, http://... */
  readonly hpbUrl: string;
  /** For LT_INTERNAL_SECRET. */
  readonly internalSecret: string;
  /** For NEXTCLOUD_URL. */
  readonly nextcloudUrl: string;
  startCall(): Promise<TestCall>;
}

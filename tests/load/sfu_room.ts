/**
 * What a load test needs of its SFU, whichever sends the media: janus_room.ts is a real Janus, own_room.ts costs a third
 * of one. Both have the same publishers (publisher_schedule.ts).
 */
export const SFUS = ["own", "janus"] as const;
export type SfuKind = (typeof SFUS)[number];

export interface IceCandidateJson {
  candidate: string;
  sdpMid?: string;
  sdpMLineIndex?: number;
}

export interface Subscription {
  /** Which publisher is received. */
  readonly publisher: number;
  readonly offer: string;
  /** Takes the SDP answer; connecting starts. */
  answer(sdp: string): Promise<void>;
  close(): Promise<void>;
}

/** Events of publishers, and commands to them, while they run; see PublisherSchedule. */
export interface Publishers {
  lateMs: number[];
  held: boolean;
  readonly startMs: number;
}

export interface SfuRoom extends AsyncDisposable {
  readonly publishers: Publishers;
  /** Subscriptions connected now. */
  readonly connected: number;
  /** A subscription of its own to a publisher; `onCandidate` gets the candidates that are not in the offer. */
  subscribe(publisher: number, onCandidate: (candidate: IceCandidateJson) => void): Promise<Subscription>;
  /** What has been sent, for `sentSince`. */
  sentCounts(): readonly number[];
  /** Packets sent to all subscriptions since. */
  sentSince(since: readonly number[]): number;
}

/** A joined room: who is in it, and the offers of the SFU. Messages that change the session's state are in `session.ts`. */
import type { Identity, ServerMessage } from "./codec.ts";
import type { IdentitiesWanted, SignalingEvent } from "./events.ts";
import { Names } from "./names.ts";
import { Roster } from "./roster.ts";
import { type SessionOutput, toOutput } from "./session_state.ts";
import { Subscriptions } from "./subscriptions.ts";

const UNASKED: SessionOutput = { type: "ignored", reason: "unasked" };

export class RoomState {
  readonly subscriptions = new Subscriptions();
  readonly #roster = new Roster();
  readonly #names: Names | undefined;
  readonly #wanted: IdentitiesWanted;

  /** What is not wanted is dropped. */
  constructor(
    { namesWanted = false, identitiesWanted = {} }: {
      namesWanted?: boolean;
      identitiesWanted?: IdentitiesWanted;
    } = {},
  ) {
    this.#names = namesWanted ? new Names() : undefined;
    this.#wanted = identitiesWanted;
  }

  /** The room was joined anew, by this session. */
  reset(ownId: string): void {
    this.#roster.reset(ownId);
    this.#names?.reset(ownId);
    this.subscriptions.clear();
  }

  receive(message: ServerMessage): SessionOutput[] {
    switch (message.kind) {
      case "sessions_joined":
        return [
          ...this.#roster.joined(message.sessions).map(toOutput),
          ...this.#named(message.identities),
          ...this.#dropped(),
        ];
      case "sessions_left":
        this.subscriptions.left(message.sessionIds);
        return [
          ...this.#roster.left(message.sessionIds),
          ...this.#names?.left(message.sessionIds) ?? [],
        ].map(toOutput);
      case "participants":
        return [
          ...this.#roster.listed(message.users, message.changed).map(toOutput),
          ...this.#named(message.identities),
          ...this.#dropped(),
        ];
      case "too_large":
        return this.#roster.skipped().map(toOutput);
      case "everyone":
        return [toOutput(this.#roster.everyone(message.inCall))];
      case "switch_to":
        return [toOutput({ type: "switch_to", roomToken: message.roomToken })];
      case "offer": {
        const { from, sid, sdp } = message;
        if (!this.subscriptions.offered(from, sid)) return [UNASKED];
        return [toOutput({ type: "offer", from, offer: { sid, sdp } })];
      }
      case "candidate": {
        const { from, sid, candidate } = message;
        if (!this.subscriptions.trickled(from, sid)) return [UNASKED];
        return [toOutput({ type: "candidate", from, sid, candidate })];
      }
      default:
        return [];
    }
  }

  /** A list may name those who left. */
  #named(identities: readonly Identity[] = []): SessionOutput[] {
    const present = identities.filter(({ sessionId }) => this.#roster.has(sessionId));
    return [...this.#names?.named(present) ?? [], ...this.#identified(present)].map(toOutput);
  }

  #identified(present: readonly Identity[]): SignalingEvent[] {
    const identities = present.flatMap(({ sessionId, name, userId }) => {
      const wanted = {
        ...this.#wanted.name && name !== undefined && { name },
        ...this.#wanted.userId && userId !== undefined && { userId },
      };
      return Object.keys(wanted).length > 0 ? [{ sessionId, ...wanted }] : [];
    });
    return identities.length > 0 ? [{ type: "identities", identities }] : [];
  }

  #dropped(): SessionOutput[] {
    const count = this.#roster.takeDropped();
    return count > 0 ? [{ type: "ignored", reason: "too_many", count }] : [];
  }
}

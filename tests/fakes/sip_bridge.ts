/**
 * A SIP bridge as the HPB sees one: an internal client that publishes the mixed audio of its callers, who are virtual
 * sessions without audio of their own. Works against the fake HPB and a real one; publishing is the caller's business.
 */
import { type HpbMessage, HpbParticipant } from "./participant.ts";

export interface SipBridgeOptions {
  hpbUrl: string;
  nextcloudUrl: string;
  internalSecret: string;
  roomToken: string;
  /** What it announces; nothing by default. */
  features?: string[];
}

/** Someone who dials in. */
export interface Caller {
  sessionId: string;
  hangUp(): Promise<void>;
}

const DEADLINE_MS = 10_000;

export class SipBridge implements AsyncDisposable {
  #callers = 0;

  private constructor(readonly participant: HpbParticipant, private readonly roomToken: string) {}

  /** In the call with audio: what an internal client is as long as it does not say otherwise. */
  static async join({ internalSecret, features = [], ...options }: SipBridgeOptions): Promise<SipBridge> {
    const internal = { secret: internalSecret, features };
    const participant = await HpbParticipant.join({ ...options, ncSessionId: "", internal });
    return new SipBridge(participant, options.roomToken);
  }

  get sessionId(): string {
    return this.participant.sessionId;
  }

  /** Default flags: what the HPB gives a caller, in call and phone. */
  async addCaller(incall?: number): Promise<Caller> {
    const name = `call-${++this.#callers}`;
    const roomid = this.roomToken;
    const user = { type: "phone", callid: name, number: "+123" };
    const joined = this.participant.message((message) => joinOf(message, name) !== undefined, DEADLINE_MS);
    this.#tell("addsession", { sessionid: name, roomid, incall, user });
    const sessionId = joinOf(await joined, name)!;
    return {
      sessionId,
      hangUp: async () => {
        const left = this.participant.message((message) => hasLeft(message, sessionId), DEADLINE_MS);
        this.#tell("removesession", { sessionid: name, roomid });
        await left;
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.participant[Symbol.asyncDispose]();
  }

  #tell(type: string, rest: Record<string, unknown>): void {
    this.participant.send({ type: "internal", internal: { type, [type]: rest } });
  }
}

function joinOf(message: HpbMessage, callid: string): string | undefined {
  const { join = [] } = (message.event ?? {}) as {
    join?: { sessionid: string; user?: { callid?: string } }[];
  };
  return join.find(({ user }) => user?.callid === callid)?.sessionid;
}

function hasLeft(message: HpbMessage, sessionId: string): boolean {
  const { leave = [] } = (message.event ?? {}) as { leave?: string[] };
  return leave.includes(sessionId);
}

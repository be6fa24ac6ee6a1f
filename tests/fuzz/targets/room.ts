/** Messages of the HPB, one after the other, to a stay in a room and to the room with its speakers and listeners. */
import { SignalingError } from "../../../src/talk/signaling/mod.ts";
import fc from "fast-check";
import { LIMITS } from "../../../src/domain/mod.ts";
import { decode } from "../../../src/talk/signaling/codec.ts";
import { encode } from "../../../src/talk/signaling/encode.ts";
import { SignalingSession } from "../../../src/talk/signaling/session.ts";
import type { SessionOutput } from "../../../src/talk/signaling/session_state.ts";
import { makeRooms } from "../../../src/talk/testing_test.ts";
import { settle } from "../../fakes/clock.ts";
import { defineTarget } from "../batch.ts";
import { assertQuotesNothing, mutatedJson } from "../mutations.ts";
import { HPB_MESSAGES, HPB_WORDS } from "../samples/hpb.ts";

const ROOM = "room";
/** Deadlines in one moment; more is a loop. */
const DUE_MAX = 1_000;
/** Roster, speakers and listeners together: what LIMITS has for a room, and a margin. */
const TIMERS_MAX = 500;

/** A stay in a room, with time in hand, whose outputs have to make sense. */
class Stay {
  nowMs = 0;
  /** Of the newest request. */
  id = "";
  readonly session = new SignalingSession({
    roomToken: ROOM,
    secret: "secret",
    backendUrl: "https://nc/backend",
    random: () => 1,
    nonce: () => "n".repeat(32),
  });

  /** As an HPB answers that has nothing against it. */
  join(): SessionOutput[] {
    this.note(this.session.start());
    this.note(this.session.opened(this.nowMs));
    this.receive(
      JSON.stringify({
        id: this.id,
        type: "hello",
        hello: { version: "2.0", sessionid: "me", resumeid: "r" },
      }),
    );
    return this.receive(JSON.stringify({ id: this.id, type: "room", room: { roomid: ROOM } }));
  }

  receive(text: string): SessionOutput[] {
    return this.note(this.session.receive(decode(text), this.nowMs));
  }

  note(outputs: SessionOutput[]): SessionOutput[] {
    for (const output of outputs) {
      if (output.type !== "send") continue;
      if (output.id) this.id = output.id;
      try {
        encode(output.message, output.id);
      } catch (error) {
        if (!(error instanceof SignalingError)) throw error;
        assertQuotesNothing(error.message, "An error");
      }
    }
    return outputs;
  }

  wait(ms: number): SessionOutput[] {
    this.nowMs += ms;
    const outputs: SessionOutput[] = [];
    for (let count = 0; (this.session.nextDeadline() ?? Infinity) <= this.nowMs; count++) {
      if (count === DUE_MAX) throw new Error("A deadline that has passed stays");
      outputs.push(...this.note(this.session.due(this.nowMs)));
    }
    return outputs;
  }
}

const message = mutatedJson(HPB_MESSAGES, HPB_WORDS);
const happening = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("message"), text: message, isAnswer: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("opened", "lost", "heldBack", "leave") }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait"), ms: fc.nat(40_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("request"), from: fc.constantFrom("guest-a", "guest-b") }),
  },
);

export const signaling = defineTarget({
  name: "signaling",
  about:
    "a stay in a room through messages, losses and waits: no transition that is none, no deadline that stays",
  inputs: fc.array(happening, { minLength: 1, maxLength: 25 }),
  inputsPerWorld: 500,
  open: () => ({
    run(happenings) {
      const stay = new Stay();
      const { session } = stay;
      stay.join();
      for (const each of happenings) {
        if ("text" in each) {
          // Answers count by their ids.
          stay.receive(
            each.isAnswer ? each.text.replace(/"id":"t\d+"/, () => `"id":"${stay.id}"`) : each.text,
          );
        } else if ("ms" in each) stay.wait(each.ms);
        else if ("from" in each) stay.note(session.requestOffer(each.from, stay.nowMs));
        else if (each.kind === "opened") stay.note(session.opened(stay.nowMs));
        else if (each.kind === "lost") stay.note(session.lost("connection_lost", stay.nowMs));
        else if (each.kind === "heldBack") stay.note(session.heldBack("too_many_requests", stay.nowMs));
        else stay.note(session.leave(stay.nowMs));
      }
      // However it stands, it comes to an end.
      stay.note(session.leave(stay.nowMs));
      stay.wait(5_000);
      if (session.state !== "ended") throw new Error(`It has not left, it is "${session.state}"`);
      if (session.nextDeadline() !== undefined) throw new Error("It has ended and waits for something");
    },
    close() {},
  }),
});

/** What only the HPB sends, and what may end or move a call. */
const BY_RIGHT = ["hello", "room", "error", "bye", "everyone", "switch_to", "room_deleted", "disinvited"];
const event = (type: string, target: string, rest: object) =>
  JSON.stringify({ type: "event", event: { target, type, ...rest } });

export const room = defineTarget({
  name: "room",
  about: "what guests can have the HPB send to a room: the speaker who was there before them stays captioned",
  inputs: fc.record({ text: message, waitMs: fc.nat(2_000) }),
  inputsPerWorld: 500,
  async open() {
    const rooms = makeRooms({});
    const { clock, host, log, signaling: connections } = rooms;
    rooms.ask(ROOM, "nc-l");
    const [connection] = connections;
    const stay = new Stay();
    const tell = (outputs: SessionOutput[]) => {
      for (const output of outputs) {
        if (output.type !== "event") continue;
        if (output.event.type === "joined") connection.isJoined = true;
        connection.onEvent(output.event);
      }
    };
    const askForOffer = connection.requestOffer.bind(connection);
    connection.requestOffer = (sessionId) => {
      askForOffer(sessionId);
      tell(stay.note(stay.session.requestOffer(sessionId, stay.nowMs)));
    };
    tell(stay.join());
    tell(stay.receive(event("join", "room", {
      join: [{ sessionid: "listener", roomsessionid: "nc-l" }, {
        sessionid: "speaker",
        roomsessionid: "nc-s",
      }],
    })));
    tell(stay.receive(event("update", "participants", {
      update: {
        roomid: ROOM,
        users: [{ sessionId: "speaker", inCall: 3 }, { sessionId: "listener", inCall: 1 }],
      },
    })));
    await settle();
    const speaker = host.get("speaker");
    speaker.events.receiving();
    let said = 0;
    return {
      async run({ text, waitMs }) {
        if (!BY_RIGHT.includes(decode(text).kind)) tell(stay.receive(text));
        await clock.advance(waitMs);
        tell(stay.wait(waitMs));
        connection.transcripts.length = 0;
        speaker.say(`word ${++said}`, true);
        const isCaptioned = connection.transcripts.some((each) => each === `listener<speaker:word ${said}!`);
        if (!isCaptioned || speaker.disposed) throw new Error("The honest speaker is not captioned");
        const open = host.opened.filter(({ disposed }) => !disposed).length;
        if (open > LIMITS.speakersPerSession) throw new Error(`${open} speakers are open`);
        if (clock.pending > TIMERS_MAX) throw new Error(`${clock.pending} timers are armed`);
        for (const { message, fields } of log.lines) {
          const { speaker: _id, ...rest } = fields; // the HPB's, which ids of speakers are
          assertQuotesNothing(JSON.stringify([message, rest]), "A log line");
        }
        log.lines.length = connection.offersRequested.length = connection.answers.length = 0;
      },
      async close() {
        await rooms.scope[Symbol.asyncDispose]();
        if (clock.pending > 0) throw new Error(`${clock.pending} timers are left`);
        if (host.opened.some(({ disposed }) => !disposed)) throw new Error("A speaker is left");
        if (rooms.scope.size > 0) throw new Error("A task is left");
      },
    };
  },
});

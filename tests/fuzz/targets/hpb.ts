/** Messages of the HPB, and of the participants whose messages it relays: the decoder. */
import { decode } from "../../../src/talk/signaling/codec.ts";
import { defineTarget } from "../batch.ts";
import { mutatedJson } from "../mutations.ts";
import { HPB_MESSAGES, HPB_WORDS } from "../samples/hpb.ts";

/** As the codec's longest list. */
const ENTRIES_MAX = 5_000;
const TEXT_CHARS_MAX = 1_024;

export const hpb = defineTarget({
  name: "hpb",
  about: "HPB messages decoded: never throws, ids are short and not empty, lists bounded",
  inputs: mutatedJson(HPB_MESSAGES, HPB_WORDS),
  inputsPerWorld: 2_000,
  open: () => ({
    run(text) {
      const message = decode(text);
      const ids: string[] = [];
      switch (message.kind) {
        case "hello":
          ids.push(message.sessionId);
          break;
        case "sessions_joined":
          ids.push(...message.sessions.map(({ sessionId }) => sessionId));
          break;
        case "sessions_left":
          ids.push(...message.sessionIds);
          break;
        case "participants":
          ids.push(...message.users.map(({ sessionId }) => sessionId));
          for (const { inCall } of message.users) {
            if (inCall !== undefined && !Number.isSafeInteger(inCall)) {
              throw new Error("Call flags are no integer");
            }
          }
          break;
        case "offer":
        case "candidate":
          ids.push(message.from);
          break;
      }
      if (ids.length > ENTRIES_MAX) throw new Error(`${ids.length} entries are read`);
      if (ids.some((id) => id === "" || id.length > TEXT_CHARS_MAX)) {
        throw new Error("An id is empty or too long");
      }
    },
    close() {},
  }),
});

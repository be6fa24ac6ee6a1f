import { localMissing } from "../fakes/local_recogniser.ts";
import { killWhileTalking } from "../integration/killed_recogniser.ts";

const missing = await localMissing();
const sentence = "Five people talk, the recogniser is killed, and each is captioned again within two seconds";

Deno.test({
  name: missing === undefined ? sentence : `${sentence} (ignored: ${missing})`,
  ignore: missing !== undefined,
  fn: () => killWhileTalking({ people: 5, withinMs: 2_000 }),
});

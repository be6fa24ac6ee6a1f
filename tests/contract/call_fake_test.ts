import { FakeHpb } from "../fakes/hpb.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { callContract } from "./call_contract.ts";

callContract("The fake HPB", () => FakeHpb.start({ publishers: weriftPublisherFactory, offerWaitMs: 200 }));

/** The record store in memory, which tests of other modules use, keeps the contract as well. */
import { FakeStore } from "../fakes/records.ts";
import { storeContract } from "./store_contract.ts";

storeContract({
  name: "In memory",
  start: () => Promise.resolve({ store: new FakeStore(), [Symbol.asyncDispose]: () => Promise.resolve() }),
});

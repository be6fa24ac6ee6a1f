import { callContract } from "../contract/call_contract.ts";
import { installedHpbVersions, RealStack } from "./stack.ts";

for (const hpbVersion of installedHpbVersions()) {
  callContract(`HPB ${hpbVersion}`, () => RealStack.start({ hpbVersion }));
}

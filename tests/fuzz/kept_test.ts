/** Every input that made a target fail once. */
import { keptFiles, readKept } from "./kept.ts";
import { TARGETS } from "./targets/mod.ts";

for (const file of keptFiles()) {
  Deno.test(`Kept input ${file.target}/${file.name} does no harm`, async () => {
    const target = TARGETS.find(({ name }) => name === file.target);
    if (!target) throw new Error(`There is no target "${file.target}"`);
    await target.replay(readKept(file).inputs);
  });
}

import assert from "@std/assert";
import { LIMITS } from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { readSystemFile } from "../flow/mod.ts";
import { MemoryWatch, readMemory } from "./admission_watch.ts";

const MIB = 1024 * 1024;

type Files = Record<string, string>;
const reading = (files: Files) => (path: string) => Promise.resolve(files[path]);

/** A machine of 4 GiB, a quarter of it used. */
const MACHINE = { "/proc/meminfo": "MemTotal: 4194304 kB\nMemAvailable: 3145728 kB\n" };

function version2(usedMb: number, limitMb: number | "max", folder = ""): Files {
  return {
    "/proc/self/cgroup": `0::${folder || "/"}\n`,
    [`/sys/fs/cgroup${folder}/memory.max`]: `${limitMb === "max" ? limitMb : limitMb * MIB}\n`,
    [`/sys/fs/cgroup${folder}/memory.current`]: `${(usedMb + 50) * MIB}\n`,
    [`/sys/fs/cgroup${folder}/memory.stat`]: `inactive_file ${50 * MIB}\n`,
  };
}

function version1(usedMb: number, limitBytes: string): Files {
  return {
    "/proc/self/cgroup": "4:memory:/docker/1f\n0::/docker/1f\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": `${limitBytes}\n`,
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": `${(usedMb + 50) * MIB}\n`,
    "/sys/fs/cgroup/memory/memory.stat": `inactive_file 0\ntotal_inactive_file ${50 * MIB}\n`,
  };
}

const mib = async (files: Files) => {
  const use = await readMemory(reading(files));
  return use && [use.usedBytes / MIB, use.limitBytes / MIB];
};

Deno.test("A control group's limit counts, of version 2 or 1, its page cache does not", async () => {
  assert.deepEqual(await mib({ ...MACHINE, ...version2(100, 512) }), [100, 512]);
  assert.deepEqual(await mib({ ...MACHINE, ...version1(100, String(512 * MIB)) }), [100, 512]);
});

Deno.test("Without a limit below what the machine has, the machine counts", async () => {
  const machine = [1_024, 4_096];
  assert.deepEqual(await mib(MACHINE), machine);
  assert.deepEqual(await mib({ ...MACHINE, ...version2(100, "max") }), machine);
  assert.deepEqual(await mib({ ...MACHINE, ...version2(100, 8_192) }), machine);
  assert.deepEqual(await mib({ ...MACHINE, ...version1(100, "9223372036854771712") }), machine);
});

Deno.test("Of nested groups the tightest counts", async () => {
  const own = version2(100, 512, "/pod/tiro");
  const around = { ...version2(900, 1_024, "/pod"), "/proc/self/cgroup": "0::/pod/tiro\n" };
  assert.deepEqual(await mib({ ...MACHINE, ...own, ...around }), [900, 1_024]);
  assert.deepEqual(
    await mib({
      ...MACHINE,
      ...own,
      ...version2(90, 1_024, "/pod"),
      ...{ "/proc/self/cgroup": "0::/pod/tiro\n" },
    }),
    [100, 512],
  );
});

Deno.test("Where nothing can be read nothing is known; a limit alone is not enough, a group without the machine is", async () => {
  assert.equal(await mib({}), undefined);
  assert.equal(await mib({ "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "5\n" }), undefined);
  assert.deepEqual(await mib(version2(100, 512)), [100, 512]);
  assert.equal(await mib(version1(100, "9223372036854771712")), undefined);
});

Deno.test("Linux' own figures of memory are read, and none from files that are missing", async () => {
  if (Deno.build.os === "linux") {
    const use = await readMemory(readSystemFile);
    assert.ok(use && use.usedBytes > 0 && use.limitBytes >= use.usedBytes);
  }
  assert.equal(await readSystemFile("/proc/not/there"), undefined);
});

function watch(files: Files) {
  const clock = new FakeClock();
  const scope = new Scope("memory");
  const log = new FakeLog();
  const meter = new FakeMeter();
  const memory = new MemoryWatch({ scope, clock, log, meter, readFile: reading(files) });
  const use = async (usedMb: number) => {
    Object.assign(files, version2(usedMb, 100));
    await clock.advance(LIMITS.memoryLookMs);
  };
  return { clock, scope, log, meter, memory, use };
}

Deno.test("The watch logs once when memory gets tight and once when it is free again, and ends with its scope", async () => {
  const { clock, scope, log, meter, memory, use } = watch({ ...MACHINE, ...version2(90, 100) });
  await settle();
  assert.ok(memory.isTight, "the first look is at once");
  await use(85);
  await use(76);
  assert.ok(memory.isTight);
  assert.equal(meter.gauges.get("tiro_memory_used_ratio")!(), 0.76);
  await use(70);
  await use(60);
  assert.ok(!memory.isTight);
  assert.deepEqual(log.lines.map(({ level, message, fields }) => [level, message, fields]), [
    ["warn", "memory tight: new speakers refused", { usedPercent: 90, limitMb: 100 }],
    ["info", "memory available: new speakers accepted", { usedPercent: 70, limitMb: 100 }],
  ]);
  await scope[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
  assert.equal(meter.gauges.size, 0);
});

Deno.test("A watch that can read nothing logs that once, and every speaker is admitted", async () => {
  await using stack = new AsyncDisposableStack();
  const { clock, scope, log, meter, memory } = watch({});
  stack.use(scope);
  await clock.advance(10 * LIMITS.memoryLookMs);
  assert.ok(!memory.isTight);
  assert.deepEqual(log.lines.map(({ message }) => message), [
    "memory not watched: its use cannot be read here",
  ]);
  assert.ok(Number.isNaN(meter.gauges.get("tiro_memory_used_ratio")!()));
});

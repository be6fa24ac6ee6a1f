import assert from "@std/assert";
import {
  memoryGroups,
  MemoryPressure,
  parseLimit,
  parseMachine,
  parseUsage,
  tightest,
} from "./admission_memory.ts";

const limitFiles = (selfCgroup: string) => memoryGroups(selfCgroup).map(({ limitFile }) => limitFile);

Deno.test("In version 2 the own group and all around it are looked at", () => {
  assert.deepEqual(limitFiles("0::/system.slice/tiro.service\n"), [
    "/sys/fs/cgroup/system.slice/tiro.service/memory.max",
    "/sys/fs/cgroup/system.slice/memory.max",
    "/sys/fs/cgroup/memory.max",
  ]);
  const [{ usageFile, statFile, cacheName }] = memoryGroups("0::/\n");
  assert.deepEqual([usageFile, statFile, cacheName], [
    "/sys/fs/cgroup/memory.current",
    "/sys/fs/cgroup/memory.stat",
    "inactive_file",
  ]);
});

Deno.test("In version 1 it is the memory controller's group, with its children's page cache", () => {
  const text = "5:devices:/docker/1f\n4:cpu,memory:/docker/1f\n1:name=systemd:/init\n";
  assert.deepEqual(limitFiles(text), [
    "/sys/fs/cgroup/memory/docker/1f/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
  ]);
  const [{ usageFile, statFile, cacheName }] = memoryGroups("4:memory:/\n");
  assert.deepEqual([usageFile, statFile, cacheName], [
    "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    "/sys/fs/cgroup/memory/memory.stat",
    "total_inactive_file",
  ]);
});

Deno.test("A path out of sight, a very deep one and text that is none lead nowhere else", () => {
  assert.deepEqual(limitFiles("0::/../../other\n"), ["/sys/fs/cgroup/memory.max"]);
  assert.deepEqual(limitFiles("0::/.."), ["/sys/fs/cgroup/memory.max"]);
  assert.equal(limitFiles(`0::${"/a".repeat(1_000)}`).length, 17);
  for (const text of ["", "\n", "nonsense", "0::", "0::relative", "x:memory:/a"]) {
    assert.deepEqual(limitFiles(text), [], text);
  }
});

Deno.test("Limits and usage are read as the kernel writes them", () => {
  assert.equal(parseLimit("536870912\n"), 536_870_912);
  assert.equal(parseLimit("9223372036854771712\n")! > Number.MAX_SAFE_INTEGER, true);
  for (const none of ["max\n", "", "0\n", "-1\n", "1e9\n", undefined]) {
    assert.equal(parseLimit(none), undefined);
  }

  const stat = "anon 600\nfile 300\nactive_file 90\ninactive_file 210\ntotal_inactive_file 400\n";
  assert.equal(parseUsage("1000\n", stat, "inactive_file"), 790);
  assert.equal(parseUsage("1000\n", stat, "total_inactive_file"), 600);
  assert.equal(parseUsage("1000\n", undefined, "inactive_file"), 1_000);
  assert.equal(parseUsage("100\n", stat, "inactive_file"), 0, "the two were not read at once");
  assert.equal(parseUsage(undefined, stat, "inactive_file"), undefined);
  assert.equal(parseUsage("much\n", stat, "inactive_file"), undefined);
});

Deno.test("Of the machine's memory what is not available is used", () => {
  const text = "MemTotal:        1000 kB\nMemFree:          100 kB\nMemAvailable:     400 kB\n";
  assert.deepEqual(parseMachine(text), { usedBytes: 600 * 1024, limitBytes: 1000 * 1024 });
  for (
    const broken of [
      "MemTotal: 1000 kB\n",
      "MemAvailable: 4 kB\n",
      "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
      "",
      undefined,
    ]
  ) {
    assert.equal(parseMachine(broken), undefined, broken);
  }
});

Deno.test("The tightest bound is the one with the largest share used", () => {
  const own = { usedBytes: 50, limitBytes: 100 };
  const parent = { usedBytes: 900, limitBytes: 1_000 };
  assert.equal(tightest([own, parent]), parent);
  assert.equal(tightest([]), undefined);
});

Deno.test("Memory is tight past 80 %, and until less than 75 % is used", () => {
  const pressure = new MemoryPressure();
  const look = (percent: number) => pressure.look({ usedBytes: percent, limitBytes: 100 });
  const looks = [0, 79, 80, 81, 95, 79, 75, 80.5, 74.9, 76, 80, 80.1].map((percent) => {
    const change = look(percent);
    return `${percent} ${change ?? "-"} ${pressure.isTight}`;
  });
  assert.deepEqual(looks, [
    "0 - false",
    "79 - false",
    "80 - false",
    "81 begins true",
    "95 - true",
    "79 - true",
    "75 - true",
    "80.5 - true",
    "74.9 ends false",
    "76 - false",
    "80 - false",
    "80.1 begins true",
  ]);
});

Deno.test("Memory that cannot be read is not tight", () => {
  const pressure = new MemoryPressure();
  assert.equal(pressure.look(undefined), undefined);
  pressure.look({ usedBytes: 9, limitBytes: 10 });
  assert.equal(pressure.look(undefined), "ends");
  assert.equal(pressure.isTight, false);
});

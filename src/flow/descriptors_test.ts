import assert from "@std/assert";
import { Descriptors } from "./descriptors.ts";

Deno.test("What was written down is seen by whoever has the same memory", () => {
  const thread = new Descriptors();
  const owner = new Descriptors(thread.buffer);
  assert.ok(thread.add(7) && thread.add(8));
  assert.equal(owner.size, 2);
  thread.delete(7);
  thread.delete(7);
  assert.equal(owner.size, 1);
});

Deno.test("There is a bound, and what is given back makes room", () => {
  const descriptors = new Descriptors(new SharedArrayBuffer(8));
  assert.deepEqual([5, 6, 7].map((fd) => descriptors.add(fd)), [true, true, false]);
  descriptors.delete(5);
  assert.deepEqual([7, 8].map((fd) => descriptors.add(fd)), [true, false]);
});

Deno.test("Closing all closes what is open, once", () => {
  const descriptors = new Descriptors();
  const libc = Deno.dlopen("libc.so.6", { dup: { parameters: ["i32"], result: "i32" } });
  const fd = libc.symbols.dup(1);
  libc.close();
  const isOpen = () => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${fd}`) !== "";
    } catch {
      return false;
    }
  };
  assert.ok(fd > 2 && descriptors.add(fd) && isOpen());
  descriptors.closeAll();
  assert.equal(isOpen(), false);
  descriptors.closeAll();
  assert.equal(descriptors.size, 0);
});

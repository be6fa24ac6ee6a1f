import assert from "@std/assert";
import { Room } from "./room.ts";
import { TargetMemory } from "./target_memory.ts";
import { FakeSignaling, withRooms } from "./testing_test.ts";

Deno.test("A room whose signalling cannot be opened closes its session: its place is free again", () =>
  withRooms(async ({ sessions, status, scope, clock, log, meter }) => {
    const open = (connect: (roomScope: typeof scope) => FakeSignaling) =>
      new Room({
        roomToken: "room",
        ...{ languageId: "en", connect, sessions, emptyRoomMs: 60_000, clock, log, meter },
        iceServers: () => Promise.resolve([]),
        targets: new TargetMemory(clock),
        onEnd() {},
        onBroken: (error) => assert.fail(`${error}`),
      });
    const sizeBefore = scope.size;
    const fault = new Error("no descriptor");
    let failed: typeof scope | undefined;
    assert.throws(
      () =>
        open((roomScope) => {
          failed = roomScope;
          throw fault;
        }),
      (error: unknown) => error === fault,
    );
    assert.equal(status().rooms, 0);
    await clock.advance(0);
    assert.ok(failed?.signal.aborted, "what the session holds ends");
    assert.equal(scope.size, sizeBefore);
    assert.deepEqual(log.lines, []);
    assert.equal(meter.counted("transcription_errors_total", "unexpected"), 0);

    const room = open((roomScope) => new FakeSignaling("room", roomScope, () => {}));
    assert.equal(status().rooms, 1, "the one place there is");
    await room.close();
  }, { roomsMax: 1 }));

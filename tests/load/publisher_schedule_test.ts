import assert from "@std/assert";
import { PUBLISHERS, TURN_PACKETS } from "./marks.ts";
import { type Impairments, PublisherSchedule } from "./publisher_schedule.ts";

interface Published {
  publisher: number;
  payload: string;
  packet: number;
  timestamp: number;
}

/** Payloads that say where in a turn they are. */
const packets = {
  talk: Array.from({ length: PUBLISHERS }, (_, publisher) => turn(`t${publisher}`)),
  pause: turn("p"),
};

function turn(name: string): Uint8Array[] {
  return Array.from({ length: TURN_PACKETS }, (_, at) => new TextEncoder().encode(`${name}.${at}`));
}

/** A running schedule; `until` resolves with all published when that is enough. */
function started(impairments: Partial<Impairments> = {}, talkPercent = 100) {
  const published: Published[] = [];
  let look = () => {};
  const schedule = new PublisherSchedule({
    packets,
    talkPercent,
    impairments: { loss: 0, reorder: 0, jitterMs: 0, ...impairments },
    publish: (publisher, payload, packet, timestamp) => {
      published.push({ publisher, payload: payload.toString(), packet, timestamp });
      look();
    },
  });
  const until = (isEnough: () => boolean) =>
    new Promise<Published[]>((resolve) => look = () => isEnough() ? resolve(published.slice()) : undefined);
  schedule.start();
  return { schedule, published, until };
}

/** Resolves when so many more packets were due. */
function beats(schedule: PublisherSchedule, count: number): Promise<void> {
  return new Promise((resolve) => {
    schedule.lateMs.push = (lateMs) => {
      if (--count === 0) resolve();
      return Array.prototype.push.call(schedule.lateMs, lateMs);
    };
  });
}

Deno.test("Publishers alternate, and each sends its packets in order", async () => {
  const { schedule, published, until } = started();
  using _ = schedule;
  const all = await until(() => published.length >= 3 * PUBLISHERS);
  for (const [at, { publisher, payload, packet, timestamp }] of all.entries()) {
    const beat = Math.floor(at / PUBLISHERS);
    assert.deepEqual(
      { publisher, payload, packet, timestamp },
      {
        publisher: at % PUBLISHERS,
        payload: `t${at % PUBLISHERS}.${beat}`,
        packet: beat + 1,
        timestamp: beat * 960,
      },
    );
  }
});

Deno.test("Who does not talk sends pauses", async () => {
  const { schedule, published, until } = started({}, 0);
  using _ = schedule;
  const all = await until(() => published.length >= PUBLISHERS);
  assert.ok(all.every(({ payload }) => payload === "p.0"));
});

Deno.test("Of what is lost the numbers are missing; of what is held back only the time", async () => {
  const { schedule, published, until } = started({ loss: 0.5 });
  using _ = schedule;
  const last = () => published.at(-1)?.packet ?? 0;
  const lossy = await until(() => last() >= 20);
  assert.ok(lossy.length < 0.9 * 20 * PUBLISHERS, `${lossy.length} were not lost`);
  schedule.held = true;
  const { packet, timestamp } = published.at(-1)!;
  await beats(schedule, 2 * PUBLISHERS);
  assert.equal(last(), packet, "nothing is published");
  schedule.held = false;
  await until(() => last() > packet);
  assert.ok(last() <= packet + 20, "no number is skipped but those of lost ones");
  assert.ok(published.at(-1)!.timestamp >= timestamp + 2 * 960, "time went on");
});

Deno.test("Some are sent after the next one, and none after the end", async () => {
  const { schedule, published, until } = started({ reorder: 0.3, jitterMs: 10 });
  const isLate = ({ publisher, packet }: Published, at: number) =>
    published.slice(0, at).some((earlier) => earlier.publisher === publisher && earlier.packet > packet);
  await until(() => published.some(isLate));
  schedule[Symbol.dispose](); // the test's sanitizer reports timers that are left
});

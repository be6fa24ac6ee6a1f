import assert from "@std/assert";
import { AudioLedger } from "../../src/domain/mod.ts";
import { WebRtcReceiver } from "../../src/webrtc/mod.ts";
import { packetsOf } from "../fakes/packets.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { PUBLISHERS, TURN_PACKETS } from "./marks.ts";
import { OwnRoom } from "./own_room.ts";

const HOST = "127.0.0.1";

/** Payloads that say whose they are, and where in a turn. */
const turn = (publisher: number) =>
  Array.from({ length: TURN_PACKETS }, (_, at) => Uint8Array.of(publisher, at));
const options = {
  hostAddress: HOST,
  packets: { talk: Array.from({ length: PUBLISHERS }, (_, publisher) => turn(publisher)), pause: turn(255) },
  talkPercent: 100,
  impairments: { loss: 0, reorder: 0, jitterMs: 0 },
};

function openReceiver(meter = new FakeMeter()) {
  return new WebRtcReceiver({
    ledger: new AudioLedger(),
    log: new FakeLog(),
    meter,
    onAudioLost: () => {},
    onAudio: () => {},
    network: { interfaceAddresses: [HOST] },
  });
}

async function connect(room: OwnRoom, publisher: number, receiver: WebRtcReceiver) {
  const subscription = await room.subscribe(publisher);
  await subscription.answer((await receiver.answer({ sid: "s", sdp: subscription.offer }, [])).sdp);
  return { subscription, reader: packetsOf(receiver.source).getReader() };
}

/** Resolves when so many more packets were due. */
function beats({ publishers }: OwnRoom, count: number): Promise<void> {
  return new Promise((resolve) => {
    publishers.lateMs.push = (lateMs) => {
      if (--count === 0) resolve();
      return Array.prototype.push.call(publishers.lateMs, lateMs);
    };
  });
}

async function isInstalled(): Promise<boolean> {
  try {
    await new OwnRoom(options)[Symbol.asyncDispose]();
    return true;
  } catch {
    return false;
  }
}

const ignore = !await isInstalled();

Deno.test({
  name: "Each subscription hears its own publisher, packet after packet, and all that was sent is counted",
  ignore,
  async fn() {
    const meter = new FakeMeter();
    await using room = new OwnRoom(options);
    await using one = openReceiver(meter);
    await using two = openReceiver(meter);
    const readers = [(await connect(room, 3, one)).reader, (await connect(room, 4, two)).reader];
    const before = room.sentCounts();
    room.publishers.start();
    let read = 0;
    for (const [index, reader] of readers.entries()) {
      let last: { sequence: number; at: number } | undefined;
      for (let count = 0; count < 30; count++, read++) {
        const { value } = await reader.read();
        const [publisher, at] = value!.payload;
        assert.equal(publisher, 3 + index);
        if (last) {
          assert.equal((value!.sequence - last.sequence) & 0xffff, 1);
          assert.equal(at, (last.at + 1) % TURN_PACKETS);
        }
        last = { sequence: value!.sequence, at };
      }
    }
    assert.equal(room.connected, 2);
    assert.ok(room.sentSince(before) >= read, `${room.sentSince(before)} sent, ${read} read`);
    assert.equal(room.sentSince(room.sentCounts()), 0);
    assert.equal(meter.counted("tiro_rtp_refused_total", "forged"), 0);
    assert.equal(meter.counted("tiro_rtp_refused_total", "replayed"), 0);
  },
});

Deno.test({
  name: "A closed subscription is sent nothing more, and the others are",
  ignore,
  async fn() {
    await using room = new OwnRoom(options);
    await using leaving = openReceiver();
    await using staying = openReceiver();
    const left = await connect(room, 0, leaving);
    const stays = await connect(room, 0, staying);
    room.publishers.start();
    await Promise.all([left.reader.read(), stays.reader.read()]);
    await left.subscription.close();
    assert.equal(room.connected, 1);
    assert.equal((await stays.reader.read()).value?.payload[0], 0);
    await stays.subscription.close();
    await stays.subscription.close();
    const before = room.sentCounts();
    await beats(room, 150); // told fifty at a time: the first of them may be from before
    assert.equal(room.sentSince(before), 0);
  },
});

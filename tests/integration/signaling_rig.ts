/** A signalling connection to the fake HPB, with its events. */
import { Scope } from "../../src/flow/mod.ts";
import type { Clock, Log } from "../../src/domain/mod.ts";
import { SignalingConnection, type SignalingEvent } from "../../src/talk/signaling/mod.ts";
import { FakeHpb, type FakeHpbOptions } from "../fakes/hpb.ts";
import { OpenGate } from "../fakes/open_gate.ts";
import { FakeMeter } from "../fakes/telemetry.ts";

export const DEADLINE_MS = 20_000;
/** Reconnects at once: what is tested is that they happen. */
export const FAST = { baseMs: 20, maxMs: 50 };

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};

type EventOf<T extends SignalingEvent["type"]> = Extract<SignalingEvent, { type: T }>;

interface RigOptions extends FakeHpbOptions {
  secret?: string;
  clock?: Clock;
  log?: Log;
  tls?: { cert: string; key: string };
  trust?: { caCerts?: string[]; skipVerify?: boolean };
}

/** A fake HPB with a call, and a connection to it whose events can be awaited one after the other. */
export async function rig(options: RigOptions = {}) {
  const hpb = await FakeHpb.start(options);
  const call = await hpb.startCall();
  const scope = new Scope("test");
  const meter = new FakeMeter();
  const events: SignalingEvent[] = [];
  const waiting = new Set<() => void>();
  const gate = new OpenGate(() => {
    for (const look of waiting) look();
  });
  const connection = new SignalingConnection({
    url: hpb.hpbUrl,
    secret: options.secret ?? hpb.internalSecret,
    nextcloudUrl: hpb.nextcloudUrl,
    roomToken: call.roomToken,
    tls: options.trust,
    scope,
    onEvent: (event) => {
      events.push(event);
      for (const look of waiting) look();
    },
    gate,
    log: options.log ?? silentLog,
    meter,
    clock: options.clock,
    backoff: FAST,
  });
  /** Looked at again at every event and attempt. */
  const until = async (holds: () => boolean, what: string): Promise<void> => {
    const held = Promise.withResolvers<void>();
    const seen = () => events.map((event) => event.type).join(" ");
    const timer = setTimeout(() => held.reject(new Error(`no ${what} in time, only ${seen()}`)), DEADLINE_MS);
    const look = () => {
      if (holds()) held.resolve();
    };
    waiting.add(look);
    look();
    try {
      await held.promise;
    } finally {
      waiting.delete(look);
      clearTimeout(timer);
    }
  };
  let read = 0;
  /** The next event of this type; those before it are passed over. */
  const next = async <T extends SignalingEvent["type"]>(type: T): Promise<EventOf<T>> => {
    const find = () => events.findIndex((event, index) => index >= read && event.type === type);
    await until(() => find() >= 0, type);
    read = find() + 1;
    return events[read - 1] as EventOf<T>;
  };
  return {
    hpb,
    call,
    scope,
    meter,
    connection,
    events,
    attempts: gate.outcomes,
    causes: gate.causes,
    until,
    next,
    async [Symbol.asyncDispose]() {
      await scope[Symbol.asyncDispose]();
      await call[Symbol.asyncDispose]();
      await hpb[Symbol.asyncDispose]();
    },
  };
}

import assert from "@std/assert";
import { CaughtInternalErrors } from "../../tests/fakes/internal_errors.ts";
import { UdpSockets } from "../../tests/fakes/udp_sockets.ts";
import { DenoUdpSocket } from "./udp_deno.ts";
import { isLibcUdp, LibcUdpSocket } from "./udp_libc.ts";
import type { Address, UdpSocket, UdpSocketOptions } from "./udp_socket.ts";

const DEADLINE_MS = 10_000;

interface Received {
  bytes: number[];
  waitedMs: number;
  from: Address;
}

/** A socket and its datagrams. */
class TestSocket implements AsyncDisposable {
  readonly received: Received[] = [];
  readonly socket: UdpSocket;
  #check = () => {};

  constructor(
    Socket: new (options: UdpSocketOptions) => UdpSocket,
    { family = 4 as const, host = "127.0.0.1", port = 0, onDatagram = () => {}, isMedia = true }: {
      family?: 4 | 6;
      host?: string;
      port?: number;
      onDatagram?: () => void;
      isMedia?: boolean;
    } = {},
  ) {
    this.socket = new Socket({
      family,
      host,
      port,
      onReceived: (received) => {
        this.received.push({
          bytes: [...received.bytes],
          waitedMs: received.waitedMs,
          from: received.from(),
        });
        onDatagram();
        this.#check();
        return isMedia ? "media" : "passed";
      },
    });
  }

  /** Resolves once this number of datagrams was received. */
  async until(count: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new Error(`Only ${this.received.length} of ${count}`)),
      DEADLINE_MS,
    );
    this.#check = () => {
      if (this.received.length >= count) resolve();
    };
    this.#check();
    await promise.finally(() => clearTimeout(timer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.socket.close();
  }
}

const KINDS = [["libc", LibcUdpSocket, !isLibcUdp], ["Deno", DenoUdpSocket, false]] as const;
for (const [kind, Socket, ignore] of KINDS) {
  Deno.test(
    `${kind}: a handler that throws gets the next datagram, and so do all others`,
    { ignore },
    async () => {
      using errors = new CaughtInternalErrors();
      let count = 0;
      const onDatagram = () => {
        if (count++ % 2 === 0) throw new Error("from a handler");
      };
      await using alice = new TestSocket(Socket);
      await using bob = new TestSocket(Socket, { onDatagram });
      await using stack = new AsyncDisposableStack();
      const others = Array.from({ length: 8 }, () => stack.use(new TestSocket(Socket)));
      for (let i = 0; i < 6; i++) {
        for (const { socket } of [bob, ...others]) alice.socket.send(Uint8Array.of(i), ...socket.address);
      }
      await Promise.all([bob, ...others].map((each) => each.until(6)));
      assert.deepEqual(bob.received.map(({ bytes }) => bytes[0]), [0, 1, 2, 3, 4, 5]);
      assert.deepEqual(errors.kinds, ["udp", "udp", "udp"]);
    },
  );

  Deno.test(`${kind}: datagrams arrive in order, each with its sender`, { ignore }, async () => {
    await using alice = new TestSocket(Socket);
    await using bob = new TestSocket(Socket);
    for (let i = 0; i < 40; i++) alice.socket.send(Uint8Array.of(i, i + 1), ...bob.socket.address);
    await bob.until(40);
    assert.deepEqual(
      bob.received.map(({ bytes }) => bytes),
      Array.from({ length: 40 }, (_, i) => [i, i + 1]),
    );
    for (const { from, waitedMs } of bob.received) {
      assert.deepEqual(from, alice.socket.address);
      assert.ok(waitedMs >= 0 && waitedMs < 1_000, `${waitedMs} ms`);
    }
    bob.socket.send(Uint8Array.of(9), ...bob.received[0].from);
    await alice.until(1);
    assert.deepEqual(alice.received[0].bytes, [9]);
  });

  Deno.test(`${kind}: IPv6 as well`, { ignore: ignore || !hasIpv6() }, async () => {
    await using alice = new TestSocket(Socket, { family: 6, host: "::1" });
    await using bob = new TestSocket(Socket, { family: 6, host: "::1" });
    alice.socket.send(Uint8Array.of(1), ...bob.socket.address);
    await bob.until(1);
    assert.deepEqual(bob.received[0].from, alice.socket.address);
    assert.equal(bob.received[0].from[0], "::1");
  });

  Deno.test(
    `${kind}: a used port and an address that is not local cannot be bound`,
    { ignore },
    async () => {
      await using taken = new TestSocket(Socket);
      assert.throws(() => new TestSocket(Socket, { port: taken.socket.address[1] }), Deno.errors.AddrInUse);
      assert.throws(() => new TestSocket(Socket, { host: "192.0.2.1" }), Deno.errors.AddrNotAvailable);
    },
  );

  Deno.test(`${kind}: closed, the port is free and nothing is sent`, { ignore }, async () => {
    await using bob = new TestSocket(Socket);
    const first = new TestSocket(Socket);
    const [, port] = first.socket.address;
    await Promise.all([first.socket.close(), first.socket.close()]);
    first.socket.send(Uint8Array.of(1), ...bob.socket.address);
    await using second = new TestSocket(Socket, { port });
    second.socket.send(Uint8Array.of(2), ...bob.socket.address);
    await bob.until(1);
    assert.deepEqual(bob.received.map(({ bytes }) => bytes), [[2]]);
  });

  Deno.test(`${kind}: closed by a handler, it delivers no more datagrams`, { ignore }, async () => {
    await using alice = new TestSocket(Socket);
    // Over the second, because the first comes alone.
    await using bob = new TestSocket(Socket, {
      onDatagram: () => bob.received.length === 2 && void bob.socket.close(),
    });
    await using carol = new TestSocket(Socket);
    alice.socket.send(Uint8Array.of(0), ...bob.socket.address);
    await bob.until(1);
    for (const each of [bob, bob, bob, carol]) alice.socket.send(Uint8Array.of(1), ...each.socket.address);
    await carol.until(1);
    await bob.until(2);
    alice.socket.send(Uint8Array.of(2), ...carol.socket.address);
    await carol.until(2);
    assert.equal(bob.received.length, 2);
  });

  Deno.test(`${kind}: only datagrams that cannot be sent are lost`, { ignore }, async () => {
    await using alice = new TestSocket(Socket);
    await using bob = new TestSocket(Socket);
    alice.socket.send(Uint8Array.of(1), "::1", 9);
    alice.socket.send(Uint8Array.of(1), "127.0.0.1", 9);
    alice.socket.send(new Uint8Array(70_000), ...bob.socket.address);
    alice.socket.send(Uint8Array.of(2), ...bob.socket.address);
    await bob.until(1);
    assert.deepEqual(bob.received[0].bytes, [2]);
  });
}

Deno.test(
  "libc: before the first media each datagram has an iteration of the event loop to itself",
  { ignore: !isLibcUdp },
  async () => {
    const iterations: number[] = [];
    let iteration = 0;
    let isCounting = true;
    const next = () => {
      iteration++;
      if (isCounting) setImmediate(next);
    };
    next();
    await using alice = new TestSocket(LibcUdpSocket);
    await using bob = new TestSocket(LibcUdpSocket, {
      isMedia: false,
      onDatagram: () => iterations.push(iteration),
    });
    for (let i = 0; i < 5; i++) alice.socket.send(Uint8Array.of(i), ...bob.socket.address);
    await bob.until(5);
    isCounting = false;
    assert.deepEqual(bob.received.map(({ bytes }) => bytes), [[0], [1], [2], [3], [4]]);
    assert.equal(new Set(iterations).size, 5, `iterations ${iterations}`);
  },
);

for (const steppedMs of [0, -7_000, 7_000]) {
  Deno.test(
    `libc: the waiting time is right after the wall clock is set by ${steppedMs / 1_000} s`,
    { ignore: !isLibcUdp },
    async () => {
      using _stepped = new SteppedWallClock(steppedMs);
      await using alice = new TestSocket(LibcUdpSocket);
      await using bob = new TestSocket(LibcUdpSocket);
      alice.socket.send(Uint8Array.of(1), ...bob.socket.address);
      await bob.until(1);
      alice.socket.send(Uint8Array.of(2), ...bob.socket.address);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
      await bob.until(2);
      const [prompt, late] = bob.received.map(({ waitedMs }) => waitedMs);
      assert.ok(prompt >= 0 && prompt < 3_000, `${prompt} ms`);
      assert.ok(late >= 395 && late < 3_000, `${late} ms`);
    },
  );
}

Deno.test("libc: a truncated datagram is not delivered", { ignore: !isLibcUdp }, async () => {
  await using alice = new TestSocket(LibcUdpSocket);
  await using bob = new TestSocket(LibcUdpSocket);
  alice.socket.send(new Uint8Array(2_049), ...bob.socket.address);
  alice.socket.send(new Uint8Array(2_048), ...bob.socket.address);
  await bob.until(1);
  assert.equal(bob.received[0].bytes.length, 2_048);
});

Deno.test("libc: a flood at one socket does not delay another", { ignore: !isLibcUdp }, async () => {
  const order: string[] = [];
  await using alice = new TestSocket(LibcUdpSocket);
  await using flooded = new TestSocket(LibcUdpSocket, { onDatagram: () => order.push("flooded") });
  await using bob = new TestSocket(LibcUdpSocket, { onDatagram: () => order.push("bob") });
  for (let i = 0; i < 150; i++) alice.socket.send(Uint8Array.of(i), ...flooded.socket.address);
  alice.socket.send(Uint8Array.of(1), ...bob.socket.address);
  await Promise.all([bob.until(1), flooded.until(150)]);
  assert.ok(order.indexOf("bob") <= 64, "it is delivered after four calls of 16 at the latest");
});

for (const host of ["127.0.0.1", "::1"]) {
  const ignore = !isLibcUdp || (host === "::1" && !hasIpv6());
  Deno.test(`libc: the kernel drops datagrams from other addresses (${host})`, { ignore }, async () => {
    const family = host === "::1" ? 6 : 4;
    await using alice = new TestSocket(LibcUdpSocket, { family, host });
    await using carol = new TestSocket(LibcUdpSocket, { family, host });
    await using bob = new TestSocket(LibcUdpSocket, { family, host });
    const sendFromBoth = (byte: number) => {
      carol.socket.send(Uint8Array.of(byte + 100), ...bob.socket.address);
      alice.socket.send(Uint8Array.of(byte), ...bob.socket.address);
    };
    const bytes = () => bob.received.map(({ bytes: [byte] }) => byte);
    sendFromBoth(0);
    await bob.until(2);
    assert.equal(bob.socket.dropped, 0);
    assert.ok(bob.socket.admitOnly([alice.socket.address, ["192.0.2.1", 9], ["2001:db8::1", 9]]));
    for (const byte of [1, 2, 3]) sendFromBoth(byte);
    await bob.until(5);
    assert.deepEqual(bytes(), [100, 0, 1, 2, 3]);
    assert.equal(bob.socket.dropped, 3);
    assert.ok(bob.socket.admitOnly([carol.socket.address]));
    sendFromBoth(4);
    await bob.until(6);
    assert.ok(bob.socket.admitOnly(undefined));
    sendFromBoth(5);
    await bob.until(8);
    assert.deepEqual(bytes().slice(5), [104, 105, 5]);
    await bob.socket.close();
    assert.ok(!bob.socket.admitOnly(undefined));
  });
}

Deno.test("libc: a closed socket leaves no descriptor", { ignore: !isLibcUdp }, async () => {
  const sockets = new UdpSockets();
  const opened = Array.from({ length: 20 }, () => new TestSocket(LibcUdpSocket));
  for (const { socket: { address: [, port] } } of opened) sockets.notePort(port);
  assert.deepEqual([sockets.size, sockets.open], [20, 20]);
  for (const [closed, each] of opened.entries()) {
    assert.equal(sockets.open, 20 - closed);
    await each[Symbol.asyncDispose]();
    await each[Symbol.asyncDispose]();
  }
  assert.equal(sockets.open, 0);
});

Deno.test("Without permission for FFI Deno's datagrams are used", async () => {
  const code = `
    import { isLibcUdp } from "${new URL("udp_libc.ts", import.meta.url)}";
    import { DatagramTransport } from "${new URL("udp.ts", import.meta.url)}";
    const transport = new DatagramTransport("udp4");
    console.log(isLibcUdp, transport.port > 0);
    await transport.close();
  `;
  const allowed = ["net", "read", "env", "sys"].map((what) => `--allow-${what}`);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--config=deno.json",
      ...allowed,
      "--deny-ffi",
      `data:application/typescript,${encodeURIComponent(code)}`,
    ],
    cwd: new URL("../../", import.meta.url),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(text(stdout), "false true\n", text(stderr));
});

function hasIpv6(): boolean {
  try {
    Deno.listenDatagram({ transport: "udp", hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}

/** What the process sees of a clock that was set after its start: its own start lies elsewhere on it. */
class SteppedWallClock implements Disposable {
  constructor(byMs: number) {
    const value = performance.timeOrigin - byMs;
    Object.defineProperty(performance, "timeOrigin", { value, configurable: true });
  }
  [Symbol.dispose](): void {
    Reflect.deleteProperty(performance, "timeOrigin");
  }
}

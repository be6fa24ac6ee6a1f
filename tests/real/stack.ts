/**
 * The real thing on one machine: HPB and Janus as processes, with the fake Nextcloud behind them, their ports their
 * own while the stack is there, whoever is killed and started again meanwhile, and everything in a folder that goes when the stack does. The service reaches the HPB through a relay, so
 * that a test can cut its connections; participants reach it directly.
 */
import { makeOwnCertificate } from "../fakes/certificates.ts";
import type { Speech } from "../fakes/speech.ts";
import type { TestCall, TestParticipant, TestSpeaker, TestStack } from "../fakes/call.ts";
import { type CallUser, FakeNextcloud, IN_CALL } from "../fakes/nextcloud.ts";
import { HpbParticipant } from "../fakes/participant.ts";
import { ClaimedPorts } from "../fakes/ports.ts";
import { ChromiumSpeaker } from "./chromium_speaker.ts";
import { configureHpb, type HpbOptions, randomText, startHpb } from "./hpb.ts";
import { configureJanus, type JanusOptions, ownAddress, startJanus } from "./janus.ts";
import { startNats } from "./nats.ts";
import { polled, type ServerProcess, tailOf } from "./server_process.ts";
import type { JanusAdminOptions } from "./janus_admin.ts";
import { TcpRelay } from "./tcp_relay.ts";
import { type Seat, WeriftSpeaker } from "./werift_speaker.ts";

export { installedHpbVersions } from "./hpb.ts";

export interface RealStackOptions {
  /** One of `installedHpbVersions()`. */
  hpbVersion: string;
  /** Of Janus' certificate: what `openssl req -newkey` is to make. Default: Janus makes its own. */
  janusKey?: readonly string[];
  /** A second node of the HPB, and NATS between them: see `secondHpbUrl`. */
  cluster?: boolean;
  /** Of the only address that Janus has for media. Default 4. */
  mediaFamily?: 4 | 6;
}

export class RealStack implements TestStack {
  readonly #resources = new AsyncDisposableStack();
  #secondHpb?: HpbOptions;
  #hpb?: ServerProcess;
  #janus?: ServerProcess;

  private constructor(
    /** The fake Nextcloud itself: what it received, what it answers. */
    readonly nextcloud: FakeNextcloud,
    private readonly relay: TcpRelay,
    private hpbOptions: HpbOptions,
    private readonly janusOptions: JanusOptions,
    /** Janus' Admin API. */
    readonly janusAdmin: JanusAdminOptions,
  ) {}

  /** Ready when it resolves, in some hundred milliseconds. Rejects with the end of a server's log. */
  static async start(
    { hpbVersion, janusKey, mediaFamily, cluster = false }: RealStackOptions,
  ): Promise<RealStack> {
    await using resources = new AsyncDisposableStack();
    const ports = resources.use(ClaimedPorts.claim());
    const folder = await Deno.makeTempDir({ prefix: "tiro-real-" });
    resources.defer(() => Deno.remove(folder, { recursive: true }));
    await Deno.mkdir(`${folder}/janus`);
    const backendSecret = randomText(32);
    const nextcloud = resources.use(await FakeNextcloud.start({ secret: backendSecret }));
    const hpbPort = ports.next();
    const admin = { port: ports.next(), secret: randomText(32) };
    const janusOptions: JanusOptions = {
      folder: `${folder}/janus`,
      port: ports.next(),
      hostAddress: ownAddress(mediaFamily),
      rtpPorts: ports.rest(),
      logPath: `${folder}/janus.log`,
      admin,
      certificate: janusKey && resources.use(await makeOwnCertificate(janusKey)),
    };
    const hpbOptions: HpbOptions = {
      version: hpbVersion,
      configPath: `${folder}/hpb.conf`,
      port: hpbPort,
      nextcloudUrl: nextcloud.url,
      janusPort: janusOptions.port,
      internalSecret: randomText(32),
      backendSecret,
      logPath: `${folder}/hpb.log`,
    };
    const second = cluster ? clusterOf(hpbOptions, resources.use(ClaimedPorts.claim()), folder) : undefined;
    const relay = resources.use(new TcpRelay(hpbOptions.port));
    const stack = new RealStack(nextcloud, relay, hpbOptions, janusOptions, admin);
    resources.defer(() => stack.#killServers());
    await configureJanus(janusOptions);
    await configureHpb(hpbOptions);
    await stack.startJanus();
    if (second) {
      resources.use(await startNats(second.cluster.natsPort, `${folder}/nats.log`));
      await configureHpb(second);
      resources.use(await startHpb(second));
      stack.#secondHpb = second;
    }
    await stack.startHpb();
    stack.#resources.use(resources.move());
    return stack;
  }

  /** Through the relay: see `dropHpbConnections`. */
  get hpbUrl(): string {
    return `http://127.0.0.1:${this.relay.port}`;
  }

  /** The HPB's, of internal clients. */
  get internalSecret(): string {
    return this.hpbOptions.internalSecret;
  }

  /** Past the relay: what participants use. */
  get directHpbUrl(): string {
    return `http://127.0.0.1:${this.hpbOptions.port}`;
  }

  /** Of a cluster's second node. */
  get secondHpbUrl(): string {
    if (!this.#secondHpb) throw new Error("Cannot use a second HPB: the stack is no cluster");
    return `http://127.0.0.1:${this.#secondHpb.port}`;
  }

  get nextcloudUrl(): string {
    return this.nextcloud.url;
  }

  startCall(): Promise<RealCall> {
    const call = new RealCall(this, `room${randomText(8)}`);
    this.#resources.use(call);
    return Promise.resolve(call);
  }

  /** Cuts the service's connections to the HPB, which then may come back. Returns how many there were. */
  dropHpbConnections(): number {
    return this.relay.cut();
  }

  /** While false, the service's connections to the HPB are cut and refused; participants notice nothing. */
  set hpbReachable(reachable: boolean) {
    this.relay.refusing = !reachable;
  }

  async killHpb(): Promise<void> {
    await this.#hpb?.kill();
    this.#hpb = undefined;
  }

  async startHpb(): Promise<void> {
    this.#hpb ??= await startHpb(this.hpbOptions);
  }

  /**
   * Forgets every session and room, as a restarted HPB does, and may have another secret then. Participants have to join
   * again.
   */
  async restartHpb(changes: { internalSecret?: string } = {}): Promise<void> {
    await this.killHpb();
    this.hpbOptions = { ...this.hpbOptions, ...changes };
    await configureHpb(this.hpbOptions);
    await this.startHpb();
  }

  /** How many hellos of internal clients the HPB has refused, in all its lives. */
  async refusedHellos(): Promise<number> {
    const log = await Deno.readTextFile(this.hpbOptions.logPath);
    return [...log.matchAll(/Failed attempt on "HelloInternal"/g)].length;
  }

  async killJanus(): Promise<void> {
    await this.#janus?.kill();
    this.#janus = undefined;
  }

  /** Resolves when the HPB, if it runs, has found it: the HPB tries after 1, 2, 4.. seconds. */
  async startJanus(): Promise<void> {
    if (this.#janus) return;
    const startedMs = Date.now();
    this.#janus = await startJanus(this.janusOptions);
    if (!this.#hpb) return;
    await polled("the HPB to find Janus", 40_000, async () => {
      const { connected, uptime } = (await this.stats()).mcu;
      return connected && Date.parse(uptime) >= startedMs;
    });
  }

  /** What the HPB itself counts. */
  async stats(): Promise<HpbStats> {
    const response = await fetch(`${this.directHpbUrl}/api/v1/stats`);
    return await response.json();
  }

  /** The end of both servers' logs, for a failed test to show. */
  async logs(): Promise<string> {
    const paths = [this.hpbOptions.logPath, this.#secondHpb?.logPath, this.janusOptions.logPath];
    const parts = paths.filter((path) => path !== undefined).map(async (path) =>
      `--- ${path.split("/").at(-1)}\n${await tailOf(path)}`
    );
    return (await Promise.all(parts)).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  async #killServers(): Promise<void> {
    await this.killHpb();
    await this.killJanus();
  }
}

/** Makes the first node one of a cluster, and returns the second's options. */
function clusterOf(first: HpbOptions, ports: ClaimedPorts, folder: string) {
  const [natsPort, ownGrpcPort, otherGrpcPort] = [ports.next(), ports.next(), ports.next()];
  const shared = { natsPort, hashKey: randomText(32), blockKey: randomText(16) };
  first.cluster = { ...shared, ownGrpcPort, otherGrpcPort };
  return {
    ...first,
    port: ports.next(),
    configPath: `${folder}/hpb2.conf`,
    logPath: `${folder}/hpb2.log`,
    cluster: { ...shared, ownGrpcPort: otherGrpcPort, otherGrpcPort: ownGrpcPort },
  };
}

/** `clients` are the SFU's peers of both directions. */
export interface HpbStats {
  rooms: number;
  sessions: number;
  mcu: { connected: boolean; uptime: string; publishers: number; clients: number };
}

/** Runs a test on a stack of its own and, when it fails, shows what the servers said. */
export async function onRealStack(
  options: RealStackOptions,
  test: (stack: RealStack) => Promise<void>,
): Promise<void> {
  await using stack = await RealStack.start(options);
  try {
    await test(stack);
  } catch (error) {
    await Deno.stderr.write(new TextEncoder().encode(`${await stack.logs()}\n`));
    throw error;
  }
}

/** A call on a real stack. Everyone in it leaves when it is disposed. */
export class RealCall implements TestCall {
  readonly #people = new AsyncDisposableStack();
  /** Who Nextcloud believes to be in the call, by Nextcloud session id. */
  readonly #inCall = new Map<string, CallUser>();
  #disposed?: Promise<void>;

  constructor(private readonly stack: RealStack, readonly roomToken: string) {}

  async addListener(): Promise<TestParticipant> {
    const seat = this.#seat(IN_CALL.joined);
    return this.#people.use(await seat.enter());
  }

  /** Someone whose hello announces these features, whatever they are. */
  async addGuest(features: readonly string[]): Promise<TestParticipant> {
    return this.#people.use(await this.#seat(IN_CALL.joined, features).enter());
  }

  /** A participant whose client reports that it sends audio, but sends none to the SFU. */
  async addMute(): Promise<TestParticipant> {
    return this.#people.use(await this.#seat(IN_CALL.withAudio).enter());
  }

  async addSpeaker(): Promise<WeriftSpeaker & TestSpeaker> {
    return this.#people.use(await WeriftSpeaker.join(this.#seat(IN_CALL.withAudio)));
  }

  /** A browser whose microphone plays `speech` once, after four seconds of silence. */
  async addChromiumSpeaker(speech: Speech): Promise<ChromiumSpeaker> {
    return this.#people.use(await ChromiumSpeaker.join(this.#seat(IN_CALL.withAudio), speech));
  }

  /** Nextcloud sends the HPB the participants again: needed after the HPB lost them. */
  announce(changed: readonly CallUser[] = [...this.#inCall.values()]): Promise<void> {
    const { nextcloud, directHpbUrl } = this.stack;
    return nextcloud.setInCall(directHpbUrl, this.roomToken, [...this.#inCall.values()], changed);
  }

  async end(): Promise<void> {
    this.#inCall.clear();
    await this.stack.nextcloud.endCall(this.stack.directHpbUrl, this.roomToken);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= this.#people.disposeAsync();
  }

  #seat(inCall: number, features?: readonly string[]): Seat {
    const user: CallUser = { ncSessionId: `nc-${randomText(32)}`, inCall };
    return {
      enter: async () => {
        const participant = await HpbParticipant.join({
          hpbUrl: this.stack.directHpbUrl,
          nextcloudUrl: this.stack.nextcloudUrl,
          roomToken: this.roomToken,
          ncSessionId: user.ncSessionId,
          features,
        });
        this.#inCall.set(user.ncSessionId, user);
        try {
          await this.announce([user]);
        } catch (error) {
          await participant[Symbol.asyncDispose]();
          throw error;
        }
        return participant;
      },
      leave: async () => {
        this.#inCall.delete(user.ncSessionId);
        await this.announce([{ ...user, inCall: IN_CALL.left }]);
      },
    };
  }
}

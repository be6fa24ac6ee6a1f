/**
 * What Janus itself knows of its connections, asked through its Admin API: for tests that have to prove what reached
 * the other side.
 */
export interface JanusAdminOptions {
  /** Of the Admin API, on 127.0.0.1. */
  port: number;
  secret: string;
}

/** What a subscriber reported to Janus of the audio it was sent. */
export interface ReportedAudio {
  /** Round trip, whole ms; 0 until a report gave the time of a sender report back. */
  rttMs: number;
  packetsLost: number;
  /** Whole ms. */
  jitterMs: number;
}

/** Of every subscription there is. */
export async function reportedAudio(options: JanusAdminOptions): Promise<ReportedAudio[]> {
  const media = (await subscriptions(options)).flatMap(({ media }) => Object.values(media ?? {}));
  return media.flatMap(({ type, rtcp }) => {
    if (type !== "audio" || !rtcp) return [];
    const { rtt, "lost-by-remote": packetsLost, "jitter-remote": jitterMs } = rtcp.main;
    return [{ rttMs: rtt, packetsLost, jitterMs }];
  });
}

/** Where the two ends of a subscription's media are. */
export interface MediaPath {
  janus: readonly [host: string, port: number];
  subscriber: readonly [host: string, port: number];
}

/** Of every subscription that is connected. */
export async function mediaPaths(options: JanusAdminOptions): Promise<MediaPath[]> {
  return (await subscriptions(options)).flatMap(({ ice }) => {
    const ends = [...(ice?.["selected-pair"] ?? "").matchAll(/(\S+):(\d+) \[/g)];
    if (ends.length !== 2) return [];
    const [janus, subscriber] = ends.map(([, host, port]) => [host, Number(port)] as const);
    return [{ janus, subscriber }];
  });
}

async function subscriptions(options: JanusAdminOptions): Promise<NonNullable<HandleInfo["webrtc"]>[]> {
  await using admin = await Admin.connect(options);
  const found: NonNullable<HandleInfo["webrtc"]>[] = [];
  const { sessions } = await admin.ask<{ sessions: number[] }>({ janus: "list_sessions" });
  for (const session_id of sessions) {
    const { handles } = await admin.ask<{ handles: number[] }>({ janus: "list_handles", session_id });
    for (const handle_id of handles) {
      const { info } = await admin.ask<{ info: HandleInfo }>({ janus: "handle_info", session_id, handle_id });
      if (info.plugin_specific?.type === "subscriber" && info.webrtc) found.push(info.webrtc);
    }
  }
  return found;
}

/** As much of it as is read here; of Janus 1.1. */
interface HandleInfo {
  plugin_specific?: { type?: string };
  webrtc?: {
    ice?: { "selected-pair"?: string };
    media?: Record<
      string,
      { type: string; rtcp?: { main: { rtt: number; "lost-by-remote": number; "jitter-remote": number } } }
    >;
  };
}

const PROTOCOL = "janus-admin-protocol";
const DEADLINE_MS = 5_000;

/** One question at a time. */
class Admin implements AsyncDisposable {
  private constructor(private readonly socket: WebSocket, private readonly secret: string) {}

  static async connect({ port, secret }: JanusAdminOptions): Promise<Admin> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, PROTOCOL);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error("Cannot ask Janus: its Admin API does not answer"));
    });
    return new Admin(socket, secret);
  }

  async ask<Answer>(question: Record<string, unknown>): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const timer = setTimeout(() => reject(new Error("Cannot ask Janus: no answer in time")), DEADLINE_MS);
    this.socket.onmessage = ({ data }: MessageEvent<string>) => {
      const answer: Answer & { janus: string } = JSON.parse(data);
      if (answer.janus === "success") resolve(answer);
      else reject(new Error(`Cannot ask Janus: it says ${answer.janus}`));
    };
    this.socket.send(JSON.stringify({ transaction: "t", admin_secret: this.secret, ...question }));
    return await promise.finally(() => clearTimeout(timer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.socket.onclose = () => resolve();
    this.socket.close();
    await promise;
  }
}

/**
 * A Nextcloud as far as the HPB and this service see one: capabilities, the signalling backend with its checksums,
 * and the signalling settings with STUN and TURN. It also does Nextcloud's side of a call: telling the HPB who is in
 * it. Stands behind the fake HPB and behind a real one. With an ExApp registered it is AppAPI too (`app_api.ts`), and
 * lets nobody ask for settings but that app.
 *
 * Everyone is let in: a ticket is any text but `wrong`, and every room exists.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { FakeAppApi, type FakeExAppRegistration } from "./app_api.ts";

/** Talk's in-call flags. */
export const IN_CALL = { left: 0, joined: 1, withAudio: 3, withVideo: 7 } as const;

/** Someone in a room, as Nextcloud knows them. */
export interface CallUser {
  /** Nextcloud session id. */
  ncSessionId: string;
  /** Call flags: 1 in call, 2 audio, 4 video, 8 phone. */
  inCall: number;
  userId?: string;
  /** When there was last a sign of life, s; left out of the list by default. */
  lastPing?: number;
}

export interface NextcloudSettings {
  stunservers: { urls: string[] }[];
  turnservers: { urls: string[]; username: string; credential: string }[];
}

export interface FakeNextcloudOptions {
  /** Shared with the HPB; signs what goes either way. */
  secret: string;
  hostname?: string;
  port?: number;
  /** What the service is registered as; absent: it is no ExApp. */
  exApp?: FakeExAppRegistration;
}

type Json = Record<string, unknown>;

const BACKEND_PATH = /^\/ocs\/v2\.php\/apps\/spreed\/api\/v[123]\/signaling\/backend$/;
const SETTINGS_PATH = "/ocs/v2.php/apps/spreed/api/v3/signaling/settings";

export class FakeNextcloud implements AsyncDisposable {
  /** What the settings route answers with. */
  settings: NextcloudSettings = { stunservers: [], turnservers: [] };
  /** Status of the settings route; above 399 the answer has no data. */
  settingsStatus = 200;
  /** The settings route waits for this before answering. */
  settingsGate: Promise<void> = Promise.resolve();
  /** Times the settings were asked for. */
  settingsRequests = 0;
  /** Of users by their ids; default: the same. */
  readonly displayNames = new Map<string, string>();
  /** Backend requests whose checksum was wrong. */
  badChecksums = 0;
  /** What the HPB sent about joins and leaves. */
  readonly roomRequests: { roomToken: string; ncSessionId: string; action: string }[] = [];
  /** Nextcloud sessions the HPB said are still there, one entry a ping. */
  readonly pings: { roomToken: string; ncSessionIds: string[] }[] = [];
  #appApi?: FakeAppApi;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #secret: string;

  private constructor(options: FakeNextcloudOptions) {
    this.#secret = options.secret;
    if (options.exApp) this.#appApi = new FakeAppApi(options.exApp);
    this.#server = Deno.serve({
      hostname: options.hostname ?? "127.0.0.1",
      port: options.port ?? 0,
      onListen: () => {},
    }, (request) => this.#answer(request));
  }

  static start(options: FakeNextcloudOptions): Promise<FakeNextcloud> {
    return Promise.resolve(new FakeNextcloud(options));
  }

  /** Throws without an ExApp. */
  get appApi(): FakeAppApi {
    if (!this.#appApi) throw new Error("Cannot speak for AppAPI: no ExApp is registered");
    return this.#appApi;
  }

  /** Registers the service as an ExApp from now on. */
  register(exApp: FakeExAppRegistration): FakeAppApi {
    return this.#appApi = new FakeAppApi(exApp);
  }

  /** For NEXTCLOUD_URL and the HPB's `[backend]`. */
  get url(): string {
    return `http://${this.#server.addr.hostname}:${this.#server.addr.port}`;
  }

  /** Sends the HPB the whole list of participants in the call; `changed` defaults to everyone. */
  setInCall(
    hpbUrl: string,
    roomToken: string,
    users: readonly CallUser[],
    changed: readonly CallUser[] = users,
  ): Promise<void> {
    const entry = (user: CallUser) => ({
      sessionId: user.ncSessionId,
      nextcloudSessionId: user.ncSessionId,
      inCall: user.inCall,
      userId: user.userId ?? "",
      lastPing: user.lastPing,
      participantType: 3,
      participantPermissions: 254,
    });
    const incall = { incall: IN_CALL.withAudio, changed: changed.map(entry), users: users.map(entry) };
    return this.postToRoom(hpbUrl, roomToken, { type: "incall", incall });
  }

  /** A moderator ends the call for everyone. */
  endCall(hpbUrl: string, roomToken: string): Promise<void> {
    return this.postToRoom(hpbUrl, roomToken, { type: "incall", incall: { incall: 0, all: true } });
  }

  /** The room has these properties from now on: another name, a lobby, a recording. */
  changeRoom(hpbUrl: string, roomToken: string, properties: Json): Promise<void> {
    return this.postToRoom(hpbUrl, roomToken, { type: "update", update: { userids: [], properties } });
  }

  deleteRoom(hpbUrl: string, roomToken: string): Promise<void> {
    return this.postToRoom(hpbUrl, roomToken, { type: "delete", delete: { userids: [] } });
  }

  /** Moves these sessions to another room (breakout rooms). */
  switchTo(hpbUrl: string, roomToken: string, toRoomToken: string, ncSessionIds: string[]): Promise<void> {
    const switchto = { roomid: toRoomToken, sessions: ncSessionIds };
    return this.postToRoom(hpbUrl, roomToken, { type: "switchto", switchto });
  }

  /** A signed backend request to the HPB's `/api/v1/room/{token}`. */
  async postToRoom(hpbUrl: string, roomToken: string, message: Json): Promise<void> {
    const body = JSON.stringify(message);
    const random = randomBytes(32).toString("hex");
    const response = await fetch(`${hpbUrl}/api/v1/room/${encodeURIComponent(roomToken)}`, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "Spreed-Signaling-Random": random,
        "Spreed-Signaling-Checksum": backendChecksum(this.#secret, random, body),
        "Spreed-Signaling-Backend": `${this.url}/`,
      },
      body,
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`Cannot tell the HPB: it answered ${response.status}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (request.method === "GET" && pathname === "/ocs/v2.php/cloud/capabilities") return ocs(CAPABILITIES);
    if (request.method === "POST" && BACKEND_PATH.test(pathname)) return await this.#backend(request);
    const refusal = this.#appApi?.refuse(request);
    if (refusal) {
      await request.body?.cancel();
      return refusal;
    }
    if (request.method === "GET" && pathname === SETTINGS_PATH) {
      return await this.#settings(request);
    }
    const answer = await this.#appApi?.answer(request);
    if (answer) return answer;
    await request.body?.cancel();
    return ocs({}, 404);
  }

  async #settings(request: Request): Promise<Response> {
    this.settingsRequests++;
    await this.settingsGate;
    if (this.settingsStatus > 399) return ocs({}, this.settingsStatus);
    if (request.headers.get("OCS-APIRequest") !== "true") return ocs({ message: "CSRF check failed" }, 412);
    return ocs({ signalingMode: "external", server: "", ticket: "", ...this.settings });
  }

  async #backend(request: Request): Promise<Response> {
    const body = await request.text();
    const random = request.headers.get("Spreed-Signaling-Random") ?? "";
    const checksum = request.headers.get("Spreed-Signaling-Checksum") ?? "";
    if (random.length < 32 || !sameText(checksum, backendChecksum(this.#secret, random, body))) {
      this.badChecksums++;
      return ocs(
        {
          type: "error",
          error: { code: "invalid_request", message: "The request could not be authenticated." },
        },
      );
    }
    return ocs(this.#backendReply(JSON.parse(body)));
  }

  #backendReply(message: Json): Json {
    const { type } = message;
    if (type === "auth") {
      const { params } = message.auth as { params: { userid?: string; ticket?: string } };
      if (params.ticket === "wrong") {
        return {
          type: "error",
          error: { code: "invalid_ticket", message: "The given ticket is not valid." },
        };
      }
      const userid = params.userid ?? "";
      return {
        type: "auth",
        auth: { version: "1.0", userid, user: { displayname: this.displayNames.get(userid) ?? userid } },
      };
    }
    if (type === "room") {
      const room = message.room as { roomid: string; sessionid: string; action?: string };
      this.roomRequests.push({
        roomToken: room.roomid,
        ncSessionId: room.sessionid,
        action: room.action || "join",
      });
      const permissions = ["publish-audio", "publish-video", "publish-screen", "control"];
      return {
        type: "room",
        room: { version: "1.0", roomid: room.roomid, properties: { name: "", type: 3 }, permissions },
      };
    }
    if (type === "ping") {
      const { roomid, entries = [] } = message.ping as { roomid: string; entries?: { sessionid: string }[] };
      this.pings.push({ roomToken: roomid, ncSessionIds: entries.map(({ sessionid }) => sessionid) });
    }
    const named = message[String(type)] as { roomid?: string } | undefined;
    return { type, room: { version: "1.0", roomid: named?.roomid ?? "" } };
  }
}

/** Hex HMAC-SHA256(secret, random + body): how Nextcloud and the HPB sign requests to each other. */
export function backendChecksum(secret: string, random: string, body: string): string {
  return createHmac("sha256", secret).update(random).update(body).digest("hex");
}

function sameText(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(new TextEncoder().encode(a), new TextEncoder().encode(b));
}

const CAPABILITIES = {
  version: { major: 32, minor: 0, micro: 0, string: "32.0.0" },
  capabilities: {
    spreed: {
      features: ["audio", "video", "chat-v2", "conversation-v4", "signaling-v3"],
      config: { signaling: {} },
    },
  },
};

/** The envelope every OCS route answers in. */
function ocs(data: unknown, status = 200): Response {
  const meta = {
    status: status < 400 ? "ok" : "failure",
    statuscode: status,
    message: status < 400 ? "OK" : "",
  };
  return Response.json({ ocs: { meta, data } }, { status });
}

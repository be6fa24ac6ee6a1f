/** The API of transcripts on a store in memory, for its tests. */
import { FakeLog, FakeMeter } from "../../../tests/fakes/telemetry.ts";
import { type Principal, RIGHTS } from "../../domain/mod.ts";
import { createHttpApp, type HttpApp } from "../../http/mod.ts";
import { Readers } from "../streams.ts";
import { STARTED_AT_MS, World } from "../testing_test.ts";
import type { TranscriptMode } from "../transcripts.ts";
import { transcriptRoutes } from "./handlers.ts";

export const principal = (kind: Principal["kind"], others: Partial<Principal> = {}): Principal => ({
  kind,
  rights: new Set(RIGHTS),
  ...others,
});
export const FRONT_END = principal("token");
export const ADA = principal("user", { userId: "ada", tenantId: "acme" });

/** The routes of a service, asked as whoever the test says. */
export class Api extends World {
  readonly app: HttpApp;
  readonly readers: Readers;
  as: Principal = FRONT_END;

  /** Thrown by `requireWork`. */
  workRefusal: Error | undefined;

  constructor(mode: TranscriptMode | "off" = "on") {
    super(mode === "off" ? "on" : mode);
    const { transcripts, clock, scope } = this;
    this.readers = new Readers({
      ...{ transcripts, clock, meter: this.meter, scope: scope.child("readers") },
      unixNow: () => STARTED_AT_MS + clock.now(),
    });
    const issue = (id: string, ttlMs = 0) =>
      Promise.resolve({ key: `${id}-key`, expiresAtMs: 1_000_000 + ttlMs });
    const kept = mode === "off" ? undefined : { transcripts, readers: this.readers, keys: { issue } };
    const requireWork = () => {
      if (this.workRefusal) throw this.workRefusal;
    };
    this.app = createHttpApp({
      api: { description: "", meanings: {}, security: [], page: "" },
      groups: [transcriptRoutes({ kept, requireWork })],
      version: "1",
      authenticate: () => this.as,
      takesToken: true,
      meter: Object.assign(new FakeMeter(), { render: () => Promise.resolve(""), contentType: "" }),
      status: () => ({ sessions: 0, speakers: 0, otherBytes: 0, reasons: [], recognisers: [] }),
      acceptingWork: () => true,
      log: new FakeLog(),
    });
  }

  ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const request = new Request(`http://host/api/v1/transcripts${path}`, {
      method,
      headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return this.app.fetch(request, { source: "test", hold: () => Promise.resolve() });
  }

  async status(method: string, path: string, body?: unknown): Promise<number> {
    const response = await this.ask(method, path, body);
    await response.body?.cancel();
    return response.status;
  }

  /** A Talk call in which one final was said. */
  async talk(text = "Hello."): Promise<string> {
    const session = this.open();
    session.say(text, { name: "Ada" });
    return (await this.ids())[0];
  }
}

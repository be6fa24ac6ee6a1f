/** The door: its WebSocket, its health, and what it logs and counts of each session. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { codeOf, LIMITS, type SessionAbout, type TokenVerifier, UnavailableError } from "../domain/mod.ts";
import type { RouteGroup, ServerSocket, SocketEvents, SocketRequest } from "../http/mod.ts";
import type { DoorParts, SpokenLanguages } from "../sessions/mod.ts";
import { asyncApiDocument } from "./asyncapi.ts";
import { isRefusal, type VoiceOutcome } from "./codes.ts";
import { WAITING_BYTES } from "./audio_feed.ts";
import { loggedIds } from "./logged_ids.ts";
import { SessionRates } from "./rates.ts";
import { RecogniserGate } from "./recogniser_gate.ts";
import { voicePage, type VoicePageOptions } from "./page.ts";
import * as routes from "./routes.ts";
import { protocolOf, tokenOf } from "./token.ts";
import { type TranscriptLink, type VoiceReport, VoiceSession } from "./voice_session.ts";

export interface VoiceOptions {
  /** Absent: no voice sessions are configured. */
  verifier?: TokenVerifier;
  languages: Pick<SpokenLanguages, "languages" | "defaultId" | "find" | "findChosen">;
  /** For the page: whose transcripts are kept. */
  transcripts?: VoicePageOptions["transcripts"];
  /** Without audio until a session ends. */
  idleMs: number;
  /** Of one user. */
  sessionsAMinute: number;
  sessionsMax: number;
  /** The transcript kept of a session, if there is one. */
  transcriptOf?: (about: SessionAbout) => TranscriptLink | undefined;
  /** A user is refused for the time being, after so many ms; the session may have been opened. */
  onRefused?: (about: SessionAbout, durationMs: number) => void;
  /** Somebody may speak soon: wakes a recogniser that sleeps. */
  onWanted?: () => void;
  /** Of the service. */
  version: string;
}

export function voiceDoor(options: VoiceOptions & DoorParts): RouteGroup {
  const { verifier, sessionsMax, version, scope, meter } = options;
  const door = new VoiceDoor(options);
  scope.use(meter.gauge("tiro_voice_sessions", "Voice sessions being captioned", () => door.sessions));
  const document = asyncApiDocument(version);
  const page = voicePage({
    languages: () => options.languages.languages,
    transcripts: options.transcripts ?? "off",
  });
  const refuse = () => {
    throw new UnavailableError(
      "Cannot open voice sessions: none are configured; set VOICE_JWT_ISSUER or VOICE_JWT_SECRET",
      "disabled",
    );
  };
  return {
    ...routes.VOICE_API,
    reasons: () => [
      ...verifier && door.sessions >= sessionsMax ? ["voice_full"] : [],
      ...verifier?.trouble ? [verifier.trouble] : [],
    ],
    sockets: verifier && [{
      route: routes.transcribe,
      messageBytes: WAITING_BYTES,
      // Those besides are being verified, have not started, or are refused with a code.
      most: sessionsMax + LIMITS.httpSocketsSpare,
      protocol: protocolOf,
      open: (socket, request) => door.open(verifier, socket, request),
    }],
    drain: () => door.drain(),
    disable: () => door.disable(),
    addTo(app: OpenAPIHono) {
      if (!verifier) app.openapi(routes.transcribe, refuse);
      app.openapi(routes.page, verifier ? page : refuse);
      app.openapi(routes.health, (c) => {
        const health = door.health();
        return c.json(health, health.status === "available" ? 200 : 503);
      });
      app.openapi(routes.asyncApi, (c) => c.json(document, 200));
    },
  };
}

class VoiceDoor {
  readonly #options: VoiceOptions & DoorParts;
  readonly #rates: SessionRates;
  readonly #gate: RecogniserGate;
  /** Open sockets, by the ids of their sessions. */
  readonly #open = new Map<string, VoiceSession>();

  constructor(options: VoiceOptions & DoorParts) {
    this.#options = options;
    this.#rates = new SessionRates(options.sessionsAMinute);
    this.#gate = new RecogniserGate(() => options.sessions.host.recognisers ?? []);
  }

  /** Being captioned. */
  get sessions(): number {
    let live = 0;
    for (const { isLive } of this.#open.values()) live += Number(isLive);
    return live;
  }

  open(verifier: TokenVerifier, socket: ServerSocket, request: SocketRequest): SocketEvents {
    const id = randomId();
    const scope = this.#options.scope.child("voice");
    const session = new VoiceSession({
      ...this.#options,
      id,
      socket,
      verifier,
      token: tokenOf(request),
      rates: this.#rates,
      gate: this.#gate,
      scope,
      onEnded: (outcome, report) => {
        this.#open.delete(id);
        this.#report(id, outcome, report);
        const { signal } = this.#options.scope;
        if (!signal.aborted) this.#options.scope.run(() => scope[Symbol.asyncDispose]());
      },
    });
    this.#open.set(id, session);
    return session;
  }

  /** Those that are not captioned yet: `Sessions` drains the others. */
  drain(): void {
    for (const session of this.#open.values()) session.drain();
  }

  disable(): void {
    for (const session of this.#open.values()) session.disable();
  }

  health(): routes.VoiceHealth {
    const { sessions, sessionsMax, clock } = this.#options;
    const reason = this.sessions >= sessionsMax ? "full" : this.#refusal(clock.now());
    return {
      status: reason === undefined ? "available" : "unavailable",
      ...(reason !== undefined && { reason }),
      sessions: this.sessions,
      sessionsMax,
      recognisers: (sessions.host.recognisers ?? []).map(({ name, state, speakers }) => ({
        name,
        state,
        speakers,
      })),
    };
  }

  #refusal(nowMs: number): string | undefined {
    const { sessions, requireWork, verifier } = this.#options;
    try {
      requireWork();
      this.#gate.check(nowMs, false);
    } catch (error) {
      return codeOf(error, "failed");
    }
    return sessions.refusal?.code ?? verifier?.refusal;
  }

  #report(session: string, outcome: VoiceOutcome, { identity, format, ...report }: VoiceReport): void {
    const { log, meter, onRefused } = this.#options;
    meter.count("tiro_voice_closed_total", outcome);
    if (identity && format === undefined && isRefusal(outcome)) {
      const { userId, tenantId } = identity;
      onRefused?.({ door: "voice", name: session, userId, tenantId }, report.durationMs);
    }
    log.info(format === undefined ? "voice session refused" : "voice session ended", {
      session,
      outcome,
      ...loggedIds(identity),
      format,
      ...report,
    });
  }
}

/** 128 bits: who knows it cannot do anything with it. */
function randomId(): string {
  return crypto.getRandomValues(new Uint8Array(16)).toBase64({ alphabet: "base64url", omitPadding: true });
}

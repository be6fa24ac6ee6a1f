/** The handlers of the routes of transcripts. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Principal, TranscriptRecord, ViewerKeyIssuer } from "../../domain/mod.ts";
import { HttpError, type RouteGroup } from "../../http/mod.ts";
import { isFrontEnd, listed, mayChange, mayRead, notFound } from "../access.ts";
import { accepted, EVENT_STREAM, type Extension, EXTENSIONS, FORMATS, shownRecord } from "../formats/mod.ts";
import type { From } from "../reading.ts";
import type { Readers } from "../streams.ts";
import type { Transcripts } from "../transcripts.ts";
import * as routes from "./routes.ts";

export interface TranscriptServices {
  /** Absent: transcripts are off. */
  kept?: KeptServices;
  /** Throws UnavailableError while the service takes nothing new: it shuts down, or is disabled. */
  requireWork: () => void;
}

export interface KeptServices {
  transcripts: Transcripts;
  readers: Readers;
  /** For links. */
  keys: ViewerKeyIssuer;
}

const LINK_HOURS = 24;
const MINUTES = 5;

export function transcriptRoutes({ kept, requireWork }: TranscriptServices): RouteGroup {
  const on = (action: string): KeptServices => {
    if (kept) return kept;
    throw refused(`Cannot ${action}: they are off, set TRANSCRIPTS`);
  };
  const readable = async (principal: Principal | undefined, id: string): Promise<TranscriptRecord> => {
    const record = await on("read transcripts").transcripts.find(id);
    if (!record || !mayRead(principal, record)) throw notFound("read the transcript");
    return record;
  };
  const changeable = async (principal: Principal | undefined, id: string): Promise<Transcripts> => {
    const { transcripts } = on("change transcripts");
    const record = await transcripts.find(id);
    if (!record || !mayChange(principal, record)) throw notFound("change the transcript");
    return transcripts;
  };
  /** Until the credentials expire. */
  const live = (principal: Principal | undefined, record: TranscriptRecord, from: From) =>
    on("read transcripts").readers.live(record, from, principal?.expiresAtMs);
  return {
    ...routes.TRANSCRIPTS_API,
    addTo(app: OpenAPIHono) {
      app.openapi(routes.list, async (c) => {
        const { transcripts } = on("list transcripts");
        const { roomToken, limit } = c.req.valid("query");
        const principal = c.get("principal");
        const filter = listed(principal);
        if (!filter) throw refused("Cannot list transcripts: not allowed for this client");
        const found = await transcripts.list({ ...filter, name: roomToken, limit });
        const shown = found.filter((record) => mayRead(principal, record)).map((record) => ({
          ...shownRecord(record),
          ...(record.door === "talk" && { roomToken: record.name }),
          isLive: transcripts.live(record.id) !== undefined,
        }));
        return c.json({ transcripts: shown }, 200);
      });
      app.openapi(routes.request, (c) => {
        const { transcripts } = on("keep transcripts");
        requireWork();
        if (!isFrontEnd(c.get("principal"))) {
          throw refused("Cannot keep a transcript of a call: not allowed for this client");
        }
        return c.json({ id: transcripts.request(c.req.valid("json").roomToken) }, 200);
      });
      app.openapi(routes.read, async (c) => {
        const [id, named] = c.req.valid("param").id.split(".");
        const principal = c.get("principal");
        const record = await readable(principal, id);
        const isHead = c.req.method === "HEAD";
        const format = EXTENSIONS.find((extension) => extension === named) ??
          accepted(c.req.header("accept"));
        if (format === "events") {
          const from = resumedFrom(c.req.header("last-event-id")) ?? { minutes: MINUTES };
          return c.body(isHead ? "" : live(principal, record, from), 200, EVENT_HEADERS);
        }
        const headers = fileHeaders(record, format, named !== undefined);
        if (isHead) return c.body(null, 200, headers);
        return c.body(await on("read transcripts").readers.file(record, FORMATS[format]), 200, headers);
      });
      app.openapi(routes.events, async (c) => {
        const principal = c.get("principal");
        const record = await readable(principal, c.req.valid("param").id);
        const { from: index, minutes = MINUTES } = c.req.valid("query");
        const from = resumedFrom(c.req.header("last-event-id")) ??
          (index === undefined ? { minutes } : { index });
        const isHead = c.req.method === "HEAD";
        return c.body(isHead ? "" : live(principal, record, from), 200, EVENT_HEADERS);
      });
      app.openapi(routes.stop, async (c) => {
        const { id } = c.req.valid("param");
        (await changeable(c.get("principal"), id)).stop(id);
        return c.json({ message: "Transcript ended" }, 200);
      });
      app.openapi(routes.remove, async (c) => {
        const { id } = c.req.valid("param");
        const transcripts = await changeable(c.get("principal"), id);
        if (!await transcripts.delete(id)) throw notFound("delete the transcript");
        return c.json({ message: "Transcript deleted" }, 200);
      });
      app.openapi(routes.link, async (c) => {
        const { id } = c.req.valid("param");
        const { keys } = on("issue links to transcripts");
        await changeable(c.get("principal"), id);
        const { hours = LINK_HOURS } = c.req.valid("json");
        const { key, expiresAtMs } = await keys.issue(id, hours * 3_600_000);
        return c.json({ url: `captions/${id}#key=${key}`, expiresAtMs }, 200);
      });
    },
  };
}

/** Nobody else keeps it, and no proxy buffers it (nginx). */
const EVENT_HEADERS = {
  "content-type": EVENT_STREAM,
  "cache-control": "no-store",
  "x-accel-buffering": "no",
};

function fileHeaders({ startedAtMs }: TranscriptRecord, extension: Extension, isNamed: boolean) {
  const date = new Date(startedAtMs).toISOString().slice(0, 10);
  return {
    "content-type": `${FORMATS[extension].mediaType}; charset=utf-8`,
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    vary: "accept",
    ...(isNamed && { "content-disposition": `attachment; filename="transcript-${date}.${extension}"` }),
  };
}

/** An id that is none of ours is ignored. */
function resumedFrom(lastEventId: string | undefined): From | undefined {
  return lastEventId !== undefined && /^\d{1,15}$/.test(lastEventId)
    ? { index: Number(lastEventId) + 1 }
    : undefined;
}

function refused(message: string): HttpError {
  return new HttpError({ status: 403, message });
}

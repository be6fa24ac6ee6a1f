/** The viewer's page of one transcript. It has no words in it: they come from the live events, which take the viewer's key. */
import { createRoute, z } from "@hono/zod-openapi";
import { composePage, open, PAGE_STYLE, type RouteGroup, type RouteList, servePage } from "../http/mod.ts";
import style from "./page/captions.css" with { type: "text" };
import html from "./page/captions.html" with { type: "text" };
import main from "./page/captions.js" with { type: "text" };
import eventStream from "./page/event_stream.js" with { type: "text" };
import lines from "./page/lines.js" with { type: "text" };
import liveEvents from "./page/live_events.js" with { type: "text" };
import settings from "./page/settings.js" with { type: "text" };

const option = (description: string) => z.string().optional().openapi({ description });

const captionsPageRoute = createRoute({
  method: "get",
  path: "/captions/{id}",
  tags: ["Pages"],
  summary: "The captions of one transcript as a page for viewers",
  description:
    "The link has the viewer's key in its fragment, `#key=`, which browsers send to nobody. What the query sets overrides the viewer's settings",
  ...open,
  request: {
    params: z.object({ id: z.string().openapi({ description: "Of the transcript" }) }),
    query: z.object({
      overlay: option("Present: transparent, with the last lines alone, for a browser source of OBS"),
      lines: option("Of an overlay; default 2"),
      clear: option("Seconds after which an overlay removes its lines; default 10, 0: never"),
      size: option("Of the text, CSS pixels; default 32"),
      colours: option("`system`, `light`, `dark`, `yellow`, `cream` or `blue`"),
      font: option("`standard`, `legible`, `dyslexia` or `serif`"),
      spacing: option("Of lines: `narrow`, `normal` or `wide`"),
      names: option("`off`: without names of speakers"),
      partials: option("`off`: complete sentences alone"),
    }),
  },
  responses: {
    200: {
      content: { "text/html": { schema: z.string() } },
      description: "The page: the same for every id, whether there is such a transcript or not",
    },
  },
});

export const CAPTIONS_PAGE: RouteList = {
  tags: [{ name: "Pages", description: "For viewers, in a browser" }],
  routes: [captionsPageRoute],
};

export function captionsPage(): RouteGroup {
  const scripts = [eventStream, settings, lines, liveEvents, main];
  const page = composePage({ html, style: PAGE_STYLE + style, scripts });
  return {
    ...CAPTIONS_PAGE,
    addTo(app) {
      app.openapi(captionsPageRoute, servePage(page));
    },
  };
}

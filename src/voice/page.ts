/** The page of the voice door: microphone to captions in a browser. */
import type { Context } from "hono";
import type { Language } from "../domain/mod.ts";
import { composePage, type Page, PAGE_STYLE, servePage } from "../http/mod.ts";
import choices from "./page/choices.js" with { type: "text" };
import formats from "./page/formats.js" with { type: "text" };
import levelMeter from "./page/level_meter.js" with { type: "text" };
import microphone from "./page/microphone.js" with { type: "text" };
import worklet from "./page/pcm_worklet.js" with { type: "text" };
import problems from "./page/problems.js" with { type: "text" };
import style from "./page/voice.css" with { type: "text" };
import html from "./page/voice.html" with { type: "text" };
import link from "./page/transcript_link.js" with { type: "text" };
import main from "./page/voice.js" with { type: "text" };
import lines from "./page/voice_lines.js" with { type: "text" };
import session from "./page/voice_session.js" with { type: "text" };

export interface VoicePageOptions {
  /** As far as they are known. */
  languages: () => readonly Pick<Language, "id" | "name">[];
  /** Whether transcripts are kept: of no session, of those whose client asks for it, of all. */
  transcripts: "off" | "request" | "on";
}

/** The handler of its route. */
export function voicePage({ languages, transcripts }: VoicePageOptions): (c: Context) => Response {
  let page: Page | undefined;
  let shown = "";
  return (c) => {
    // The recogniser may list its languages later.
    const options = languages().map(optionOf).join("\n");
    if (page === undefined || options !== shown) {
      page = compose(html.replace("{languages}", () => options).replace("{transcripts}", transcripts));
      shown = options;
    }
    return servePage(page)(c);
  };
}

function compose(html: string): Page {
  const scripts = [problems, formats, microphone, session, lines, levelMeter, link, choices, main];
  return composePage({ html, style: PAGE_STYLE + style, scripts, worklet, microphone: true });
}

/** A name is in its own language. Names and ids are a recogniser's: text, not markup. */
function optionOf({ id, name }: Pick<Language, "id" | "name">): string {
  const [value, lang] = [escaped(id), escaped(id.replaceAll("_", "-"))];
  return `<option value="${value}" lang="${lang}">${escaped(name)}</option>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"{}]/g, (character) => `&#${character.charCodeAt(0)};`);
}

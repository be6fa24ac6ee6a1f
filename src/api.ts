/** The REST API, composed of the routes of the doors and of the ExApp. */
import page from "./api_docs.html" with { type: "text" };
import {
  type Log,
  type Records,
  type SpeakerHost,
  type Translations,
  UnavailableError,
} from "./domain/mod.ts";
import type { ApiDescription, HttpAppOptions, RouteGroup } from "./http/mod.ts";
import { authenticator, type Credentials, SECURITY_SCHEMES, takesBearer } from "./identity/mod.ts";
import { EX_APP_API, type ExApp, exAppRoutes } from "./nextcloud/mod.ts";
import type { SessionsStatus } from "./sessions/mod.ts";
import { SPEAKER_REASONS } from "./speakers/mod.ts";
import { RECORD_REASONS } from "./store/mod.ts";
import type { StartedStt } from "./stt/mod.ts";
import { TALK_API } from "./talk/mod.ts";
import { CAPTIONS_PAGE, TRANSCRIPTS_API } from "./transcripts/mod.ts";
import { TRANSLATION_REASONS } from "./translation/mod.ts";
import { VOICE_API } from "./voice/mod.ts";

/** The same whatever the configuration. */
export const API: ApiDescription = {
  description:
    "Live captions, for Nextcloud Talk and for apps with their own microphone. Requests do not wait for slow work, which continues in the background.",
  lists: [TALK_API, VOICE_API, TRANSCRIPTS_API, CAPTIONS_PAGE, EX_APP_API],
  meanings: { ...SPEAKER_REASONS, ...TRANSLATION_REASONS, ...RECORD_REASONS },
  security: SECURITY_SCHEMES,
  page,
};

export interface ApiServices {
  doors: readonly RouteGroup[];
  /** Other processes of the service. */
  memory?: readonly { readonly residentBytes: number }[];
  /** Runs the speakers' pipelines. */
  host?: Pick<SpeakerHost, "recognisers">;
  /** Of this machine, where it has one. */
  recogniser?: Pick<StartedStt, "talkers">;
  sessions: { status(): SessionsStatus };
  /** Absent: captions are not translated. */
  translations?: Pick<Translations, "trouble">;
  /** Absent: nothing is kept. */
  records?: Pick<Records, "trouble">;
  /** Absent: the service is no ExApp, and always enabled. */
  exApp?: ExApp;
  credentials: Credentials;
  /** Of the ExApp or of the service. */
  version: string;
  meter: HttpAppOptions["meter"];
  log: Log;
  /** False while the service shuts down. */
  acceptingWork: () => boolean;
}

export function apiOf(services: ApiServices): HttpAppOptions {
  const { doors, sessions, translations, records, exApp, credentials, ...others } = services;
  const { memory = [], host, recogniser, version, meter, log, acceptingWork } = others;
  return {
    api: API,
    groups: [...doors, exAppRoutes({ exApp, meter, log })],
    status() {
      const { sessions: count, speakers, refusal, troubles } = sessions.status();
      const reasons = [
        ...doors.flatMap((door) => door.reasons?.() ?? []),
        ...refusal ? [refusal] : [],
        ...Object.keys(troubles),
        ...translations?.trouble ? [translations.trouble] : [],
        ...records?.trouble ? [records.trouble] : [],
      ];
      const otherBytes = memory.reduce((sum, { residentBytes }) => sum + residentBytes, 0);
      const recognisers = host?.recognisers ?? [];
      return { sessions: count, speakers, otherBytes, reasons, recognisers, talkers: recogniser?.talkers };
    },
    authenticate: authenticator(credentials),
    takesToken: takesBearer(credentials),
    ...{ version, meter, log, acceptingWork },
  };
}

/** For doors: throws UnavailableError while the service accepts no new work. */
export function workRequirement({ exApp, acceptingWork }: Pick<ApiServices, "exApp" | "acceptingWork">) {
  return () => {
    if (!acceptingWork()) throw new UnavailableError("Cannot accept the request: shutting down", "draining");
    if (exApp?.isEnabled === false) {
      throw new UnavailableError("Cannot accept the request: the app is disabled in Nextcloud", "disabled");
    }
  };
}

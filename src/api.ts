/** The REST API of this service: what its doors and its host bring, put together. */
import { type ExApp, type Log, type Translations, UnavailableError } from "./domain/mod.ts";
import { type ApiDescription, type HttpAppOptions } from "./http/mod.ts";
import { authenticator, type Credentials, SECURITY_SCHEMES } from "./identity/mod.ts";
import { EX_APP_API, exAppRoutes } from "./nextcloud/mod.ts";
import { SPEAKER_REASONS } from "./speakers/mod.ts";
import { type Rooms, statusOf, TALK_API, TALK_REASONS, talkRoutes } from "./talk/mod.ts";
import { TRANSLATION_REASONS } from "./translation/mod.ts";

/** The same whatever the configuration. */
export const API: ApiDescription = {
  description:
    "Live captions for Nextcloud Talk. Every answer comes at once; what takes time goes on behind it.",
  lists: [TALK_API, EX_APP_API],
  meanings: { ...TALK_REASONS, ...SPEAKER_REASONS, ...TRANSLATION_REASONS },
  security: SECURITY_SCHEMES,
};

export interface ApiServices {
  rooms: Rooms;
  /** Absent: captions are not translated. */
  translations?: Translations;
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

/** What `createHttpApp` is made from. */
export function apiOf(services: ApiServices): HttpAppOptions {
  const { rooms, translations, exApp, credentials, version, meter, log, acceptingWork } = services;
  const requireWork = () => {
    if (!acceptingWork()) throw new UnavailableError("Cannot take a call: shutting down", "draining");
    if (exApp?.isEnabled === false) {
      throw new UnavailableError("Cannot take a call: the app is disabled in Nextcloud", "disabled");
    }
  };
  return {
    api: API,
    groups: [talkRoutes({ rooms, translations, version, requireWork }), exAppRoutes({ exApp, meter, log })],
    status: () => {
      const { reasons, ...counts } = statusOf(rooms.status());
      return { ...counts, reasons: [...reasons, ...translations?.trouble ? [translations.trouble] : []] };
    },
    authenticate: authenticator(credentials),
    takesToken: credentials.token !== undefined,
    ...{ version, meter, log, acceptingWork },
  };
}

/**
 * Every environment variable of the service: the one source for the README's configuration table, `--help` and the
 * defaults. `load.ts` has their schemas.
 */
import { LIMITS, type ProviderVariable, type Variable } from "../domain/mod.ts";
import { STT_PROVIDERS } from "../stt/mod.ts";
import { TRANSLATION_PROVIDERS } from "../translation/mod.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** TRANSLATION_PROVIDER without a provider. */
export const NO_TRANSLATION = "none";

const named = (names: readonly string[]) => names.map((name) => `\`${name}\``);
const [standardStt] = STT_PROVIDERS;
const AS_EXAPP = "with APP_SECRET";
/** Without the variables of Talk and with those of the voice door, the service has that door only. */
export const FOR_TALK = "for Talk";
export const TALK_VARIABLES = ["LT_HPB_URL", "LT_INTERNAL_SECRET", "NEXTCLOUD_URL"] as const;

/** Those of no provider. */
const OWN_VARIABLES = [
  {
    name: "LT_HPB_URL",
    required: FOR_TALK,
    meaning: "Address of Talk's High-Performance Backend; `/spreed` is appended where it is missing",
    example: "https://signaling.example.org",
  },
  {
    name: "LT_INTERNAL_SECRET",
    required: FOR_TALK,
    secret: true,
    meaning: "The `internalsecret` of the `[clients]` section in the HPB's configuration",
    example: "the value of internalsecret in the HPB's server.conf",
  },
  {
    name: "NEXTCLOUD_URL",
    required: FOR_TALK,
    meaning: "Address of Nextcloud, the same as in the HPB's configuration",
    example: "https://cloud.example.org",
  },
  {
    name: "STT_PROVIDER",
    default: standardStt.name,
    meaning: `Speech-to-text provider: ${
      named(STT_PROVIDERS.map(({ name }) => name)).join(", ")
    }; or several, with commas between: a later one serves while those before it fail. Unset: ${
      STT_PROVIDERS.flatMap(({ name, chosenBy = [] }) =>
        chosenBy.length === 0 ? [] : [`\`${name}\` where ${named(chosenBy).join(" or ")} is set`]
      ).join(", ")
    }, else \`${standardStt.name}\``,
    example: standardStt.name,
  },
  {
    name: "STT_CHUNK_MS",
    default: "200",
    meaning: "Length of the audio chunks sent to the recogniser, 80 to 200 ms",
    example: "80",
  },
  {
    name: "STT_WORDS_FILE",
    meaning:
      "File with names and terms that are likely to be spoken, a word or phrase a line, for recognisers that take them; `#` starts a comment line; UTF-8, in `/etc/tiro`, `/run/secrets` or `/var/lib/tiro`; read at start",
    example: "/etc/tiro/words.txt",
  },
  {
    name: "LT_DEFAULT_LANGUAGE",
    meaning:
      "Spoken language of calls that set none; unset: English, or the recogniser's first language where it has no English",
    example: "fr",
  },
  {
    name: "CAPTION_PARTIALS",
    default: "on",
    meaning: "`on` shows partial captions while somebody speaks, `off` finished ones only",
    example: "off",
  },
  {
    name: "TRANSLATION_PROVIDER",
    default: NO_TRANSLATION,
    meaning: `Translation provider: ${
      named([NO_TRANSLATION, ...TRANSLATION_PROVIDERS.map(({ name }) => name)]).join(", ")
    }`,
    example: TRANSLATION_PROVIDERS[0].name,
  },
  {
    name: "VOICE_JWT_ISSUER",
    meaning:
      "Address of the OpenID issuer whose tokens open voice sessions, such as a realm of Keycloak; unset, and without `VOICE_JWT_SECRET`: no voice sessions, except where the API needs no credentials either",
    example: "https://login.example.org/realms/school",
  },
  {
    name: "VOICE_JWT_AUDIENCE",
    default: "tiro",
    meaning: "The `aud` (or `azp`) that tokens must have",
    example: "captions",
  },
  {
    name: "VOICE_JWT_SECRET",
    secret: true,
    meaning:
      "Secret of tokens signed with HS256, as `tiro token` makes them, for sites without an issuer; 32 characters or more",
    example: "the output of: openssl rand -hex 32",
  },
  {
    name: "VOICE_SESSION_TIMEOUT",
    default: String(LIMITS.voiceIdleMs / 1_000),
    meaning: "Seconds without audio until a voice session is closed; silence is audio",
    example: "60",
  },
  {
    name: "VOICE_RATE_LIMIT",
    default: String(LIMITS.voiceSessionsAMinute),
    meaning: "Voice sessions that one user may begin in a minute",
    example: "30",
  },
  {
    name: "VOICE_MAX_SESSIONS",
    default: String(LIMITS.voiceSessions),
    meaning: "Voice sessions at once",
    example: "50",
  },
  {
    name: "TRANSCRIPTS",
    default: "off",
    meaning:
      "Whether what was said is kept: `off`, `request` (where the people of a call or voice session ask for it), or `on`",
    example: "request",
  },
  {
    name: "TRANSCRIPT_DAYS",
    default: "30",
    meaning: "Days until a transcript is deleted",
    example: "7",
  },
  {
    name: "AUDIT",
    default: "off",
    meaning: "`on` records who was captioned, when and for how long, never the words; `tiro audit` shows it",
    example: "on",
  },
  {
    name: "AUDIT_DAYS",
    default: "365",
    meaning: "Days until a line of the audit log is deleted",
    example: "90",
  },
  {
    name: "DATABASE_URL",
    secret: true,
    meaning:
      "PostgreSQL database for transcripts and the audit log; unset: the SQLite file `tiro.db` in `TIRO_DATA_DIR`",
    example: "postgres://tiro:password@db.example.org/tiro",
  },
  {
    name: "HOST",
    default: "127.0.0.1",
    meaning: "Address to listen on; any non-loopback address needs `LT_API_TOKEN` or `APP_SECRET`",
    example: "127.0.0.1",
  },
  { name: "PORT", default: "8080", meaning: "Port to listen on", example: "8080" },
  {
    name: "LT_API_TOKEN",
    secret: true,
    meaning:
      "Token that clients of the API send: `Authorization: Bearer <token>`; 16 characters or more, 6 of them different",
    example: "the output of: openssl rand -hex 32",
  },
  {
    name: "LT_API_OPEN",
    default: "false",
    meaning: "`true` serves all clients that can reach `HOST`, without credentials; for trials only",
    example: "true",
  },
  {
    name: "APP_SECRET",
    required: "with HP_SHARED_KEY or TRANSLATION_PROVIDER=nextcloud",
    secret: true,
    meaning: "Makes the service an ExApp: AppAPI's secret, for requests in both directions",
    example: "the secret AppAPI gave the app",
  },
  {
    name: "APP_ID",
    default: "live_transcription",
    meaning: "Id of the ExApp; Talk looks for the default",
    example: "live_transcription",
  },
  {
    name: "APP_VERSION",
    required: AS_EXAPP,
    meaning: "Version the ExApp is registered with",
    example: "0.1.0",
  },
  {
    name: "AA_VERSION",
    default: "2.2.0",
    meaning: "Minimum version of AppAPI, sent with every request to Nextcloud",
    example: "32.0.0",
  },
  {
    name: "APP_HOST",
    meaning: "With `APP_SECRET`: address to listen on, instead of `HOST`",
    example: "0.0.0.0",
  },
  {
    name: "APP_PORT",
    meaning: "With `APP_SECRET`: port to listen on, instead of `PORT`",
    example: "23000",
  },
  {
    name: "APP_PERSISTENT_STORAGE",
    required: AS_EXAPP,
    meaning: "Folder where the ExApp stores whether it is enabled",
    example: "/nc_app_live_transcription_data",
  },
  {
    name: "HP_SHARED_KEY",
    secret: true,
    meaning: "Set by HaRP: listen on the Unix socket `HP_EXAPP_SOCK` and on no address",
    example: "the key HaRP was started with",
  },
  {
    name: "HP_EXAPP_SOCK",
    default: "/tmp/exapp.sock",
    meaning: "With `HP_SHARED_KEY`: path of the Unix socket",
    example: "/tmp/exapp.sock",
  },
  {
    name: "HP_FRP_ADDRESS",
    meaning: "Set by HaRP for `frpc`, which has to run beside Tiro; Tiro only checks whether it is set",
    example: "appapi-harp:8782",
  },
  {
    name: "LOG_LEVEL",
    default: "info",
    meaning: `Minimum level of log lines: ${named(LOG_LEVELS).join(", ")}`,
    example: "debug",
  },
  {
    name: "LT_CA_CERTS",
    meaning: "PEM file of certificates to trust in addition to the public ones",
    example: "/etc/ssl/certs/my-ca.pem",
  },
  {
    name: "SKIP_CERT_VERIFY",
    default: "false",
    meaning: "`true` accepts any certificate from the HPB and Nextcloud; for trials only",
    example: "true",
  },
  {
    name: "HTTPS_PROXY",
    lowerCase: true,
    meaning:
      "HTTP proxy for connections to `https:` and `wss:` addresses, `http://[user:password@]host:port`; not for media (UDP)",
    example: "http://proxy.example.org:3128",
  },
  {
    name: "HTTP_PROXY",
    lowerCase: true,
    meaning: "The same for `http:` and `ws:` addresses",
    example: "http://proxy.example.org:3128",
  },
  {
    name: "ALL_PROXY",
    lowerCase: true,
    meaning: "The same for both, where the specific one is not set",
    example: "http://proxy.example.org:3128",
  },
  {
    name: "NO_PROXY",
    lowerCase: true,
    meaning:
      "Peers to connect to directly, separated by commas: host names with their subdomains, addresses, networks; always includes this machine",
    example: "hpb,.example.org,10.0.0.0/8",
  },
  {
    name: "MEDIA_WORKERS",
    meaning:
      "Processes that receive speakers' audio, at most 350 speakers each; `0` for the one that serves the API; unset: one for each core, and no more than `MAX_SPEAKERS` needs",
    example: "2",
  },
  {
    name: "MEDIA_ADDRESS",
    meaning:
      "Addresses of this machine to receive media at, separated by commas; `0.0.0.0` is all of IPv4, `::` all of IPv6; unset: both, where there are any",
    example: "192.0.2.7,2001:db8::7",
  },
  {
    name: "MEDIA_PORTS",
    meaning: "UDP ports to receive media at, one for each speaker and 20 more; unset: any",
    example: "20000-21019",
  },
  {
    name: "MEDIA_UDP",
    default: "libc",
    meaning:
      "How media sockets are read: `libc`, many datagrams per call, or `deno`, on systems other than Linux or where `libc` fails; it needs more processor time",
    example: "deno",
  },
  {
    name: "MEDIA_OPUS",
    default: "built-in",
    meaning:
      "What decodes Opus: `built-in`, or the npm package `libopus-wasm`, for when the built-in decoder fails; it needs about twice the processor time per packet",
    example: "libopus-wasm",
  },
  {
    name: "MAX_ROOMS",
    default: String(LIMITS.sessions),
    meaning: "Calls captioned at once; each holds a connection to the HPB",
    example: "50",
  },
  {
    name: "MAX_SPEAKERS",
    default: String(LIMITS.speakers),
    meaning:
      "Speakers at once in all calls, and at most 350 for each media worker: 700 on two cores; later ones wait",
    example: "200",
  },
  {
    name: "MAX_SPEAKERS_PER_ROOM",
    default: String(LIMITS.speakersPerSession),
    meaning: "Speakers captioned in one call",
    example: "100",
  },
  {
    name: "EMPTY_ROOM_SECONDS",
    default: String(LIMITS.emptySessionMs / 1_000),
    meaning: "Seconds until Tiro leaves a call without participants who want captions",
    example: "300",
  },
] as const satisfies readonly Variable[];

export type OwnVariableName = (typeof OWN_VARIABLES)[number]["name"];

/** Without duplicates: providers may share one. */
export const PROVIDER_VARIABLES = {
  STT_PROVIDER: distinct(STT_PROVIDERS.flatMap(({ variables }) => variables)),
  TRANSLATION_PROVIDER: distinct(TRANSLATION_PROVIDERS.flatMap(({ variables }) => variables)),
};

/** All; providers' variables follow the one that names the provider. */
export const VARIABLES: readonly Variable[] = OWN_VARIABLES.flatMap((variable): Variable[] =>
  variable.name === "STT_PROVIDER" || variable.name === "TRANSLATION_PROVIDER"
    ? [variable, ...PROVIDER_VARIABLES[variable.name]]
    : [variable]
);

/** Whether a variable is a provider's, which applies its default itself. */
export function isProviders(name: string): boolean {
  return Object.values(PROVIDER_VARIABLES).some((variables) => variables.some((each) => each.name === name));
}

function distinct(variables: readonly ProviderVariable[]): ProviderVariable[] {
  return [...new Map(variables.map((variable) => [variable.name, variable])).values()];
}

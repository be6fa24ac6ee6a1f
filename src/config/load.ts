/**
 * Parses the environment into one frozen Config, or throws one ConfigError with every fault. Values are never part of a
 * fault. `app.ts` passes each module the options it needs.
 */
import { z } from "zod";
import { ConfigError, type ConfigFault, findProvider, LIMITS, type Provider } from "../domain/mod.ts";
import { STT_PROVIDERS } from "../stt/mod.ts";
import { TRANSLATION_PROVIDERS } from "../translation/mod.ts";
import * as fields from "./fields.ts";
import { checkVariables, chooseProvider } from "./providers.ts";
import type { Secret } from "./secret.ts";
import {
  isProviders,
  LOG_LEVELS,
  NO_TRANSLATION,
  type OwnVariableName,
  PROVIDER_VARIABLES,
  TALK_VARIABLES,
  VARIABLES,
} from "./variables.ts";

export type Config = ReturnType<typeof loadConfig>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment with its defaults. */
type Given = Partial<Record<string, string>>;

/** Parts of the machine that the configuration depends on. */
export interface Machine {
  /** Reads the file that LT_CA_CERTS or STT_WORDS_FILE names; throws. */
  read(path: string): string;
  /** Throws unless the folder APP_PERSISTENT_STORAGE names exists and is writable. */
  probe(path: string): void;
  /** Whether Deno's permissions allow a Unix socket at this path. */
  permits(path: string): boolean;
  /** Addresses of its network interfaces. */
  addresses(): readonly string[];
}

/** Throws ConfigError with every fault. */
export function loadConfig(env: Environment, machine: Partial<Machine> = {}) {
  const given = withDefaults(env);
  const { values, stt, translation } = parse(given, { ...MACHINE, ...machine });
  return deepFreeze({
    /** Absent: no calls of Nextcloud Talk are captioned. */
    talk: talkOf(values),
    voice: {
      /** Absent: no issuer's tokens open voice sessions. */
      issuer: values.VOICE_JWT_ISSUER,
      audience: values.VOICE_JWT_AUDIENCE,
      secret: values.VOICE_JWT_SECRET,
      idleMs: values.VOICE_SESSION_TIMEOUT * 1_000,
      sessionsAMinute: values.VOICE_RATE_LIMIT,
      sessions: values.VOICE_MAX_SESSIONS,
    },
    records: {
      transcripts: values.TRANSCRIPTS,
      transcriptDays: values.TRANSCRIPT_DAYS,
      audit: values.AUDIT,
      auditDays: values.AUDIT_DAYS,
      /** Of `tiro.db`, where there is no `databaseUrl`. */
      dataFolder: dataFolderIn(given),
      /** Of PostgreSQL. */
      databaseUrl: values.DATABASE_URL,
    },
    stt: {
      /** At least one; a later one serves while those before it fail. */
      providers: stt,
      chunkMs: values.STT_CHUNK_MS,
    },
    captions: {
      partials: values.CAPTION_PARTIALS,
      /** In any spelling; not checked against the recogniser's languages here. */
      defaultLanguage: values.LT_DEFAULT_LANGUAGE,
      /** Names and terms to expect. */
      words: values.STT_WORDS_FILE ?? [],
    },
    /** Absent: captions are not translated. */
    translation,
    /** Where `unixSocket` is set, only that path is listened on. */
    http: listenAddress(values),
    /** HP_FRP_ADDRESS without HP_SHARED_KEY: `frpc` connects HaRP's tunnel, but the service does not listen for it. */
    tunnel: { isNamedOnly: values.HP_FRP_ADDRESS !== undefined && values.HP_SHARED_KEY === undefined },
    /** With neither a token nor an ExApp, the API needs no credentials. */
    auth: { token: values.LT_API_TOKEN },
    exApp: values.APP_SECRET && {
      id: values.APP_ID,
      secret: values.APP_SECRET,
      // Both are required with the secret.
      version: values.APP_VERSION!,
      storage: values.APP_PERSISTENT_STORAGE!,
      aaVersion: values.AA_VERSION,
    },
    media: {
      /** Processes that receive speakers' audio, 0 for the main one; undefined: one for each core. */
      workers: values.MEDIA_WORKERS,
      /** Of this machine, or `0.0.0.0` and `::` for all of a family; undefined: all. */
      addresses: values.MEDIA_ADDRESS,
      /** First and last UDP port; undefined: any. */
      ports: values.MEDIA_PORTS,
      udp: values.MEDIA_UDP,
      opus: values.MEDIA_OPUS,
    },
    log: { level: values.LOG_LEVEL },
    tls: {
      /** PEM, one certificate each. */
      caCerts: values.LT_CA_CERTS ?? [],
      skipVerify: values.SKIP_CERT_VERIFY,
    },
    proxies: {
      ...proxiesOf(values),
      /** Variables that name a kind of proxy which is not supported. */
      unusable: PROXIES.filter((name) => given[name] !== undefined && values[name] === undefined),
    },
    limits: {
      rooms: values.MAX_ROOMS,
      speakers: values.MAX_SPEAKERS,
      speakersPerRoom: values.MAX_SPEAKERS_PER_ROOM,
      emptyRoomMs: values.EMPTY_ROOM_SECONDS * 1_000,
    },
  });
}

/** Where the database is, for `tiro audit` and `tiro backup`. Throws ConfigError with every fault of these variables. */
export function databaseIn(env: Environment, machine: Partial<Machine> = {}) {
  const given = withDefaults(env);
  const outgoing = outgoingFields({ ...MACHINE, ...machine });
  const schema = z.object({ DATABASE_URL: fields.databaseUrl.optional(), ...outgoing });
  const { DATABASE_URL: databaseUrl, LT_CA_CERTS: caCerts = [] } = checked(schema, given);
  return deepFreeze({ dataFolder: dataFolderIn(given), databaseUrl, caCerts });
}

/** Shared with the offline recogniser, whose variable it is. AppAPI gives each ExApp a volume. */
function dataFolderIn({ TIRO_DATA_DIR, APP_SECRET, APP_PERSISTENT_STORAGE }: Given): string {
  const { default: standard = "" } = VARIABLES.find(({ name }) => name === "TIRO_DATA_DIR") ?? {};
  return TIRO_DATA_DIR ?? (APP_SECRET === undefined ? undefined : APP_PERSISTENT_STORAGE) ?? standard;
}

function talkOf(values: { LT_HPB_URL?: string; LT_INTERNAL_SECRET?: Secret; NEXTCLOUD_URL?: string }) {
  const { LT_HPB_URL: hpbUrl, LT_INTERNAL_SECRET: internalSecret, NEXTCLOUD_URL: nextcloudUrl } = values;
  // All are required where one is set.
  if (hpbUrl === undefined || internalSecret === undefined || nextcloudUrl === undefined) return undefined;
  return {
    /** `ws:` or `wss:`, ends in `/spreed`. */
    hpbUrl,
    internalSecret,
    /** `http:` or `https:`, without a slash or `/index.php` at its end. */
    nextcloudUrl,
  };
}

/** How `tiro token` signs. Throws ConfigError with every fault of these variables. */
export function tokenSigningIn(env: Environment): { secret: Secret; audience: string } {
  const schema = z.object({ VOICE_JWT_SECRET: fields.signingSecret, VOICE_JWT_AUDIENCE: fields.audience });
  const values = checked(schema, withDefaults(env));
  return { secret: values.VOICE_JWT_SECRET, audience: values.VOICE_JWT_AUDIENCE };
}

/** How other servers are reached, for `tiro models`. Throws ConfigError with every fault of these variables. */
export function outgoingIn(env: Environment, machine: Partial<Machine> = {}) {
  const given = withDefaults(env);
  const values = checked(z.object(outgoingFields({ ...MACHINE, ...machine })), given);
  return deepFreeze({ caCerts: values.LT_CA_CERTS ?? [], proxies: proxiesOf(values) });
}

/** A few variables, for commands that need no others. */
function checked<T>(schema: z.ZodType<T>, given: Given): T {
  const result = schema.safeParse(given);
  if (!result.success) throw new ConfigError(Object.freeze(faultsIn(result.error, given)));
  return result.data;
}

/** Where a service with this environment listens, unchecked; for `tiro healthcheck`. */
export function listenAddressIn(env: Environment): { host: string; port: string; unixSocket?: string } {
  const { HOST = "", PORT = "", ...given } = withDefaults(env);
  return listenAddress({ HOST, PORT, ...given });
}

/** The address AppAPI or HaRP sets, else HOST and PORT. */
function listenAddress<Port>(given: {
  HOST: string;
  PORT: Port;
  APP_SECRET?: unknown;
  APP_HOST?: string;
  APP_PORT?: Port;
  HP_SHARED_KEY?: unknown;
  HP_EXAPP_SOCK?: string;
}): { host: string; port: Port; unixSocket?: string } {
  const { APP_SECRET, APP_HOST, APP_PORT, HP_SHARED_KEY, HP_EXAPP_SOCK } = given;
  const { HOST: host, PORT: port } = given;
  return {
    ...(APP_SECRET ? { host: APP_HOST ?? host, port: APP_PORT ?? port } : { host, port }),
    ...(HP_SHARED_KEY ? { unixSocket: HP_EXAPP_SOCK } : {}),
  };
}

/** The faults as text for a terminal. */
export function formatConfigError(error: ConfigError): string {
  const count = error.faults.length === 1 ? "1 fault" : `${error.faults.length} faults`;
  const lines = error.faults.flatMap(({ variable, problem, example }) => [
    `  ${variable} ${problem}`,
    `      example: ${variable}=${example}`,
  ]);
  return [`Cannot start: ${count} in the environment`, "", ...lines, ""].join("\n");
}

/**
 * Unset and empty are the same: compose files pass `NAME=` for values that were not filled in. Providers apply their
 * own defaults, which may depend on other variables.
 */
function withDefaults(env: Environment): Given {
  const given: Given = {};
  for (const variable of VARIABLES) {
    const read = (name: string) => (variable.secret ? env[name] : env[name]?.trim()) || undefined;
    const value = read(variable.name) ?? (variable.lowerCase && read(variable.name.toLowerCase()));
    given[variable.name] = value ?? (isProviders(variable.name) ? undefined : variable.default);
  }
  const isNamed = (env.STT_PROVIDER ?? "").trim() !== "";
  const chosen = STT_PROVIDERS.find(({ chosenBy = [] }) =>
    chosenBy.some((name) => given[name] !== undefined)
  );
  if (!isNamed && chosen) given.STT_PROVIDER = chosen.name;
  return given;
}

const PROXIES = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] as const;

const MACHINE: Machine = {
  read: Deno.readTextFileSync,
  probe: (folder) => Deno.removeSync(Deno.makeTempFileSync({ dir: folder, prefix: ".tiro" })),
  permits: (path) =>
    (["read", "write"] as const).every((name) =>
      Deno.permissions.querySync({ name, path }).state === "granted"
    ),
  addresses: () => Deno.networkInterfaces().map(({ address }) => address),
};

/** No credentials are needed, and other machines can connect. */
function isOpenByAccident(given: Given): boolean {
  const { HOST = "", LT_API_TOKEN, LT_API_OPEN = "", APP_SECRET } = given;
  // An invalid switch is reported separately.
  const isClosed = SWITCH.safeParse(LT_API_OPEN).data === false;
  return !LT_API_TOKEN && !APP_SECRET && isClosed && !fields.isLoopback(HOST);
}

/** Most speakers at once; 1 where MAX_SPEAKERS is invalid, which is reported separately. */
function speakersMax({ MAX_SPEAKERS, MEDIA_WORKERS }: Given): number {
  const speakers = SPEAKERS.safeParse(MAX_SPEAKERS).data ?? 1;
  const workers = WORKERS.safeParse(MEDIA_WORKERS).data;
  // Without MEDIA_WORKERS their number depends on the machine.
  return workers === undefined
    ? speakers
    : Math.min(speakers, Math.max(workers, 1) * LIMITS.speakersPerWorker);
}

const SPEAKERS = fields.wholeNumber(1, 10_000);
const WORKERS = fields.wholeNumber(0, 64);
const SWITCH = fields.choice("true", "false");
const STT_NAMES = fields.providersOf(STT_PROVIDERS);

/** Throws ConfigError with every fault. */
function parse(given: Given, machine: Machine) {
  const { STT_PROVIDER = "", TRANSLATION_PROVIDER = "", HP_SHARED_KEY, APP_SECRET } = given;
  const sttNames = STT_NAMES.safeParse(STT_PROVIDER).data ?? [];
  const chosen: readonly (Pick<Provider<unknown, never>, "requires"> | undefined)[] = [
    ...sttNames.map((name) => findProvider(STT_PROVIDERS, name)),
    findProvider(TRANSLATION_PROVIDERS, TRANSLATION_PROVIDER),
  ];
  const needsSecret = HP_SHARED_KEY !== undefined ||
    chosen.some((provider) => provider?.requires?.includes("APP_SECRET"));
  const isExApp = APP_SECRET !== undefined || needsSecret;
  const isTalk = isExApp || TALK_VARIABLES.some((name) => given[name] !== undefined);
  const needsTalk = isTalk || (given.VOICE_JWT_ISSUER ?? given.VOICE_JWT_SECRET) === undefined;
  const schema = z.object(
    {
      LT_HPB_URL: requiredWhen(needsTalk, fields.hpbUrl, isTalk ? NOT_SET : NO_DOOR),
      LT_INTERNAL_SECRET: requiredWhen(needsTalk, fields.secret),
      NEXTCLOUD_URL: requiredWhen(needsTalk, fields.nextcloudUrl),
      STT_PROVIDER: STT_NAMES,
      STT_CHUNK_MS: fields.wholeNumber(80, 200),
      STT_WORDS_FILE: fields.words(machine.read).optional(),
      LT_DEFAULT_LANGUAGE: fields.language.optional(),
      CAPTION_PARTIALS: fields.choice("on", "off"),
      TRANSLATION_PROVIDER: fields.providerOf(TRANSLATION_PROVIDERS, NO_TRANSLATION),
      VOICE_JWT_ISSUER: fields.baseUrl.optional(),
      VOICE_JWT_AUDIENCE: fields.audience,
      VOICE_JWT_SECRET: fields.signingSecret.optional(),
      VOICE_SESSION_TIMEOUT: fields.wholeNumber(1, 3_600),
      VOICE_RATE_LIMIT: fields.wholeNumber(1, 10_000),
      VOICE_MAX_SESSIONS: fields.wholeNumber(1, 10_000),
      TRANSCRIPTS: fields.oneOf(["off", "request", "on"]),
      TRANSCRIPT_DAYS: fields.wholeNumber(1, 36_500),
      AUDIT: fields.choice("on", "off"),
      AUDIT_DAYS: fields.wholeNumber(1, 36_500),
      DATABASE_URL: fields.databaseUrl.optional(),
      HOST: fields.host,
      PORT: fields.wholeNumber(0, 65_535),
      LT_API_TOKEN: requiredWhen(
        isOpenByAccident(given),
        fields.apiToken,
        "is not set, and HOST is not a loopback address (LT_API_OPEN=true serves everyone)",
      ),
      LT_API_OPEN: SWITCH,
      APP_SECRET: requiredWhen(needsSecret, fields.appSecret),
      APP_ID: fields.appId,
      APP_VERSION: requiredWhen(isExApp, fields.version),
      AA_VERSION: fields.version,
      APP_HOST: fields.host.optional(),
      APP_PORT: fields.wholeNumber(0, 65_535).optional(),
      APP_PERSISTENT_STORAGE: requiredWhen(
        isExApp,
        isExApp ? fields.writableFolder(machine.probe) : z.string(),
      ),
      HP_SHARED_KEY: fields.secret.optional(),
      HP_EXAPP_SOCK: HP_SHARED_KEY === undefined
        ? fields.socketPath
        : fields.permittedSocket(machine.permits),
      HP_FRP_ADDRESS: z.string().optional(),
      LOG_LEVEL: fields.oneOf(LOG_LEVELS, { warning: "warn" }),
      ...outgoingFields(machine),
      SKIP_CERT_VERIFY: SWITCH,
      MEDIA_WORKERS: WORKERS.optional(),
      MEDIA_ADDRESS: fields.localAddresses(LIMITS.mediaAddresses, machine.addresses).optional(),
      MEDIA_PORTS: fields.portRange(
        speakersMax(given) + LIMITS.joinsAtOnce,
        `one for each of MAX_SPEAKERS (${LIMITS.speakersPerWorker} a media worker at most), and ${LIMITS.joinsAtOnce} for those who reconnect`,
      ).optional(),
      MEDIA_UDP: fields.oneOf(["libc", "deno"]),
      MEDIA_OPUS: fields.oneOf(["built-in", "libopus-wasm"]),
      MAX_ROOMS: fields.wholeNumber(1, 10_000),
      MAX_SPEAKERS: SPEAKERS,
      MAX_SPEAKERS_PER_ROOM: fields.wholeNumber(1, 10_000),
      EMPTY_ROOM_SECONDS: fields.wholeNumber(1, 86_400),
    } satisfies Record<OwnVariableName, z.ZodType>,
  );
  const result = schema.safeParse(given);
  const faults = faultsIn(result.error, given);
  const sttEnv = checkVariables(PROVIDER_VARIABLES.STT_PROVIDER, given, faults);
  const stt = sttNames.flatMap((name) => chooseProvider(STT_PROVIDERS, name, sttEnv, faults) ?? []);
  const translationEnv = checkVariables(PROVIDER_VARIABLES.TRANSLATION_PROVIDER, given, faults);
  const translation = chooseProvider(TRANSLATION_PROVIDERS, TRANSLATION_PROVIDER, translationEnv, faults);
  if (result.success && faults.length === 0) return { values: result.data, stt, translation };
  const first = VARIABLES.flatMap(({ name }) => faults.find(({ variable }) => variable === name) ?? []);
  throw new ConfigError(Object.freeze(first));
}

/** Certificates to trust and proxies. */
function outgoingFields({ read }: Pick<Machine, "read">) {
  return {
    LT_CA_CERTS: fields.certificates(read).optional(),
    HTTPS_PROXY: fields.proxyUrl.optional(),
    HTTP_PROXY: fields.proxyUrl.optional(),
    ALL_PROXY: fields.proxyUrl.optional(),
    NO_PROXY: z.string().transform((list) => list.split(/[\s,]+/).filter((entry) => entry !== ""))
      .optional(),
  };
}

interface ProxyValues {
  HTTP_PROXY?: Secret;
  HTTPS_PROXY?: Secret;
  ALL_PROXY?: Secret;
  NO_PROXY?: string[];
}

function proxiesOf({ HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY }: ProxyValues) {
  return {
    /** For `http:` and `ws:`, with credentials where it needs them. */
    http: HTTP_PROXY ?? ALL_PROXY,
    /** For `https:` and `wss:`. */
    https: HTTPS_PROXY ?? ALL_PROXY,
    except: NO_PROXY ?? [],
  };
}

function faultsIn(error: z.ZodError | undefined, given: Given): ConfigFault[] {
  return (error?.issues ?? []).map(({ path: [name], message }) => {
    const { example = "" } = VARIABLES.find((variable) => variable.name === name) ?? {};
    const isSet = given[String(name)] !== undefined;
    // Zod describes a missing value by its type.
    const problem = isSet || message.startsWith(NOT_SET) ? message : NOT_SET;
    return { variable: String(name), problem, example };
  });
}

const NOT_SET = "is not set";
const NO_DOOR = `${NOT_SET} (without Talk, for voice sessions alone: set VOICE_JWT_SECRET instead of these)`;

function requiredWhen<Field extends z.ZodType>(required: boolean, field: Field, problem = NOT_SET) {
  return field.optional().refine((value) => !required || value !== undefined, problem);
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === "object" && inner !== null && !Object.isFrozen(inner)) deepFreeze(inner);
  }
  return Object.freeze(value);
}

/**
 * The environment becomes one frozen Config, or one ConfigError with everything that is wrong with it. Values are
 * never part of a fault. Rooms do not import this: `app.ts` hands each what it needs.
 */
import { z } from "zod";
import { ConfigError, type ConfigFault } from "../domain/mod.ts";
import * as fields from "./fields.ts";
import type { Secret } from "./secret.ts";
import {
  LOG_LEVELS,
  type LogLevel,
  STT_PROVIDERS,
  type SttProvider,
  type Variable,
  type VariableName,
  VARIABLES,
} from "./variables.ts";

export interface Config {
  readonly talk: {
    /** ws: or wss:, ends in `/spreed`. */
    readonly hpbUrl: string;
    readonly internalSecret: Secret;
    /** http: or https:, no slash at its end. */
    readonly nextcloudUrl: string;
  };
  readonly stt: {
    readonly provider: SttProvider;
    /** ws: or wss:; when set it stands instead of the Modal workspace's address. */
    readonly streamUrl?: string;
    readonly modal: {
      readonly workspace?: string;
      /** Both or neither. */
      readonly key?: Secret;
      readonly secret?: Secret;
    };
    readonly chunkMs: number;
  };
  readonly captions: { readonly partials: boolean };
  readonly http: { readonly host: string; readonly port: number };
  readonly log: { readonly level: LogLevel };
  readonly tls: {
    /** PEM, one certificate each. */
    readonly caCerts: readonly string[];
    readonly skipVerify: boolean;
  };
  readonly limits: { readonly rooms: number; readonly speakersPerRoom: number; readonly emptyRoomMs: number };
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Throws ConfigError with every fault. Reads the file LT_CA_CERTS names, nothing else. */
export function loadConfig(
  env: Environment,
  readFile: (path: string) => string = Deno.readTextFileSync,
): Config {
  const { values, faults } = parse(withDefaults(env), readFile);
  if (!values) throw new ConfigError(Object.freeze(faults));
  return deepFreeze({
    talk: {
      hpbUrl: values.LT_HPB_URL,
      internalSecret: values.LT_INTERNAL_SECRET,
      nextcloudUrl: values.NEXTCLOUD_URL,
    },
    stt: {
      provider: values.STT_PROVIDER,
      streamUrl: values.STT_STREAM_URL,
      modal: { workspace: values.MODAL_WORKSPACE, key: values.MODAL_KEY, secret: values.MODAL_SECRET },
      chunkMs: values.STT_CHUNK_MS,
    },
    captions: { partials: values.CAPTION_PARTIALS },
    http: { host: values.HOST, port: values.PORT },
    log: { level: values.LOG_LEVEL },
    tls: { caCerts: values.LT_CA_CERTS ?? [], skipVerify: values.SKIP_CERT_VERIFY },
    limits: {
      rooms: values.MAX_ROOMS,
      speakersPerRoom: values.MAX_SPEAKERS_PER_ROOM,
      emptyRoomMs: values.EMPTY_ROOM_SECONDS * 1_000,
    },
  });
}

/** The faults as text for a terminal, one variable after the other. */
export function formatConfigError(error: ConfigError): string {
  const count = error.faults.length === 1 ? "1 fault" : `${error.faults.length} faults`;
  const lines = error.faults.flatMap(({ variable, problem, example }) => [
    `  ${variable} ${problem}`,
    `      example: ${variable}=${example}`,
  ]);
  return [`Cannot start: ${count} in the environment`, "", ...lines, ""].join("\n");
}

/** Unset and empty are the same: compose files pass `NAME=` for what nobody filled in. */
function withDefaults(env: Environment): Partial<Record<VariableName, string>> {
  const given: Partial<Record<VariableName, string>> = {};
  for (const variable of VARIABLES as readonly (Variable & { name: VariableName })[]) {
    const value = variable.secret ? env[variable.name] : env[variable.name]?.trim();
    given[variable.name] = value ? value : variable.default;
  }
  return given;
}

function parse(given: Partial<Record<VariableName, string>>, readFile: (path: string) => string) {
  const byModal = given.STT_PROVIDER === "modal";
  const required = byModal && !given.STT_STREAM_URL;
  // A token is sent whole or not at all, so half of one is a fault even where none is needed.
  const tokenRequired = required || (byModal && Boolean(given.MODAL_KEY || given.MODAL_SECRET));
  const schema = z.object(
    {
      LT_HPB_URL: fields.hpbUrl,
      LT_INTERNAL_SECRET: fields.secret,
      NEXTCLOUD_URL: fields.baseUrl,
      STT_PROVIDER: fields.oneOf(STT_PROVIDERS),
      MODAL_WORKSPACE: requiredWhen(required, fields.dnsLabel),
      MODAL_KEY: requiredWhen(tokenRequired, fields.headerSecret),
      MODAL_SECRET: requiredWhen(tokenRequired, fields.headerSecret),
      STT_STREAM_URL: fields.webSocketUrl.optional(),
      STT_CHUNK_MS: fields.wholeNumber(80, 200),
      CAPTION_PARTIALS: fields.choice("on", "off"),
      HOST: fields.host,
      PORT: fields.wholeNumber(0, 65_535),
      LOG_LEVEL: fields.oneOf(LOG_LEVELS),
      LT_CA_CERTS: fields.certificates(readFile).optional(),
      SKIP_CERT_VERIFY: fields.choice("true", "false"),
      MAX_ROOMS: fields.wholeNumber(1, 10_000),
      MAX_SPEAKERS_PER_ROOM: fields.wholeNumber(1, 10_000),
      EMPTY_ROOM_SECONDS: fields.wholeNumber(1, 86_400),
    } satisfies Record<VariableName, z.ZodType>,
  );
  const result = schema.safeParse(given);
  if (result.success) return { values: result.data, faults: [] };

  const problems = new Map<PropertyKey, string>();
  for (const { path: [name], message } of result.error.issues) {
    const isSet = given[name as VariableName] !== undefined;
    if (!problems.has(name)) problems.set(name, isSet ? message : "is not set");
  }
  const faults: ConfigFault[] = VARIABLES.filter(({ name }) => problems.has(name))
    .map(({ name, example }) => ({ variable: name, problem: problems.get(name)!, example }));
  return { values: undefined, faults };
}

function requiredWhen<Field extends z.ZodType>(required: boolean, field: Field) {
  return field.optional().refine((value) => !required || value !== undefined, "is not set");
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === "object" && inner !== null && !Object.isFrozen(inner)) deepFreeze(inner);
  }
  return Object.freeze(value);
}

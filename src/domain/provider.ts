/**
 * A provider: one implementation of a port (speech-to-text, translation) that an operator chooses by name. It has its own
 * environment variables; its settings are opaque to everyone between `config/` and the provider itself.
 */
import { ConfigError } from "./errors.ts";

/** An environment variable of the service. */
export interface Variable {
  name: string;
  /** Used where the variable is unset or empty. */
  default?: string;
  /** One sentence for the operator. */
  meaning: string;
  /** A value that would be accepted. */
  example: string;
  /** When it must be set; absent: never. */
  required?: string;
  /** Never shown. */
  secret?: true;
  /** Read in lower case too, where it is not set in upper case, as other programs do. */
  lowerCase?: true;
}

/** How a variable is checked, by the rules of `config/`. */
export type VariableKind =
  | "text"
  | "secret"
  | "header_secret"
  | "dns_label"
  | "http_url"
  | "websocket_url"
  /** `on` or `off`, in any of the usual spellings. */
  | "switch";

export interface ProviderVariable extends Variable {
  kind: VariableKind;
}

/** Values of a provider's variables by name: checked, without defaults, absent where unset or empty. */
export type ProviderEnvironment = Readonly<Record<string, string | undefined>>;

/** `Parts` are given to every provider of the port: clock, metrics, TLS and proxies. */
export interface Provider<Service, Parts, Settings = unknown> {
  /** In the environment, in logs and metrics; lower case. */
  readonly name: string;
  /** Other names for it in the environment. */
  readonly aliases?: readonly string[];
  readonly variables: readonly ProviderVariable[];
  /** Any of these variables chooses it where no provider is named, for configurations from before there was a choice. */
  readonly chosenBy?: readonly string[];
  /** Variables of `config/` that must be set with this provider. */
  readonly requires?: readonly "APP_SECRET"[];
  /** Plain data, which may cross to another process. Throws ConfigError with every fault. */
  settings(env: ProviderEnvironment): Settings;
  /** The URL of its peer, if it has one. */
  address?(settings: Settings): string | undefined;
  create(settings: Settings, parts: Parts): Service;
}

/** A provider and its settings, from `config/`. */
export interface ProviderChoice {
  provider: string;
  settings: unknown;
}

/** The provider with a name or alias, in any case. */
export function findProvider<P extends Pick<Provider<unknown, never>, "name" | "aliases">>(
  providers: readonly P[],
  name: string,
): P | undefined {
  const wanted = name.toLowerCase();
  return providers.find(({ name, aliases = [] }) => name === wanted || aliases.includes(wanted));
}

/** Throws ConfigError that names each of these variables that is not set. */
export function requireVariables(
  variables: readonly ProviderVariable[],
  env: ProviderEnvironment,
  names: readonly string[],
): void {
  const faults = variables.filter(({ name }) => names.includes(name) && env[name] === undefined)
    .map(({ name, example }) => ({ variable: name, problem: "is not set", example }));
  if (faults.length > 0) throw new ConfigError(faults);
}

/**
 * A provider: one implementation of a port (speech-to-text, translation) that an operator chooses by name. It brings its
 * own environment variables; what it makes of them is opaque to everyone between `config/` and the provider itself.
 */
import { ConfigError } from "./errors.ts";

/** An environment variable of the service. */
export interface Variable {
  name: string;
  /** What is used where the variable is unset or empty; undefined means there is none. */
  default?: string;
  /** One sentence for the operator. */
  meaning: string;
  /** A value that would be accepted. */
  example: string;
  /** When it must be set; absent means never. */
  required?: string;
  /** Never shown anywhere. */
  secret?: true;
  /** Read in lower case too, where it is not set in upper case: so other programs have it. */
  lowerCase?: true;
}

/** How a provider's variable is checked: the rules are those of `config/` for its own variables. */
export type VariableKind = "text" | "secret" | "header_secret" | "dns_label" | "http_url" | "websocket_url";

export interface ProviderVariable extends Variable {
  kind: VariableKind;
}

/** Values of a provider's variables by name: checked, without defaults, absent where unset or empty. */
export type ProviderEnvironment = Readonly<Record<string, string | undefined>>;

/** `Parts` are what the service lends every provider of the port: clock, metrics, TLS and proxies. */
export interface Provider<Service, Parts, Settings = unknown> {
  /** In the environment, in logs and metrics; lower case. */
  readonly name: string;
  /** Other names that stand for it in the environment. */
  readonly aliases?: readonly string[];
  readonly variables: readonly ProviderVariable[];
  /** Variables of `config/` that must be set with this provider. */
  readonly requires?: readonly "APP_SECRET"[];
  /** Plain data, which may cross to another process. Throws ConfigError with every fault. */
  settings(env: ProviderEnvironment): Settings;
  /** The peer it connects to, if it has an address of its own. */
  address?(settings: Settings): string | undefined;
  create(settings: Settings, parts: Parts): Service;
}

/** A provider and its settings, as `config/` hands them on. */
export interface ProviderChoice {
  provider: string;
  settings: unknown;
}

/** The provider meant by a name, in any case, or by one of its aliases. */
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

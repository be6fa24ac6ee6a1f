/** Providers' variables: all are validated, and the chosen provider makes its settings of its own. */
import { z } from "zod";
import {
  ConfigError,
  type ConfigFault,
  findProvider,
  type Provider,
  type ProviderEnvironment,
  type ProviderVariable,
  type VariableKind,
} from "../domain/mod.ts";
import * as fields from "./fields.ts";
import { Secret } from "./secret.ts";

/** The settings are opaque to all but the provider. */
export interface ChosenProvider {
  readonly provider: string;
  readonly settings: Secret<unknown>;
  /** The peer it connects to, if it has an address of its own. */
  readonly address?: string;
}

const KINDS: Readonly<Record<VariableKind, z.ZodType<string>>> = {
  text: z.string(),
  secret: fields.secretText,
  header_secret: fields.headerText,
  dns_label: fields.dnsLabel,
  http_url: fields.baseUrl,
  websocket_url: fields.webSocketUrl,
  switch: fields.choice("on", "off").transform((isOn) => isOn ? "on" : "off"),
};

/** The valid values; faults of the others are added to `faults`. */
export function checkVariables(
  variables: readonly ProviderVariable[],
  given: ProviderEnvironment,
  faults: ConfigFault[],
): ProviderEnvironment {
  const env: Record<string, string> = {};
  for (const { name, kind, example } of variables) {
    if (given[name] === undefined) continue;
    const { data, error } = KINDS[kind].safeParse(given[name]);
    if (error) faults.push({ variable: name, problem: error.issues[0].message, example });
    else env[name] = data;
  }
  return env;
}

/** Undefined where no provider has that name, or where its faults were added to `faults`. */
export function chooseProvider(
  providers: readonly Provider<unknown, never>[],
  name: string,
  env: ProviderEnvironment,
  faults: ConfigFault[],
): ChosenProvider | undefined {
  const provider = findProvider(providers, name);
  if (!provider) return undefined;
  try {
    const settings = provider.settings(env);
    return {
      provider: provider.name,
      settings: new Secret(settings),
      address: provider.address?.(settings),
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    faults.push(...error.faults);
    return undefined;
  }
}

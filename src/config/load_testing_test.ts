/** Environments of a service, and the faults of one. */
import assert from "@std/assert";
import { ConfigError } from "../domain/mod.ts";
import { type Config, type Environment, loadConfig, type Machine } from "./mod.ts";

export const SECRETS = {
  LT_INTERNAL_SECRET: "internal-5ecret-4711",
  MODAL_KEY: "wk-5ecret-4712",
  MODAL_SECRET: "ws-5ecret-4713",
};
export const COMPLETE = {
  ...SECRETS,
  LT_HPB_URL: "https://signaling.example.org",
  NEXTCLOUD_URL: "https://cloud.example.org",
  MODAL_WORKSPACE: "my-workspace",
};
/** The variables AppAPI sets. */
export const APP_SECRET = "app-5ecret-4714-0f1e2d3c";

export const EXAPP = {
  APP_SECRET,
  APP_VERSION: "2.1.3",
  APP_PERSISTENT_STORAGE: "/storage",
};
/** A file system where every folder is writable. */
export const WRITABLE = { probe: () => {} };
export const PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";

export function faultsOf(env: Environment, machine?: Partial<Machine>): ConfigError {
  let config: Config;
  try {
    config = loadConfig(env, machine);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: `accepted: ${JSON.stringify(config)}` });
}

/** The problem of each variable at fault. */
export function problems(env: Environment, machine?: Partial<Machine>): Record<string, string> {
  return Object.fromEntries(faultsOf(env, machine).faults.map((fault) => [fault.variable, fault.problem]));
}

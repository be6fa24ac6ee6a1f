/** Runs a command. Exit codes: 0 success, 1 failure, 64 wrong usage, 78 wrong configuration (sysexits). */
import { fail } from "./output.ts";

interface Command {
  /** Absent: not listed. */
  summary?: string;
  /** Words may follow it. */
  takesArguments?: true;
  load: () => Promise<{ run: (args: readonly string[]) => Promise<number> }>;
}

const COMMANDS: Record<string, Command> = {
  serve: { summary: "run the service (the default)", load: () => import("./serve.ts") },
  demo: {
    summary: "caption a short dialogue in this terminal, no configuration needed",
    load: () => import("./demo.ts"),
  },
  models: {
    summary: "list, download, check and remove the models of the offline recogniser",
    takesArguments: true,
    load: () => import("./models.ts"),
  },
  audit: {
    summary: "list the audit log, or export it",
    takesArguments: true,
    load: () => import("./audit.ts"),
  },
  backup: {
    summary: "copy the database of transcripts and the audit log while the service runs",
    takesArguments: true,
    load: () => import("./backup.ts"),
  },
  token: {
    summary: "print a token for a voice session, for sites without an OpenID issuer",
    takesArguments: true,
    load: () => import("./token.ts"),
  },
  healthcheck: {
    summary: "exit 0 when the service on this machine is healthy or degraded",
    load: () => import("./healthcheck.ts"),
  },
  version: { summary: "print the version", load: () => import("./version.ts") },
  help: {
    summary: "print this, or describe one command",
    takesArguments: true,
    load: () => import("./help.ts"),
  },
  "media-worker": { load: () => import("./media_worker.ts") },
  recogniser: { load: () => import("./recogniser.ts") },
};

export async function main(args: readonly string[]): Promise<number> {
  const [first = "serve", ...rest] = args;
  if (first === "--version" || first === "-V") return await run("version", []);
  if (first === "--help" || first === "-h") return await run("help", []);
  if (!Object.hasOwn(COMMANDS, first)) {
    fail(`tiro: no command "${first}"; "tiro help" lists them`);
    return 64;
  }
  if (rest.includes("--help") || rest.includes("-h")) return await run("help", [first]);
  if (rest.length > 0 && !COMMANDS[first].takesArguments) {
    fail(
      `tiro: "${first}" takes no arguments, its settings are environment variables; "tiro help" lists them`,
    );
    return 64;
  }
  return await run(first, rest);
}

async function run(name: string, args: readonly string[]): Promise<number> {
  const { run } = await COMMANDS[name].load();
  return await run(args);
}

/** The list of commands, for `tiro help`. */
export function commandList(): string {
  const shown = Object.entries(COMMANDS).filter(([, { summary }]) => summary !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`).join("\n");
}

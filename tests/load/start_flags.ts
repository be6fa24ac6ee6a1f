/** The flags of `deno task start`, as deno.json has them: tests that run the service as a process give it no more. */

/** For `deno run`, before the script. `paths`: files and folders of the test's own that the service may read and write. */
export function startFlags(paths: readonly string[] = []): string[] {
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)));
  const v8 = tasks.start.split(/\s+/).filter((word: string) => word.startsWith("--v8-flags="));
  const permissions = flagsOf(tasks.start).map((flag) =>
    /^--allow-(read|write)=/.test(flag) ? [flag, ...paths].join(",") : flag
  );
  return [...v8, ...permissions];
}

/** The flags about permissions in a task's command. */
export function flagsOf(command: string): string[] {
  return command.split(/\s+/).filter((word) =>
    /^(-A|--(allow|deny|ignore)-\S+|--no-prompt|--no-remote)$/.test(word)
  );
}

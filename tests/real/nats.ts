/** Debian's NATS server on loopback: how the nodes of an HPB cluster communicate. */
import { acceptsTcp, ServerProcess } from "./server_process.ts";

const EXECUTABLE = "nats-server";

/** Whether Debian's package is installed; a root shell's PATH may lack the folder it is in. */
export function natsPath(): string | undefined {
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"];
  return folders.filter((folder) => folder !== "").map((folder) => `${folder}/${EXECUTABLE}`).find(isFile);
}

export function startNats(port: number, logPath: string): Promise<ServerProcess> {
  const executable = natsPath();
  if (!executable) throw new Error(`Cannot start NATS: Debian's package ${EXECUTABLE} is not installed`);
  return ServerProcess.start({
    name: "NATS",
    executable,
    args: ["-a", "127.0.0.1", "-p", `${port}`],
    logPath,
    isReady: () => acceptsTcp(port),
  });
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

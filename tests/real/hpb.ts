/**
 * The High-Performance Backend as `scripts/install-hpb` unpacked it: which versions there are, its configuration, and
 * its process. One backend (the fake Nextcloud), one SFU (Janus); no NATS unless it is a node of a cluster.
 */
import { answersOk, ServerProcess } from "./server_process.ts";

export interface HpbOptions {
  version: string;
  configPath: string;
  /** On 127.0.0.1. */
  port: number;
  nextcloudUrl: string;
  janusPort: number;
  /** Of internal clients. */
  internalSecret: string;
  /** Shared with Nextcloud. */
  backendSecret: string;
  logPath: string;
  cluster?: ClusterNode;
}

/** One of two nodes that are one HPB together. */
export interface ClusterNode {
  natsPort: number;
  /** Where the other node asks this one, and this one the other. */
  ownGrpcPort: number;
  otherGrpcPort: number;
  /** 32 and 16 characters; both nodes' session ids are made with them. */
  hashKey: string;
  blockKey: string;
}

const INSTALLED = new URL("../../.cache/hpb/", import.meta.url);
const EXECUTABLE = "usr/bin/nextcloud-spreed-signaling-server";

/** Versions to test with, oldest first, e.g. `1.2.4` and `2.0.2`; empty when `scripts/install-hpb` has not run. */
export function installedHpbVersions(): string[] {
  try {
    return [...Deno.readDirSync(INSTALLED)]
      .filter((entry) => entry.isDirectory && /^\d+(\.\d+)+$/.test(entry.name))
      .map((entry) => entry.name)
      .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

export async function configureHpb(options: HpbOptions): Promise<void> {
  const { cluster } = options;
  await Deno.writeTextFile(
    options.configPath,
    `[http]
listen = 127.0.0.1:${options.port}

[sessions]
hashkey = ${cluster?.hashKey ?? randomText(32)}
blockkey = ${cluster?.blockKey ?? randomText(16)}

[clients]
internalsecret = ${options.internalSecret}

[backend]
backends = nextcloud
timeout = 10
connectionsperhost = 8

[nextcloud]
url = ${options.nextcloudUrl}
urls = ${options.nextcloudUrl}
secret = ${options.backendSecret}

[nats]
url = ${cluster ? `nats://127.0.0.1:${cluster.natsPort}` : "nats://loopback"}
${
      cluster
        ? `
[grpc]
listen = 127.0.0.1:${cluster.ownGrpcPort}
targettype = static
targets = 127.0.0.1:${cluster.otherGrpcPort}
`
        : ""
    }
[mcu]
type = janus
url = ws://127.0.0.1:${options.janusPort}
`,
  );
}

export async function startHpb(options: HpbOptions): Promise<ServerProcess> {
  const executable = new URL(`${options.version}/${EXECUTABLE}`, INSTALLED).pathname;
  if (!installedHpbVersions().includes(options.version)) {
    throw new Error(`Cannot start the HPB: version ${options.version} is not here; run scripts/install-hpb`);
  }
  return await ServerProcess.start({
    name: `the HPB ${options.version}`,
    executable,
    args: ["-config", options.configPath],
    logPath: options.logPath,
    isReady: () => answersOk(`http://127.0.0.1:${options.port}/api/v1/welcome`),
  });
}

/** Letters and digits: safe in the HPB's configuration, one byte each. */
export function randomText(length: number): string {
  return crypto.randomUUID().replaceAll("-", "").repeat(2).slice(0, length);
}

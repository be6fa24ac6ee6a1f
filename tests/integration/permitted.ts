/** What the process that runs this may do, as one line of JSON. */
import { httpRequest, readSystemFile } from "../../src/flow/mod.ts";
import { READ_ONLY_DATA_FOLDERS } from "../../src/models/mod.ts";
import { pocketsphinxAvailable } from "../../src/stt/pocketsphinx/speech_to_text.ts";
import { isLibcUdp } from "../../src/webrtc/udp_libc.ts";

async function refused(attempt: () => unknown): Promise<boolean> {
  try {
    await attempt();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotCapable;
  }
}

/** Of a connection to a port that nobody listens on. */
const problemOverTls = () =>
  httpRequest("https://127.0.0.1:1/", {
    signal: AbortSignal.timeout(5_000),
    timeoutMs: 5_000,
    bodyBytesMax: 1,
  }).then(() => "", String);

type PathPermission = "read" | "write" | "ffi";

const isGranted = (name: PathPermission, path: string) =>
  Deno.permissions.querySync({ name, path }).state === "granted";

const allGranted = (name: PathPermission, paths: readonly string[]) =>
  paths.every((path) => isGranted(name, path));

const noneGranted = (name: PathPermission, paths: readonly string[]) =>
  !paths.some((path) => isGranted(name, path));

const DATA_FOLDERS = ["/var/lib/tiro", ...READ_ONLY_DATA_FOLDERS];

const cannotImport = (host: string) =>
  import(`https://${host}/nothing.ts`).then(
    () => false,
    (error) => /--no-remote is specified/.test(String(error)),
  );

await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({
  libcSockets: isLibcUdp,
  memory: /^MemTotal:/.test(await readSystemFile("/proc/meminfo") ?? ""),
  groups: await readSystemFile("/proc/self/cgroup") !== undefined,
  notThere: await readSystemFile("/proc/not/there") ?? null,
  interfaces: Deno.networkInterfaces().length > 0,
  connectsOverTls: /refused, lost, or not trusted/.test(await problemOverTls()),
  looksForPocketsphinx: await pocketsphinxAvailable().then(() => true, String),
  readsModels: allGranted(
    "read",
    DATA_FOLDERS.map((folder) => `${folder}/models/moonshine-tiny-en/tokens.txt`),
  ),
  loadsRuntime: allGranted("ffi", DATA_FOLDERS.map((folder) => `${folder}/runtime/sherpa/sherpa-onnx.node`)),
  downloadsModels: allGranted("write", ["/var/lib/tiro/models/m/f.part", "/var/lib/tiro/runtime/r/f.part"]),
  ownVariable: Deno.env.get("LT_HPB_URL"),
  otherVariables: Object.keys(Deno.env.toObject()).filter((name) => name === "HOME" || name === "PATH"),
  refused: {
    readingOtherFiles: await refused(() => Deno.readTextFile("/etc/passwd")),
    readingTheFolderAbove: await refused(() => Deno.readDirSync("/etc").next()),
    writingOtherFiles: await refused(() => Deno.writeTextFile("/tmp/tiro-permitted", "")),
    writingItself: await refused(() => Deno.writeTextFile("src/domain/limits.ts", "", { append: true })),
    otherPrograms: await refused(() => new Deno.Command("sh", { args: ["-c", "true"] }).output()),
    otherLibraries: await refused(() => Deno.dlopen("libm.so.6", {})),
    loadingModels: noneGranted("ffi", DATA_FOLDERS.map((folder) => `${folder}/models/m/model.so`)),
    loadingBesidesTheRuntime: noneGranted("ffi", DATA_FOLDERS.map((folder) => `${folder}/libevil.so`)),
    writingModelsOfPackages: noneGranted("write", READ_ONLY_DATA_FOLDERS),
    pointers: await refused(() => Deno.UnsafePointer.of(new Uint8Array(1))),
    systemInformation: await refused(() => Deno.hostname()),
    remoteModules: await cannotImport("jsr.io"),
  },
})));

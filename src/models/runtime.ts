/**
 * The runtime of the offline recogniser: sherpa-onnx' add-on for Node, of the npm packages sherpa-onnx-linux-x64 and
 * sherpa-onnx-linux-arm64. The add-on loads its libraries from its own folder ($ORIGIN), so the three files stay together.
 */
import { ModelError } from "./errors.ts";
import type { Runtime } from "./model.ts";

const VERSION = "1.13.8";

/** CDNs that serve single files of npm packages. The first refuses large ones. */
function urls(arch: string, name: string): string[] {
  const path = `sherpa-onnx-linux-${arch}@${VERSION}/${name}`;
  return [`https://cdn.jsdelivr.net/npm/${path}`, `https://unpkg.com/${path}`];
}

function linux(
  { arch, npmArch, files: { addon, sherpa, onnxruntime } }: {
    arch: Runtime["arch"];
    npmArch: string;
    files: Record<keyof Runtime["files"], [bytes: number, sha256: string]>;
  },
): Runtime {
  const file = (name: string, [bytes, sha256]: [number, string]) => ({
    name,
    bytes,
    sha256,
    urls: urls(npmArch, name),
  });
  return {
    id: `sherpa-onnx-${VERSION}-linux-${npmArch}`,
    version: VERSION,
    os: "linux",
    arch,
    // espeak-ng, for speech synthesis, is linked into it; it is never called here. onnxruntime has the MIT licence.
    licence: "Apache-2.0 AND GPL-3.0-or-later AND MIT",
    files: {
      addon: file("sherpa-onnx.node", addon),
      sherpa: file("libsherpa-onnx-c-api.so", sherpa),
      onnxruntime: file("libonnxruntime.so", onnxruntime),
    },
  };
}

export const RUNTIMES: readonly Runtime[] = [
  linux({
    arch: "x86_64",
    npmArch: "x64",
    files: {
      addon: [974_496, "d8f1181559e7aecaa99493e8c441c16a4d51a18a1f3fcdf48fd7884e510f3767"],
      sherpa: [5_116_576, "b1019f8c9583e3e576c2ba6032b580677fcf6e2230c241a8b423c65aceded021"],
      onnxruntime: [27_026_609, "4b3607aebd1784b26b6f9b20e4bd974c7ab8287043e4d095cb7d2cb40b5e566e"],
    },
  }),
  linux({
    arch: "aarch64",
    npmArch: "arm64",
    files: {
      addon: [804_112, "ae1459b87db45cdc756b45e1cb495466225f62d2dd63eb35bf225196bf20900a"],
      sherpa: [4_613_032, "d1b41ded09e00017b37375584792cf697dad8bf35ccd787706acdbc4c7afc912"],
      onnxruntime: [34_606_912, "cfc800d4438f15e8d9017521326776ca7117d8783cb847ccccc2fc61ac4d540f"],
    },
  }),
];

/** Throws ModelError where there is none. */
export function runtimeOf({ os, arch }: Pick<Runtime, "os" | "arch"> = Deno.build): Runtime {
  const found = RUNTIMES.find((runtime) => runtime.os === os && runtime.arch === arch);
  if (found) return found;
  throw new ModelError(
    `Cannot recognise speech on this machine: there is no runtime for ${os} on ${arch}; use another STT_PROVIDER`,
    "runtime_unsupported",
  );
}

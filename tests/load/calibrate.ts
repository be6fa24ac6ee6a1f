/** Runs the yardstick, opus_native.ts, in a process of its own. */
import type { Calibration } from "./opus_native.ts";

/** Takes some seconds of one core. */
export async function calibrate(packets: readonly Uint8Array[], speakers: number): Promise<Calibration> {
  const file = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(file, JSON.stringify(packets.map((packet) => packet.toBase64())));
    const script = new URL("opus_native.ts", import.meta.url).pathname;
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", script, file, String(speakers)],
      stderr: "inherit",
    }).output();
    if (!success) throw new Error("Cannot calibrate: the decoding process failed");
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(file);
  }
}

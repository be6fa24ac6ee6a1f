/** Runs the reference, opus_native.ts, in its own process, and returns a packet's cost relative to it. */
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

/** Rows of a table: the floor, and how many times as much `microsPerPacket` is. */
export function besideFloor(microsPerPacket: number, calibration: Calibration): string[][] {
  const { library, microsPerPacket: decoding, srtpMicrosPerPacket: srtp, floorMicrosPerPacket: floor } =
    calibration;
  const rows = [
    ["  native decoding", `${decoding.toFixed(1)} us per packet (${library})`],
    [
      "  native SRTP",
      srtp === null ? "libsrtp2-1 is not installed" : `${srtp.toFixed(1)} us per packet (libsrtp2.so.1)`,
    ],
    ["  floor", `${floor.toFixed(1)} us per packet, ${srtp === null ? "decoding alone" : "both together"}`],
    ["  over native decoding", (microsPerPacket / decoding).toFixed(2)],
    ["  over the floor", (microsPerPacket / floor).toFixed(2)],
  ];
  if (library === "libopus.so.0") return rows;
  return [...rows, [
    "",
    "libopus0 is not installed: decoding is libopus in WebAssembly's, about twice as slow",
  ]];
}

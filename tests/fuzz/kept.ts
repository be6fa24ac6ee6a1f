/**
 * Inputs that made a target fail once, kept as files that a test replays: kept/TARGET/NAME.json. JSON, with bytes as
 * hexadecimal, because they are read by people first.
 */
import type { Failure } from "./target.ts";

export interface Kept {
  /** What went wrong, for who reads it. Not compared. */
  fault: string;
  inputs: readonly unknown[];
}

const FOLDER = new URL("kept/", import.meta.url);
/** A member that marks bytes among objects. */
const BYTES = "$bytes";

export function encodeInputs(inputs: readonly unknown[]): string {
  return JSON.stringify(
    inputs,
    (_key, value) => value instanceof Uint8Array ? { [BYTES]: value.toHex() } : value,
    2,
  );
}

export function decodeInputs(text: string): unknown[] {
  return JSON.parse(
    text,
    (_key, value) => typeof value?.[BYTES] === "string" ? Uint8Array.fromHex(value[BYTES]) : value,
  );
}

/** Writes them as `kept/TARGET/HASH.json`; returns the path from the repository's root. */
export async function keep(target: string, { error, inputs }: Failure): Promise<string> {
  const text = encodeInputs(inputs);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const name = `${target}/${digest.toHex().slice(0, 12)}.json`;
  const fault = error instanceof Error ? error.message : String(error);
  await Deno.mkdir(new URL(target, FOLDER), { recursive: true });
  await Deno.writeTextFile(
    new URL(name, FOLDER),
    `{\n"fault": ${JSON.stringify(fault)},\n"inputs": ${text}\n}\n`,
  );
  return `tests/fuzz/kept/${name}`;
}

/** The names of all files there are, by target. */
export function* keptFiles(): Generator<{ target: string; name: string }> {
  for (const folder of entries(FOLDER)) {
    if (!folder.isDirectory) continue;
    for (const { name } of entries(new URL(`${folder.name}/`, FOLDER))) yield { target: folder.name, name };
  }
}

export function readKept({ target, name }: { target: string; name: string }): Kept {
  const text = Deno.readTextFileSync(new URL(`${target}/${name}`, FOLDER));
  const { fault, inputs } = JSON.parse(text);
  return { fault, inputs: decodeInputs(JSON.stringify(inputs)) };
}

function entries(folder: URL): Deno.DirEntry[] {
  return [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1);
}

/** What servers of other protocols answer to a binary message of audio, by the server's name. */

type Replies = (audio: Uint8Array, message: number) => (string | Uint8Array)[];

const json = (value: unknown) => [JSON.stringify(value)];

/** MessagePack of a flat map: text, and numbers as float64. At most 15 members, texts of at most 31 bytes. */
function messagePack(members: Record<string, string | number>): Uint8Array {
  const bytes = [0x80 | Object.keys(members).length];
  const text = (value: string) => bytes.push(0xa0 | value.length, ...new TextEncoder().encode(value));
  for (const [name, value] of Object.entries(members)) {
    text(name);
    if (typeof value === "string") text(value);
    else bytes.push(0xcb, ...new Uint8Array(new Float64Array([value]).buffer).reverse());
  }
  return Uint8Array.from(bytes);
}

export const FOREIGN: Record<string, Replies> = {
  /** One answer a message; every tenth ends an utterance. */
  vosk: (_audio, message) => json(message % 10 === 9 ? { text: "hello there" } : { partial: "hello" }),
  /** Nothing is recognised. */
  voskSilent: (_audio, message) => json(message % 10 === 9 ? { text: "" } : { partial: "" }),
  moshi: (_audio, message) => [
    ...message === 0 ? [messagePack({ type: "Ready" })] : [],
    messagePack({ type: "Step", step_idx: message, buffered_pcm: 0 }),
  ],
  echo: (audio) => [audio],
  binary: () => [new Uint8Array([8, 1, 18, 4, 1, 2, 3, 4])],
  deepgram: (_audio, message) =>
    json({
      type: "Results",
      is_final: false,
      start: message,
      channel: { alternatives: [{ transcript: "hi" }] },
    }),
  text: () => ["OK"],
};

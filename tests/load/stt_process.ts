/**
 * A stand-in for speech-to-text that costs next to nothing, in a process of its own: `deno run -A tests/load/stt_process.ts
 * PORT`. It counts audio, finds marks in it (marks.ts), and says one word for each second of it, which is the time of
 * saying. GET /numbers tells all since the last POST /reset; POST /drop ends every session as a server in trouble does.
 * `deno run -A tests/load/stt_process.ts PORT tones` says the words of the toy language that it finds instead.
 */
import { ToneRecogniser } from "../fakes/tones.ts";
import { type Mark, MarkFinder, wallMs, wordAt } from "./marks.ts";

export interface SttNumbers {
  /** Sessions open now. */
  live: number;
  /** Sessions opened. */
  opened: number;
  chunks: number;
  audioMs: number;
  words: number;
  /** With when the chunk was read, ms since 1970. */
  marks: (Mark & { atMs: number })[];
}

const SAMPLE_RATE_HZ = 24_000;
const WORD_EVERY_MS = 1_000;
/** One in four seconds of talk: 500 speakers' of ten minutes. */
const MARKS_MAX = 75_000;

const numbers: SttNumbers = { live: 0, opened: 0, chunks: 0, audioMs: 0, words: 0, marks: [] };

const sockets = new Set<WebSocket>();

function stream(request: Request, saysTones: boolean): Response {
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  const finder = new MarkFinder(SAMPLE_RATE_HZ);
  const tones = saysTones ? new ToneRecogniser(SAMPLE_RATE_HZ) : undefined;
  const say = (word: string) => {
    if (socket.readyState !== WebSocket.OPEN) return;
    numbers.words++;
    socket.send(JSON.stringify({ type: "token", text: word }));
  };
  let unansweredMs = 0;
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    sockets.add(socket);
    numbers.live++;
    numbers.opened++;
  };
  socket.onclose = () => {
    sockets.delete(socket);
    numbers.live--;
  };
  socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
    const atMs = wallMs();
    const chunk = new Float32Array(data);
    const durationMs = chunk.length * 1_000 / SAMPLE_RATE_HZ;
    numbers.chunks++;
    numbers.audioMs += durationMs;
    if (tones) {
      for (const { word } of tones.receive(chunk)) say(word);
      return;
    }
    const mark = finder.receive(chunk);
    if (mark && numbers.marks.length < MARKS_MAX) numbers.marks.push({ ...mark, atMs });
    unansweredMs += durationMs;
    if (unansweredMs < WORD_EVERY_MS) return;
    unansweredMs -= WORD_EVERY_MS;
    say(wordAt(wallMs()));
  };
  return response;
}

if (import.meta.main) {
  Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.args[0]), onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/v1/stream") return stream(request, Deno.args[1] === "tones");
    if (pathname === "/reset") {
      Object.assign(numbers, { opened: 0, chunks: 0, audioMs: 0, words: 0, marks: [] });
      return new Response("");
    }
    if (pathname === "/drop") {
      for (const socket of sockets) socket.close(1011);
      return new Response("");
    }
    return Response.json(numbers);
  });
}

import assert from "@std/assert";
import { SttError } from "../../domain/mod.ts";
import { parseWav } from "../../../tests/fakes/speech.ts";
import { toInt16 } from "../pcm.ts";
import { endpointOf, formBody, modelsOf, promptOf, statusError, transcriptOf } from "./codec.ts";

const PCM = toInt16(Float32Array.of(0, 0.5, -0.5));
const FIELDS = { model: "small", language: "de", isVerbose: true };

/** The form as a server reads it. */
async function formOf(body: Uint8Array<ArrayBuffer>): Promise<FormData> {
  const headers = { "Content-Type": "multipart/form-data; boundary=b" };
  return await new Response(body, { headers }).formData();
}

Deno.test("A request is a form with the model, the language and a WAV file", async () => {
  const form = await formOf(formBody(PCM, { ...FIELDS, prompt: "Zoë, 日本." }, "b"));
  const file = form.get("file");
  if (!(file instanceof File)) throw new Error("there is no file");
  assert.deepEqual([file.name, file.type], ["speech.wav", "audio/wav"]);
  const { samples, sampleRateHz } = parseWav(new Uint8Array(await file.arrayBuffer()));
  assert.deepEqual([[...samples], sampleRateHz], [[0, 0.5, -0.5], 16_000]);
  form.delete("file");
  assert.deepEqual(Object.fromEntries(form), {
    model: "small",
    language: "de",
    response_format: "verbose_json",
    temperature: "0",
    prompt: "Zoë, 日本.",
  });
});

Deno.test("Without words to expect there is no prompt, and json is asked for where nothing else is had", async () => {
  const form = await formOf(formBody(PCM, { ...FIELDS, isVerbose: false, prompt: promptOf([]) }, "b"));
  assert.deepEqual([form.get("prompt"), form.get("response_format")], [null, "json"]);
});

Deno.test("The prompt has the first words that fit, each whole", () => {
  assert.equal(promptOf(), undefined);
  assert.equal(promptOf(["Aki", "Zoë Ångström"]), "Aki, Zoë Ångström.");
  const words = Array.from({ length: 200 }, (_, at) => `name-${at}`);
  const prompt = promptOf(words)!;
  assert.ok(prompt.length > 380 && prompt.length <= 401, `${prompt.length}`);
  const used = prompt.slice(0, -1).split(", ");
  assert.deepEqual(used, words.slice(0, used.length));
});

const segment = (text: string, no_speech_prob: number, avg_logprob: number, compression_ratio = 1) => ({
  text,
  no_speech_prob,
  avg_logprob,
  compression_ratio,
});
const verbose = (...segments: { text: string }[]) =>
  JSON.stringify({ text: segments.map(({ text }) => text).join(""), segments });

const RESPONSES: [body: string, text: string | undefined][] = [
  ['{"text":" Good morning. "}', "Good morning."],
  ['{"text":""}', ""],
  ['{"text":"こんにちは。"}', "こんにちは。"],
  ['{"text":" ♪ ♪♪ "}', ""],
  ['{"text":" . "}', ""],
  ['{"text":"[BLANK_AUDIO]"}', ""],
  ['{"text":"( silence )"}', ""],
  ['{"text":"Silence is golden."}', "Silence is golden."],
  ['{"text":"[Music]"}', "[Music]"],
  ['{"text":"hello","segments":null}', "hello"],
  ['{"text":"hello","segments":[7,null,{"text":5}]}', "hello"],
  [verbose(segment(" Yes.", 0.02, -0.3), segment(" We can.", 0.1, -1.2)), "Yes. We can."],
  [verbose(segment(" You", 0.95, -0.93)), ""],
  [verbose(segment(" It is late.", 0.7, -0.3), segment(" You", 0.92, -0.96)), "It is late."],
  [verbose(segment(" beep beep beep", 0.65, -0.04, 29)), ""],
  [verbose(segment(" very very very", 0.3, -0.2, 3)), "very very very"],
  ["", undefined],
  ["<html>", undefined],
  ["null", undefined],
  ["7", undefined],
  ['"text"', undefined],
  ['{"text":7}', undefined],
  ['{"error":{"message":"no"}}', undefined],
];
for (const [body, text] of RESPONSES) {
  Deno.test(`The transcript of ${body.slice(0, 70)} is ${text === undefined ? "none" : `"${text}"`}`, () => {
    assert.equal(transcriptOf(body), text);
  });
}

Deno.test("A status says what is wrong, which variable to check, and whether another try may help", () => {
  const fail = (problem: string, code: string, retryable: boolean) =>
    new SttError(problem, { code, retryable });
  const meaning = (status: number) => {
    const error = statusError(status, fail);
    return error && [error.code, error.retryable];
  };
  assert.equal(statusError(200, fail), undefined);
  const expected: Record<number, [string, boolean]> = {
    301: ["stt_foreign", false],
    400: ["stt_refused", true],
    401: ["stt_unauthorized", false],
    403: ["stt_unauthorized", false],
    404: ["stt_foreign", false],
    405: ["stt_foreign", false],
    413: ["stt_too_large", false],
    422: ["stt_refused", true],
    429: ["stt_full", true],
    500: ["stt_server", true],
    502: ["stt_server", true],
    503: ["stt_full", true],
  };
  for (const [status, wanted] of Object.entries(expected)) {
    assert.deepEqual(meaning(Number(status)), wanted, status);
  }
  assert.match(statusError(401, fail)?.message ?? "", /WHISPER_API_KEY/);
  assert.match(statusError(404, fail)?.message ?? "", /WHISPER_SERVICE_URL, WHISPER_MODEL/);
});

Deno.test("The address may be of the server, of its API, or of the endpoint", () => {
  const endpoint = "http://whisper:8000/v1/audio/transcriptions";
  for (
    const address of [
      "http://whisper:8000",
      "http://whisper:8000/",
      "http://whisper:8000/v1",
      "http://whisper:8000/v1/",
      endpoint,
    ]
  ) {
    assert.equal(endpointOf(address), endpoint);
  }
  assert.equal(endpointOf("https://h.example/openai"), "https://h.example/openai/v1/audio/transcriptions");
  assert.equal(modelsOf(endpoint), "http://whisper:8000/v1/models");
});

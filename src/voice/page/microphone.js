/** The microphone: its sound in a format that the service takes, and its level. */
import { MIME_TYPES, OPUS_BITS_PER_SECOND } from "./formats.js";

/** What the service converts least; a browser that has only its own rate gets that. */
const PCM_RATE_HZ = 16_000;
/** A piece of a container: short, for a caption waits for the whole of it. */
const PIECE_MS = 100;

/** @typedef {import("./formats.js").Format} Format */
/** @typedef {{ format: string, sampleRate?: number, channels?: number, bytesPerSecond: number, stop: () => Promise<void> }} Recording `stop` resolves when the last piece was passed on */

/** Rejects with a DOMException. @param {string} deviceId empty: the default */
export async function openMicrophone(deviceId) {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: {
      ...(deviceId && { deviceId: { exact: deviceId } }),
      channelCount: { ideal: 1 },
      // What a loudspeaker in the room says is to be captioned too.
      echoCancellation: false,
      noiseSuppression: true,
      autoGainControl: true,
    },
  });
  const context = contextFor(stream);
  // Not awaited: without a loudspeaker it may never run, and only the level and PCM need it.
  void context.resume().catch(() => {});
  const source = context.createMediaStreamSource(stream);
  const analyser = new AnalyserNode(context, { fftSize: 2_048 });
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const [track] = stream.getAudioTracks();

  return {
    track,
    /** Root mean square of the last moment, dB of full scale; undefined while the browser does not process audio. */
    levelDb() {
      if (context.state !== "running") return undefined;
      analyser.getFloatTimeDomainData(samples);
      const square = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      return 10 * Math.log10(square + 1e-10);
    },
    /** @type {(format: Format, onData: (data: ArrayBuffer) => void) => Promise<Recording>} */
    record(format, onData) {
      return format === "pcm"
        ? recordPcm(context, source, onData)
        : Promise.resolve(recordContainer(stream, format, onData));
    },
    async close() {
      for (const track of stream.getTracks()) track.stop();
      await context.close();
    },
  };
}

/** @typedef {Awaited<ReturnType<typeof openMicrophone>>} Microphone */

/** @param {MediaStream} stream */
function contextFor(stream) {
  const context = new AudioContext({ sampleRate: PCM_RATE_HZ, latencyHint: "interactive" });
  try {
    context.createMediaStreamSource(stream).disconnect();
    return context;
  } catch { // older versions of Firefox do not convert rates
    void context.close();
    return new AudioContext({ latencyHint: "interactive" });
  }
}

/** @type {(stream: MediaStream, format: "webm" | "ogg", onData: (data: ArrayBuffer) => void) => Recording} */
function recordContainer(stream, format, onData) {
  const recorder = new MediaRecorder(stream, {
    mimeType: MIME_TYPES[format],
    audioBitsPerSecond: OPUS_BITS_PER_SECOND,
  });
  // Reading a piece is asynchronous: one after the other, for the order of a container matters.
  let reading = Promise.resolve();
  recorder.addEventListener("dataavailable", ({ data }) => {
    if (data.size > 0) reading = reading.then(() => data.arrayBuffer()).then(onData);
  });
  const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
  recorder.start(PIECE_MS);
  return {
    format,
    bytesPerSecond: OPUS_BITS_PER_SECOND / 8,
    async stop() {
      if (recorder.state !== "inactive") recorder.stop();
      await stopped;
      await reading;
    },
  };
}

/** @type {(context: AudioContext, source: AudioNode, onData: (data: ArrayBuffer) => void) => Promise<Recording>} */
async function recordPcm(context, source, onData) {
  const text = document.getElementById("worklet")?.textContent ?? "";
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    await context.audioWorklet.addModule(address);
  } finally {
    URL.revokeObjectURL(address);
  }
  const node = new AudioWorkletNode(context, "pcm-sender", {
    numberOfOutputs: 0,
    channelCount: 1,
    channelCountMode: "explicit",
  });
  node.port.onmessage = ({ data }) => onData(data);
  source.connect(node);
  return {
    format: "s16le",
    sampleRate: context.sampleRate,
    channels: 1,
    bytesPerSecond: 2 * context.sampleRate,
    stop() {
      if (node.port.onmessage) source.disconnect(node);
      node.port.onmessage = null;
      node.port.close();
      return Promise.resolve();
    },
  };
}

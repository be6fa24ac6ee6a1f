/**
 * Recognisers that take audio at one rate, the highest of theirs: a speaker's audio is decoded once, and may be sent to any
 * of them. Those of a lower rate get it resampled.
 */
import { Resampler } from "../audio/mod.ts";
import type { PcmFrame, SpeechToText, SttSession } from "../domain/mod.ts";

export function atOneRate(recognisers: readonly SpeechToText[]): readonly SpeechToText[] {
  const sampleRateHz = Math.max(...recognisers.map((each) => each.sampleRateHz));
  return recognisers.map((stt) => stt.sampleRateHz === sampleRateHz ? stt : atRate(stt, sampleRateHz));
}

function atRate(stt: SpeechToText, sampleRateHz: number): SpeechToText {
  return {
    name: stt.name,
    sampleRateHz,
    get languages() {
      return stt.languages;
    },
    features: stt.features,
    async open({ recycle, ...options }, signal) {
      const session = await stt.open(options, signal);
      return resampled(session, { fromHz: sampleRateHz, toHz: stt.sampleRateHz }, recycle);
    },
  };
}

/** The last samples stay in the filter, some milliseconds: sessions are finished after silence. */
function resampled(
  session: SttSession,
  rates: { fromHz: number; toHz: number },
  recycle: (samples: PcmFrame["samples"]) => void = () => {},
): SttSession {
  const resampler = new Resampler(rates);
  return {
    write(frame) {
      const samples = resampler.process(frame.samples);
      recycle(frame.samples);
      return session.write({ ...frame, samples, sampleRateHz: rates.toHz });
    },
    events: session.events,
    get stalledUntilMs() {
      return session.stalledUntilMs;
    },
    get foreign() {
      return session.foreign;
    },
    finish: (options) => session.finish(options),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

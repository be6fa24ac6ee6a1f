/** In the browser's audio thread: 16-bit PCM of one channel, posted in pieces of 20 ms. */

class PcmSender extends AudioWorkletProcessor {
  #samples = new Int16Array(Math.round(sampleRate / 50));
  #length = 0;

  /** @param {Float32Array[][]} inputs */
  process([[channel]]) {
    // An input that is not connected has no channel.
    for (const sample of channel ?? []) {
      this.#samples[this.#length++] = Math.max(-1, Math.min(1, sample)) * 32_767;
      if (this.#length < this.#samples.length) continue;
      this.port.postMessage(this.#samples.buffer.slice(0));
      this.#length = 0;
    }
    return true;
  }
}

registerProcessor("pcm-sender", PcmSender);

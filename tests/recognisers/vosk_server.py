"""A Vosk server around the package vosk, for vosk_test.ts: the protocol of alphacep's vosk-server, which no package has.

Where asr_server.py of vosk-server lies in .cache/recognisers/vosk, the test runs that instead. This one answers a config
with a language too, as the server in Nextcloud's live_transcription does.

Usage: vosk_server.py PORT MODEL LANGUAGE
"""

import asyncio
import json
import sys

import websockets
from vosk import KaldiRecognizer, Model, SetLogLevel


def configure(message, language):
    """The sample rate, whether words have times, and the reply; the reply is None where the config has no language."""
    config = json.loads(message)["config"]
    reply = None
    if "language" in config:
        reply = json.dumps({"success": config["language"] == language})
    return float(config["sample_rate"]), bool(config.get("words", True)), reply


def answer(recogniser, message):
    """The reply to a message, and whether it is the last."""
    if message in ('{"eof" : 1}', '{"reset" : 1}'):
        return recogniser.FinalResult(), "eof" in message
    if recogniser.AcceptWaveform(message):
        return recogniser.Result(), False
    return recogniser.PartialResult(), False


async def serve(port, model_path, language):
    model = Model(model_path)

    async def recognise(socket):
        rate, words, recogniser = 16_000.0, True, None
        async for message in socket:
            if isinstance(message, str) and '"config"' in message:
                rate, words, reply = configure(message, language)
                if reply is not None:
                    await socket.send(reply)
                continue
            if recogniser is None:
                recogniser = KaldiRecognizer(model, rate)
                recogniser.SetWords(words)
            reply, is_last = await asyncio.to_thread(answer, recogniser, message)
            await socket.send(reply)
            if is_last:
                return

    async with websockets.serve(recognise, "127.0.0.1", port):
        await asyncio.Future()


if __name__ == "__main__":
    SetLogLevel(-1)
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))

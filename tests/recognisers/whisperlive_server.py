"""WhisperLive on loopback: whisperlive_server.py PORT MODEL [CLIENTS]

MODEL is a folder with a faster-whisper (CTranslate2) model, which all sessions share. Sessions need the key in
WHISPERLIVE_API_KEY, if it is set. whisper-live has no program of its own for this.
"""

import os
import sys

from whisper_live.server import TranscriptionServer

port, model, *clients = sys.argv[1:]
TranscriptionServer().run(
    "127.0.0.1",
    port=int(port),
    backend="faster_whisper",
    faster_whisper_custom_model_path=model,
    single_model=True,
    max_clients=int(clients[0]) if clients else 4,
    api_key=os.environ.get("WHISPERLIVE_API_KEY") or None,
)

"""Tiro's protocol `modal` in front of moshi-server.

Towards Tiro, `WS /v1/stream`: binary messages of float32 little-endian PCM, mono, 24 kHz; JSON messages back:

    {"type": "token", "text": ..}     a word, settled
    {"type": "vad_end"}               the speaker's turn has ended, and its words were sent
    {"type": "ping"}                  a second of audio was processed
    {"type": "error", "message": ..}  the session is over, e.g. "no free channels"

Towards moshi-server: MessagePack maps with a member `type` (rust/moshi-server/src/asr.rs of kyutai-labs/moshi). `GET /health` is
200 once moshi-server has loaded its model. Nothing of the audio or the text is logged.
"""

import asyncio
import json
import sys
from array import array
from contextlib import suppress
from typing import Any

import msgpack
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.requests import Request
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

SAMPLE_RATE_HZ = 24_000
SAMPLE_BYTES = 4
# Ten seconds, more than Tiro sends at once.
MESSAGE_BYTES_MAX = 10 * SAMPLE_RATE_HZ * SAMPLE_BYTES
# moshi-server's steps are 80 ms.
STEPS_PER_PING = 12
# moshi-server replies as soon as a channel is reset, which waits for one step.
READY_WITHIN_S = 10.0
# A channel of the GPU is not kept for somebody who is silent; Tiro reconnects with the next word.
IDLE_S = 30.0

GOING_AWAY = 1001
UNSUPPORTED = 1003
TRY_AGAIN_LATER = 1013


class Steps:
    """What moshi-server's messages mean for Tiro.

    The model's words are `delay_steps` behind its audio, and its prediction of the end of a turn is not. So `vad_end`
    follows the prediction after as many steps: with the turn's last words before it.
    """

    # Of the model's four predictions the one for two seconds of silence to come, as moshi-server's clients use it.
    PAUSE = 2

    def __init__(self, delay_steps: int) -> None:
        self._delay_steps = delay_steps
        self._steps_until_ping = STEPS_PER_PING
        self._steps_until_end: int | None = None
        self._in_turn = False

    def receive(self, data: bytes) -> list[dict[str, str]]:
        """Messages for Tiro. Raises ValueError for what is not of moshi-server's protocol."""
        message = msgpack.unpackb(data)
        match message:
            case {"type": "Step", "prs": [*prs]}:
                return self._step(prs)
            case {"type": "Word", "text": str(text)}:
                self._in_turn = True
                return [{"type": "token", "text": text}]
            case {"type": "Ready"}:
                return [{"type": "ping"}]
            case {"type": "Error", "message": str(text)}:
                return [{"type": "error", "message": text}]
            case {"type": str()}:
                return []
            case _:
                raise ValueError("a message without a type")

    def _step(self, predictions: list[float]) -> list[dict[str, str]]:
        messages = []
        # A model without extra heads predicts nothing.
        pauses = len(predictions) > self.PAUSE and predictions[self.PAUSE] > 0.5
        if not pauses:
            self._steps_until_end = None
        elif self._in_turn and self._steps_until_end is None:
            self._steps_until_end = self._delay_steps
        elif self._steps_until_end is not None:
            self._steps_until_end -= 1
        if self._steps_until_end == 0:
            self._in_turn = False
            messages.append({"type": "vad_end"})
        self._steps_until_ping -= 1
        if self._steps_until_ping == 0:
            self._steps_until_ping = STEPS_PER_PING
            messages.append({"type": "ping"})
        return messages


def audio_message(pcm: bytes) -> bytes:
    """A frame for moshi-server. Raises ValueError if it is not a whole number of samples, or too long."""
    if len(pcm) % SAMPLE_BYTES or len(pcm) > MESSAGE_BYTES_MAX:
        raise ValueError("a frame must be whole float32 samples, at most ten seconds")
    samples = array("f", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    return msgpack.packb({"type": "Audio", "pcm": samples.tolist()}, use_single_float=True)


class Session:
    """One client and its connection to moshi-server."""

    def __init__(self, client: WebSocket, upstream: ClientConnection, delay_steps: int) -> None:
        self._client = client
        self._upstream = upstream
        self._steps = Steps(delay_steps)

    async def run(self) -> None:
        """Until either side ends it, or the client is idle."""
        async with asyncio.timeout(READY_WITHIN_S):
            first = await self._upstream.recv(decode=False)
        # Accepted only now, so that the client's `open` means that audio is processed.
        await self._client.accept()
        if not await self._deliver(first):
            return
        tasks = [asyncio.create_task(self._send_audio()), asyncio.create_task(self._send_words())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _send_audio(self) -> None:
        """Waits while moshi-server reads nothing, so the client's audio waits on its side."""
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    message = await self._client.receive()
            except TimeoutError:
                await self._client.close(1000)
                return
            if message["type"] == "websocket.disconnect":
                return
            if (pcm := message.get("bytes")) is None:
                continue
            try:
                frame = audio_message(pcm)
            except ValueError as error:
                await self._fail(str(error), UNSUPPORTED)
                return
            await self._upstream.send(frame)

    async def _send_words(self) -> None:
        async for data in self._upstream:
            if not await self._deliver(data):
                return
        await self._fail("moshi-server closed the session", GOING_AWAY)

    async def _deliver(self, data: str | bytes) -> bool:
        """False: the session is over."""
        if isinstance(data, str):
            return True
        for message in self._steps.receive(data):
            if message["type"] == "error":
                await self._fail(message["message"], TRY_AGAIN_LATER)
                return False
            await self._client.send_text(json.dumps(message, ensure_ascii=False))
        return True

    async def _fail(self, message: str, code: int) -> None:
        with suppress(RuntimeError, WebSocketDisconnect):
            await self._client.send_text(json.dumps({"type": "error", "message": message}))
            await self._client.close(code)


def create_app(upstream_url: str, api_key: str, delay_steps: int) -> Starlette:
    """`upstream_url`: moshi-server's, e.g. ws://127.0.0.1:8080. `delay_steps`: asr_delay_in_tokens of its configuration."""

    def open_upstream() -> Any:
        return connect(
            f"{upstream_url}/api/asr-streaming",
            additional_headers={"kyutai-api-key": api_key},
            compression=None,
            # Beyond this `send` waits: a second of audio for a server that has stopped reading.
            write_limit=SAMPLE_RATE_HZ * SAMPLE_BYTES,
            open_timeout=READY_WITHIN_S,
            close_timeout=1.0,
            proxy=None,
        )

    async def stream(client: WebSocket) -> None:
        try:
            async with open_upstream() as upstream:
                await Session(client, upstream, delay_steps).run()
        except (WebSocketDisconnect, RuntimeError):
            pass  # The client has gone.
        except (OSError, TimeoutError, ConnectionClosed, WebSocketException, ValueError) as error:
            # The kind alone: an error's text may have content.
            print(f"Cannot serve a session: {type(error).__name__} of moshi-server", file=sys.stderr, flush=True)
            with suppress(RuntimeError, WebSocketDisconnect):
                await client.close(GOING_AWAY)

    async def health(_request: Request) -> PlainTextResponse:
        host, _, port = upstream_url.removeprefix("ws://").rpartition(":")
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        except (OSError, TimeoutError):
            return PlainTextResponse("moshi-server does not listen\n", status_code=503)
        return PlainTextResponse("ok\n")

    return Starlette(routes=[WebSocketRoute("/v1/stream", stream), Route("/health", health)])

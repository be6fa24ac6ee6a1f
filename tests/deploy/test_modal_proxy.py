"""The proxy of deploy/modal, on real sockets between a client as Tiro is one and a stand-in for moshi-server."""

import asyncio
import json
import re
import sys
import tomllib
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgpack
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

DEPLOY = Path(__file__).parents[2] / "deploy"
sys.path.insert(0, str(DEPLOY / "modal"))
import proxy  # noqa: E402

DELAY_STEPS = 6
WITHIN_S = 10.0
Behaviour = Callable[[ServerConnection], Awaitable[None]]


def packed(**members: object) -> bytes:
    return msgpack.packb(members)


def step(pause: float = 0.0) -> bytes:
    return packed(type="Step", step_idx=1, prs=[0.0, 0.0, pause, 0.0], buffered_pcm=0)


def meaning(*messages: bytes) -> list[dict[str, str]]:
    steps = proxy.Steps(DELAY_STEPS)
    return [out for message in messages for out in steps.receive(message)]


async def check_key(connection: ServerConnection, request: Request) -> Response | None:
    """Refuses another key, as moshi-server does."""
    accepted = request.path == "/api/asr-streaming" and request.headers.get("kyutai-api-key") == "public_token"
    return None if accepted else connection.respond(401, "")


@asynccontextmanager
async def running(moshi: Behaviour) -> AsyncIterator[str]:
    """The proxy's address without its scheme, before a stand-in that behaves like this."""
    async with serve(moshi, "127.0.0.1", 0, process_request=check_key, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with serving(f"ws://127.0.0.1:{port}") as address:
            yield address


@asynccontextmanager
async def serving(upstream: str, key: str = "public_token") -> AsyncIterator[str]:
    app = proxy.create_app(upstream, key, DELAY_STEPS)
    front = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    task = asyncio.create_task(front.serve())
    while not front.started:
        await asyncio.sleep(0.01)
    try:
        yield f"127.0.0.1:{front.servers[0].sockets[0].getsockname()[1]}"
    finally:
        front.should_exit = True
        await task


async def received(client: ClientConnection) -> list[dict[str, str]]:
    """Everything until the proxy closes."""
    messages = []
    try:
        while True:
            messages.append(json.loads(await client.recv()))
    except ConnectionClosed:
        return messages


def run(scenario: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(WITHIN_S):
            await scenario

    asyncio.run(bounded())


def test_a_word_is_a_token_and_the_end_of_words_nothing() -> None:
    assert meaning(
        packed(type="Ready"), packed(type="Word", text="Äpfel", start_time=0.1), packed(type="EndWord", stop_time=0.4)
    ) == [{"type": "ping"}, {"type": "token", "text": "Äpfel"}]


def test_a_ping_follows_each_second_of_audio() -> None:
    assert meaning(*[step()] * 36) == [{"type": "ping"}] * 3


def test_the_end_of_a_turn_waits_for_the_words_that_are_behind_and_comes_once() -> None:
    steps = proxy.Steps(DELAY_STEPS)
    steps.receive(packed(type="Word", text="good", start_time=0.1))
    assert all(steps.receive(step(0.9)) == [] for _ in range(DELAY_STEPS))
    steps.receive(packed(type="Word", text="morning", start_time=0.3))
    assert steps.receive(step(0.9)) == [{"type": "vad_end"}]
    assert {"type": "vad_end"} not in meaning(*[step(0.9)] * 20)
    assert all({"type": "vad_end"} not in steps.receive(step(0.9)) for _ in range(20))


def test_a_turn_that_goes_on_has_not_ended() -> None:
    word = packed(type="Word", text="so", start_time=0.1)
    assert {"type": "vad_end"} not in meaning(word, *[step(0.9)] * 4, step(0.1), *[step(0.9)] * 4)


def test_a_model_without_predictions_ends_no_turn() -> None:
    plain = packed(type="Step", step_idx=1, prs=[], buffered_pcm=0)
    word = packed(type="Word", text="so", start_time=0.1)
    assert {"type": "vad_end"} not in meaning(word, *[plain] * 20)


@pytest.mark.parametrize("data", [b"", b"\xc1", packed(text="no type"), msgpack.packb(7), b"\x81"])
def test_what_is_not_of_the_protocol_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        proxy.Steps(DELAY_STEPS).receive(data)


def test_audio_keeps_its_samples() -> None:
    samples = [0.0, 1.0, -0.5, 0.25]
    message = msgpack.unpackb(proxy.audio_message(array("f", samples).tobytes()))
    assert message == {"type": "Audio", "pcm": samples}


@pytest.mark.parametrize("length", [1, 6, proxy.MESSAGE_BYTES_MAX + 4])
def test_a_frame_that_is_no_whole_samples_or_too_long_is_refused(length: int) -> None:
    with pytest.raises(ValueError):
        proxy.audio_message(bytes(length))


def test_audio_reaches_moshi_server_and_words_the_client() -> None:
    async def moshi(connection: ServerConnection) -> None:
        await connection.send(packed(type="Ready"))
        first = msgpack.unpackb(await connection.recv())
        await connection.send(packed(type="Word", text=f"{len(first['pcm'])} samples", start_time=0.0))
        await connection.wait_closed()

    async def scenario() -> None:
        async with running(moshi) as address, connect(f"ws://{address}/v1/stream") as client:
            assert json.loads(await client.recv()) == {"type": "ping"}
            await client.send(bytes(1920 * 4))
            assert json.loads(await client.recv()) == {"type": "token", "text": "1920 samples"}

    run(scenario())


def test_no_free_channel_is_reported() -> None:
    async def full(connection: ServerConnection) -> None:
        await connection.send(packed(type="Error", message="no free channels"))

    async def scenario() -> None:
        async with running(full) as address, connect(f"ws://{address}/v1/stream") as client:
            assert await received(client) == [{"type": "error", "message": "no free channels"}]
            assert client.close_code == proxy.TRY_AGAIN_LATER

    run(scenario())


def test_a_session_that_moshi_server_ends_is_reported() -> None:
    async def crashes(connection: ServerConnection) -> None:
        await connection.send(packed(type="Ready"))
        await connection.recv()

    async def scenario() -> None:
        async with running(crashes) as address, connect(f"ws://{address}/v1/stream") as client:
            await client.send(bytes(1920 * 4))
            assert [message["type"] for message in await received(client)] == ["ping", "error"]

    run(scenario())


def test_a_frame_of_half_samples_ends_the_session_with_the_reason() -> None:
    async def moshi(connection: ServerConnection) -> None:
        await connection.send(packed(type="Ready"))
        await connection.wait_closed()

    async def scenario() -> None:
        async with running(moshi) as address, connect(f"ws://{address}/v1/stream") as client:
            await client.send(b"123")
            assert (await received(client))[-1]["type"] == "error"
            assert client.close_code == proxy.UNSUPPORTED

    run(scenario())


def test_a_session_ends_at_moshi_server_too_when_the_client_leaves() -> None:
    gone = asyncio.Event()

    async def moshi(connection: ServerConnection) -> None:
        await connection.send(packed(type="Ready"))
        await connection.wait_closed()
        gone.set()

    async def scenario() -> None:
        async with running(moshi) as address:
            async with connect(f"ws://{address}/v1/stream") as client:
                await client.recv()
            await gone.wait()

    run(scenario())


def test_an_idle_session_gives_its_channel_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "IDLE_S", 0.2)

    async def moshi(connection: ServerConnection) -> None:
        await connection.send(packed(type="Ready"))
        await connection.wait_closed()

    async def scenario() -> None:
        async with running(moshi) as address, connect(f"ws://{address}/v1/stream") as client:
            assert await received(client) == [{"type": "ping"}]
            assert client.close_code == 1000

    run(scenario())


def test_without_moshi_server_or_with_a_wrong_key_no_session_opens(capfd: pytest.CaptureFixture[str]) -> None:
    async def moshi(connection: ServerConnection) -> None:
        await connection.send(packed(type="Ready"))

    async def scenario() -> None:
        async with serve(moshi, "127.0.0.1", 0, process_request=check_key) as server:
            port = server.sockets[0].getsockname()[1]
            async with serving(f"ws://127.0.0.1:{port}", key="wrong") as address:
                with pytest.raises(InvalidStatus):
                    await connect(f"ws://{address}/v1/stream")
        async with serving(f"ws://127.0.0.1:{port}") as address:
            with pytest.raises(InvalidStatus):
                await connect(f"ws://{address}/v1/stream")
            async with httpx.AsyncClient() as client:
                assert (await client.get(f"http://{address}/health")).status_code == 503

    run(scenario())
    assert "Cannot serve a session" in capfd.readouterr().err


def test_health_is_200_while_moshi_server_listens() -> None:
    async def moshi(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async def scenario() -> None:
        async with running(moshi) as address, httpx.AsyncClient() as client:
            assert (await client.get(f"http://{address}/health")).status_code == 200

    run(scenario())


def test_modal_accepts_the_app() -> None:
    """Modal's decorators validate their arguments."""
    pytest.importorskip("modal")
    import app

    # The address that Tiro connects to is made of these names.
    assert app.app.name == "kyutai-stt-rust"
    assert repr(app.KyutaiSttRustService().serve) == "Method(KyutaiSttRustService.serve)"
    assert app.SESSIONS_PER_CONTAINER < configuration("stt-1b-en_fr")["modules"]["asr"]["batch_size"]


def test_the_container_runs_the_packages_that_are_tested_here() -> None:
    tested = (Path(__file__).parents[1] / "frontend" / "requirements.txt").read_text().splitlines()
    container = (DEPLOY / "modal" / "requirements.txt").read_text().splitlines()
    assert [line for line in container if not line.startswith("#") and line not in tested] == []


@pytest.mark.parametrize("name", ["stt-1b-en_fr", "stt-2.6b-en"])
def test_the_configurations_have_one_key_and_the_path_that_clients_use(name: str) -> None:
    config = configuration(name)
    assert config["authorized_ids"] == ["public_token"]
    assert config["modules"]["asr"]["path"] == "/api/asr-streaming"
    assert config["modules"]["asr"]["type"] == "BatchedAsr"


def test_the_images_build_the_same_moshi_server() -> None:
    app, dockerfile = [(DEPLOY / path).read_text() for path in ["modal/app.py", "moshi-server/Dockerfile"]]
    for pattern in [r"moshi-server@[\d.]+", r"nvidia/cuda:[\d.]+", r"--default-toolchain [\d.]+"]:
        assert set(re.findall(pattern, app)) == set(re.findall(pattern, dockerfile)) != set(), pattern


def configuration(name: str) -> dict:
    return tomllib.loads((DEPLOY / "moshi-server" / f"{name}.toml").read_text())

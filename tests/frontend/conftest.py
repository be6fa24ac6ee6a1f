"""The service to test against, one process for each kind of credentials, and the front end before it."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from front_end import TIMEOUT_S, create_front_end

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Service:
    url: str
    headers: dict[str, str]
    room_token: str
    nc_session_id: str

    @property
    def is_ex_app(self) -> bool:
        return "EX-APP-ID" in self.headers


def until(holds: Callable[[], bool], timeout_s: float = START_TIMEOUT_S) -> None:
    """Looks again and again, for what nobody announces."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


@pytest.fixture(scope="session", params=["token", "appapi"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    stack = subprocess.Popen(
        [os.environ.get("DENO", "deno"), "run", "-A", "--quiet", "tests/frontend/stack.ts", request.param],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = stack.stdout.readline()
        assert line, "the service did not start"
        where = json.loads(line)
        yield Service(where["url"], where["headers"], where["roomToken"], where["ncSessionId"])
        stack.stdin.close()
        assert stack.wait(STOP_TIMEOUT_S) == 0
    finally:
        stack.kill()
        stack.wait()


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    """Calls the service itself. It is enabled before and in no call afterwards."""
    with httpx.Client(base_url=service.url, headers=service.headers, timeout=TIMEOUT_S) as client:
        client.put("/enabled", params={"enabled": "1"}).raise_for_status()
        yield client
        client.post("/api/v1/call/leave", json={"roomToken": service.room_token}).raise_for_status()


@contextmanager
def serving_front_end(service_url: str, headers: dict[str, str]) -> Iterator[httpx.Client]:
    """The front end on a free port, and Talk as its caller."""
    config = uvicorn.Config(create_front_end(service_url, headers), port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT_S) as talk:
            yield talk
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def talk(service: Service, client: httpx.Client) -> Iterator[httpx.Client]:
    with serving_front_end(service.url, service.headers) as talk:
        yield talk

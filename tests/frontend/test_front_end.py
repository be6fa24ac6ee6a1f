"""Talk's calls, through the front end, to the real service."""

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from conftest import Service, serving_front_end, until
from front_end import FATAL

TRANSCRIBE = "/api/v1/call/transcribe"
SET_LANGUAGE = "/api/v1/call/set-language"
LEAVE = "/api/v1/call/leave"
TRANSLATION_LANGUAGES = "/api/v1/translation/languages"
SET_TARGET = "/api/v1/translation/set-target-language"


@pytest.fixture
def listener(service: Service) -> dict[str, str]:
    return {"roomToken": service.room_token, "ncSessionId": service.nc_session_id}


def test_talk_finds_out_what_there_is(talk: httpx.Client) -> None:
    languages = talk.get("/api/v1/languages").json()
    assert languages["en"] == {"name": "English", "metadata": {"separator": " ", "rtl": False}}
    until(lambda: talk.get(TRANSLATION_LANGUAGES).status_code == 200)
    targets = talk.get(TRANSLATION_LANGUAGES, params={"roomToken": "abc"}).json()["target_languages"]
    assert targets["ar"]["metadata"]["rtl"] is True
    app = talk.get("/capabilities").json()["live_transcription"]
    assert app["features"] == ["live_transcription", "live_translation"]
    assert app["live_transcription"]["supported_languages"] == languages
    assert app["live_translation"]["supported_translation_languages"]["target_languages"] == targets


def test_a_call_from_captions_on_to_off(talk: httpx.Client, listener: dict[str, str]) -> None:
    until(lambda: talk.get(TRANSLATION_LANGUAGES).status_code == 200)
    rooms_before = talk.get("/healthz").json()["rooms"]
    answer = talk.post(TRANSCRIBE, json=listener | {"enable": True, "langId": "en"})
    assert (answer.status_code, answer.json()) == (200, {"message": "Transcription requested"})
    # At once, before the service can know the session.
    assert talk.post(SET_TARGET, json=listener | {"langId": "de"}).status_code == 200
    assert talk.get("/healthz").json()["rooms"] == rooms_before + 1

    room = {"roomToken": listener["roomToken"]}
    for langId in ("fr", "", "en"):
        assert talk.post(SET_LANGUAGE, json=room | {"langId": langId}).status_code == 200
    assert talk.post(SET_TARGET, json=listener | {"langId": None}).status_code == 200
    assert talk.post(TRANSCRIBE, json=listener | {"enable": False, "langId": "en"}).status_code == 200
    assert talk.post(LEAVE, json=room).status_code == 200
    assert talk.post(SET_LANGUAGE, json=room | {"langId": "en"}).status_code == 404
    stopped = talk.delete(f"{TRANSCRIBE}/{room['roomToken']}")
    assert stopped.json() == {"status": "stopped", "roomToken": room["roomToken"]}


def test_what_talk_gets_wrong_is_said(talk: httpx.Client, listener: dict[str, str]) -> None:
    until(lambda: talk.get(TRANSLATION_LANGUAGES).status_code == 200)
    assert talk.post(TRANSCRIBE, json=listener | {"langId": "tlh"}).status_code == 400
    assert "langId" in talk.post(TRANSCRIBE, json=listener | {"langId": "tlh"}).json()["error"]
    assert talk.post(TRANSCRIBE, json={"ncSessionId": "a"}).status_code == 400
    assert talk.post(TRANSCRIBE, content=b"{").status_code == 400
    assert talk.post(SET_TARGET, json=listener | {"langId": "de"}).status_code == 404

    assert talk.post(TRANSCRIBE, json=listener).status_code == 200
    assert talk.post(SET_TARGET, json=listener | {"langId": "en"}).status_code == 400
    assert talk.post(SET_TARGET, json=listener | {"langId": "tlh"}).status_code == 400
    stranger = listener | {"ncSessionId": "somebody else"}
    assert talk.post(SET_TARGET, json=stranger | {"langId": "de"}).status_code == 412


def test_enabling_is_passed_on(talk: httpx.Client, listener: dict[str, str], service: Service) -> None:
    assert talk.get("/enabled").json() == {"enabled": True}
    assert talk.put("/enabled", params={"enabled": "0"}).json() == {"error": ""}
    # Where the service is no ExApp, nobody can disable it.
    assert talk.get("/enabled").json() == {"enabled": not service.is_ex_app}
    assert talk.post(TRANSCRIBE, json=listener).status_code == (503 if service.is_ex_app else 200)
    assert talk.put("/enabled", params={"enabled": "1"}).json() == {"error": ""}
    assert talk.post(TRANSCRIBE, json=listener).status_code == 200


def test_a_front_end_with_wrong_credentials_gets_nowhere(service: Service) -> None:
    wrong = {name: value[:-1] for name, value in service.headers.items()}
    for headers in ({}, wrong):
        with serving_front_end(service.url, headers) as talk:
            answer = talk.get("/capabilities")
            assert (answer.status_code, answer.json()) == (401, {"error": "not authorised"})
            assert talk.get("/healthz").status_code == 200


def test_answers_come_well_before_talk_gives_up(client: httpx.Client, listener: dict[str, str]) -> None:
    for method, path, body in (
        ("GET", "/heartbeat", None),
        ("GET", "/capabilities", None),
        ("POST", "/init", None),
        ("POST", TRANSCRIBE, listener),
        ("POST", LEAVE, {"roomToken": listener["roomToken"]}),
    ):
        answer = client.request(method, path, json=body)
        assert answer.status_code == 200, path
        assert answer.elapsed.total_seconds() < 1, path


@pytest.fixture
def stand_in() -> Iterator[tuple[str, socket.socket]]:
    """A service that is asked and says only what a test has it say."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", listener


def answering(listener: socket.socket, answer: bytes) -> threading.Thread:
    def answer_one() -> None:
        caller, _ = listener.accept()
        with caller:
            caller.recv(65_536)
            caller.sendall(answer)

    thread = threading.Thread(target=answer_one)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("status", "body", "seen"),
    [
        (FATAL, b'{"error": "Cannot translate captions: no provider"}', FATAL),
        (503, b'{"error": "shutting down"}', 503),
        # What would break Talk is told apart from what the service means to say.
        (200, b'{"origin_languages": {}}', 502),
        (200, b'{"origin_languages": {}, "target_languages": {}, "more": 1}', 502),
        (550, b"{}", 502),
    ],
)
def test_statuses_get_through_and_other_shapes_do_not(
    stand_in: tuple[str, socket.socket], status: int, body: bytes, seen: int
) -> None:
    url, listener = stand_in
    head = f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    thread = answering(listener, head.encode() + body)
    with serving_front_end(url, {}) as talk:
        assert talk.get(TRANSLATION_LANGUAGES).status_code == seen
    thread.join()


def test_a_service_that_is_gone_is_503_to_talk() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with serving_front_end(url, {}) as talk:
        assert talk.get("/capabilities").status_code == 503

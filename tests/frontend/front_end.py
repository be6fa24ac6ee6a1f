"""The front end: passes Talk's calls on to the service and its answers back, as the Python app does.

Talk gives up after 3 s, so does the front end. What the service answers must fit the models below: a field too many
or too few is an error here, not a surprise in a call.
"""

from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, ValidationError

TIMEOUT_S = 3.0
FATAL = 550


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Message(Answer):
    message: str


class Stopped(Answer):
    status: str
    roomToken: str


class Metadata(Answer):
    separator: str
    rtl: bool


class Language(Answer):
    name: str
    metadata: Metadata


class TranslationLanguages(Answer):
    origin_languages: dict[str, Language]
    target_languages: dict[str, Language]


class Supported(Answer):
    supported_languages: dict[str, Language]


class SupportedTranslation(Answer):
    supported_translation_languages: TranslationLanguages


class LiveTranscription(Answer):
    version: str
    features: list[str]
    live_transcription: Supported
    live_translation: SupportedTranslation | None = None


class Capabilities(Answer):
    live_transcription: LiveTranscription


class Enabled(Answer):
    enabled: bool


class SetEnabled(Answer):
    error: str


class Health(Answer):
    status: str
    rooms: int
    speakers: int
    memory_mb: float
    timestamp: str


class Error(Answer):
    error: str


class Languages(BaseModel):
    """By id, so the ids are the fields."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Language]


#: What Talk and AppAPI ask for: method, path here and there, and the shape of a 200.
ROUTES: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("POST", "/api/v1/call/transcribe", Message),
    ("DELETE", "/api/v1/call/transcribe/{room_token}", Stopped),
    ("POST", "/api/v1/call/set-language", Message),
    ("POST", "/api/v1/call/leave", Message),
    ("GET", "/api/v1/languages", Languages),
    ("GET", "/api/v1/translation/languages", TranslationLanguages),
    ("POST", "/api/v1/translation/set-target-language", Message),
    ("GET", "/capabilities", Capabilities),
    ("GET", "/enabled", Enabled),
    ("PUT", "/enabled", SetEnabled),
    ("GET", "/healthz", Health),
)


def create_front_end(service_url: str, headers: dict[str, str]) -> FastAPI:
    app = FastAPI()

    async def pass_on(request: Request, shape: type[BaseModel]) -> Response:
        body = await request.body()
        kind = {"content-type": "application/json"} if body else {}
        try:
            async with httpx.AsyncClient(base_url=service_url, timeout=TIMEOUT_S) as service:
                answer = await service.request(
                    request.method,
                    request.url.path,
                    params=request.query_params,
                    content=body,
                    headers=headers | kind,
                )
        except httpx.TimeoutException:
            return JSONResponse({"error": "the service is too slow"}, 504)
        except httpx.TransportError:
            return JSONResponse({"error": "the service is out of reach"}, 503)
        return checked(answer, shape)

    for method, path, shape in ROUTES:

        async def handler(request: Request, shape: type[BaseModel] = shape) -> Response:
            return await pass_on(request, shape)

        app.add_route(path, handler, methods=[method])
    return app


def checked(answer: httpx.Response, shape: type[BaseModel]) -> Response:
    """The answer as it came, once it is known to be what Talk understands."""
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return JSONResponse({"error": "the service did not answer with JSON"}, 502)
    model: Any = shape if answer.status_code == 200 else Error
    try:
        model.model_validate_json(answer.content)
    except ValidationError as fault:
        return JSONResponse({"error": f"the service's answer has another shape: {fault}"}, 502)
    return Response(answer.content, answer.status_code, media_type="application/json")

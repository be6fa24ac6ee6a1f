"""Leads half of the well-formed requests to a room and languages that are there, so that they get past 400 and 404."""

import re
from typing import Any

import schemathesis

ROOM = "a-room"
SESSIONS = ("session-1", "session-2")
LANGUAGES = ("en", "de", "ar", "")


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    if not isinstance(body, dict) or not is_token(body.get("roomToken")) or len(body["roomToken"]) % 2:
        return body
    led = body | {"roomToken": ROOM}
    if isinstance(session := body.get("ncSessionId"), str) and session.isprintable() and 0 < len(session) <= 512:
        led["ncSessionId"] = SESSIONS[len(session) % len(SESSIONS)]
    for field in ("langId", "languageId", "translationTargetLangId"):
        if isinstance(language := body.get(field), str) and len(language) <= 64:
            led[field] = LANGUAGES[len(language) % len(LANGUAGES)]
    return led


def is_token(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[A-Za-z0-9_-]{1,64}", value) is not None

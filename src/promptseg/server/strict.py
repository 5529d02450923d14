"""Strict JSON, and routes that take nothing else: no duplicate keys, no NaN, no deep nesting, nothing but UTF-8."""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from promptseg.formats.reading import decode_text
from promptseg.server.http_errors import HttpError, too_large

MOST_CONTAINERS, MOST_VALUES = 1_000_000, 4_000_000
"""A body with more brackets or commas would take gigabytes as Python values."""

THREAD_BYTES = 262_144
"""Smaller bodies are parsed at once, larger ones beside the event loop."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def parse(content: bytes, depth: int) -> Any:
    """Returns the value of a JSON text.

    Raises:
        HttpError: 400, it is not strict JSON, or nested deeper than `depth`; 413, it holds too many values.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(f"it is not UTF-8 (byte {error.start})") from error
    if text.count("[") + text.count("{") > MOST_CONTAINERS or text.count(",") > MOST_VALUES:
        raise too_large(f"The body holds more than {MOST_CONTAINERS:,} lists or {MOST_VALUES:,} values.")
    if _deepest(text) > depth:
        raise _wrong(f"it is nested deeper than {depth} levels")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise _wrong(f"{error.msg} at character {error.pos}") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits
        raise _wrong("a number has too many digits") from error


def _deepest(text: str) -> int:
    """Returns how deep brackets are nested, not counting those inside strings."""
    deepest = level = 0
    for match in _BRACKET.finditer(_STRING.sub("", text)):
        level += 1 if match[0] in "[{" else -1
        deepest = max(deepest, level)
    return deepest


def _wrong(reason: str) -> HttpError:
    return HttpError(400, "JSONError", f"The body is not JSON that this server takes: {reason}.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name in result:
            raise _wrong(f"an object has the key {name[:40]!r} twice")
        result[name] = value
    return result


def _refuse(constant: str) -> Any:
    raise _wrong(f"{constant} is not a number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _wrong(f"the number {text[:40]} is too large")
    return number


class StrictRequest(Request):
    """A request whose JSON was parsed strictly."""

    async def json(self) -> Any:
        """Returns the parsed body."""
        return self.state.parsed

    def take(self, text: str) -> None:
        """Takes a text, whose body was read already, as {"text": ...}."""
        self._body = text.encode()
        self.state.parsed = {"text": text}


class StrictRoute(APIRoute):
    """Parses bodies by `parse`, and refuses those that say they are something else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wraps the route's handler."""
        handler = super().get_route_handler()
        takes_json = self.body_field is not None
        takes_text = "text/plain" in ((self.openapi_extra or {}).get("requestBody") or {}).get("content", {})

        async def handle(request: Request) -> Response:
            if not takes_json:
                return await handler(request)
            strictly = StrictRequest(request.scope, request.receive)
            if takes_text and _kind(request) == "text/plain":
                strictly = await _as_json(strictly)
            else:
                await _parse_body(strictly)
            return await handler(strictly)

        return handle


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _as_json(request: StrictRequest) -> StrictRequest:
    """Makes a plain text the JSON {"text": ...} that the route takes."""
    text = decode_text(await request.body(), "The body")
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
    request = StrictRequest(
        {**request.scope, "headers": [*headers, (b"content-type", b"application/json")]}, request.receive
    )
    request.take(text)
    return request


async def _parse_body(request: Request) -> None:
    content = await request.body()
    if not content:
        return
    kind = _kind(request)
    if kind != "application/json":
        raise HttpError(
            415, "MediaTypeError", f"This route takes Content-Type: application/json, got {kind[:80] or 'none'!r}."
        )
    depth = request.app.state.server.settings.limits.max_json_depth
    if len(content) < THREAD_BYTES:
        request.state.parsed = parse(content, depth)
    else:
        request.state.parsed = await asyncio.to_thread(parse, content, depth)

"""Strict JSON, and routes that take nothing else: no duplicate keys, no NaN, no deep nesting, nothing but UTF-8.

Time is linear in the body, whatever its bytes, and what takes more than a moment happens beside the event loop.
"""

import asyncio
import json
import math
import re
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from promptseg.formats.reading import decode_text
from promptseg.server.counts import check_counts
from promptseg.server.http_errors import HttpError, too_large

MOST_CONTAINERS, MOST_VALUES = 250_000, 2_000_000
"""A body with more brackets or commas would take gigabytes, and others long to wait, as Python values."""

THREAD_BYTES = 16_384
"""Smaller bodies are parsed and checked at once, larger ones beside the event loop."""

_PIECE = 65_536
_STRING = re.compile(rb'"[^"]*"?')
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SURROGATES = re.compile(rb"((?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}){1,64}+)|\\u[dD][89a-fA-F]")
"""Whole characters, up to 64 at a time, or else the beginning of half a one."""


def parse(content: bytes, depth: int) -> Any:
    """Returns the value of a JSON text.

    Raises:
        HttpError: 400, it is not strict JSON, or nested deeper than `depth`; 413, it holds too many values; 422, a
            text in it has half a character.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(f"it is not UTF-8 (byte {error.start})") from error
    if content.count(b"[") + content.count(b"{") > MOST_CONTAINERS or content.count(b",") > MOST_VALUES:
        raise too_large(f"The body holds more than {MOST_CONTAINERS:,} lists or {MOST_VALUES:,} values.")
    if _deepest(content) > depth:
        raise _wrong(f"it is nested deeper than {depth} levels")
    try:
        # Functions of Python for numbers and objects: between them other threads have their turn.
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite, parse_int=_whole
        )
    except json.JSONDecodeError as error:
        raise _wrong(f"{error.msg} at character {error.pos}") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits
        raise _wrong("a number has too many digits") from error
    if _has_lone_surrogate(content):
        raise HttpError(422, "SchemaError", "A text of the body holds half a character, a lone \\ud800 to \\udfff.")
    return value


def _deepest(content: bytes) -> int:
    """Returns how deep brackets are nested, not counting those inside strings. It goes piece by piece, in one pass."""
    deepest = level = start = 0
    inside = False  # whether the piece begins within a string
    while start < len(content):
        piece = content[start : start + _PIECE]
        start += len(piece)
        if start < len(content) and (len(piece) - len(piece.rstrip(b"\\"))) % 2:
            piece, start = piece[:-1], start - 1  # what escapes belongs to what is escaped
        piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        if inside:
            _, quote, piece = piece.partition(b'"')
            inside = not quote
        if piece.count(b'"') % 2:
            inside = True
        brackets = _STRING.sub(b"", piece).translate(None, _NO_BRACKETS)
        if brackets:
            opening = np.frombuffer(brackets.replace(b"{", b"["), np.uint8) == ord("[")
            levels = level + np.where(opening, 1, -1).cumsum()
            deepest, level = max(deepest, int(levels.max())), int(levels[-1])
    return deepest


def _has_lone_surrogate(content: bytes) -> bool:
    """Returns whether a JSON text escapes one half of a pair without the other."""
    if b"\\ud" not in content and b"\\uD" not in content:
        return False
    return any(match[1] is None for match in _SURROGATES.finditer(content.replace(b"\\\\", b"  ")))


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


def _whole(text: str) -> int:
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _wrong(f"the number {text[:40]} is too large")
    return number


class StrictRequest(Request):
    """A request whose JSON was parsed strictly."""

    async def json(self) -> Any:
        """Returns the parsed body."""
        return self.state.parsed

    def take(self, value: Any) -> None:
        """Takes what was made of the body, which was read already."""
        self._body = b"-"  # that there is one; nobody reads it again
        self.state.parsed = value


class StrictRoute(APIRoute):
    """Parses bodies by `parse`, and refuses those that say they are something else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wraps the route's handler."""
        handler = super().get_route_handler()
        field = self.body_field
        takes_text = "text/plain" in ((self.openapi_extra or {}).get("requestBody") or {}).get("content", {})
        if field is None:
            return handler

        def read(request: Request, content: bytes, plain: bool) -> Any:
            limits = request.app.state.server.limits
            parsed = {"text": decode_text(content, "The body")} if plain else parse(content, limits.max_json_depth)
            if field.field_info.annotation != dict[str, Any]:  # a label file has its own words
                check_counts(parsed, limits)
            value, errors = field.validate(parsed, {}, loc=("body",))
            if errors:
                raise RequestValidationError(errors)
            return value

        async def handle(request: Request) -> Response:
            content = await request.body()
            plain = takes_text and _kind(request) == "text/plain"
            if not content and not plain:
                return await handler(request)
            if not plain:
                _check_kind(request)
            if len(content) < THREAD_BYTES:
                value = read(request, content, plain)
            else:
                value = await asyncio.wrap_future(
                    request.app.state.server.readers.submit(read, request, content, plain)
                )
            return await handler(_with_value(request, value))

        return handle


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _check_kind(request: Request) -> None:
    kind = _kind(request)
    if kind != "application/json":
        raise HttpError(
            415, "MediaTypeError", f"This route takes Content-Type: application/json, got {kind[:80] or 'none'!r}."
        )


def _with_value(request: Request, value: Any) -> StrictRequest:
    """Returns the request as the framework reads it: JSON, whose value was made and checked already."""
    headers = [(name, given) for name, given in request.scope["headers"] if name != b"content-type"]
    scope = {**request.scope, "headers": [*headers, (b"content-type", b"application/json")]}
    strictly = StrictRequest(scope, request.receive)
    strictly.take(value)
    return strictly

"""Strict JSON: no duplicate keys, no NaN, no deep nesting, nothing but UTF-8."""

import json
import re
from typing import Any

from promptseg.server.http_errors import HttpError, too_large

MOST_CONTAINERS, MOST_VALUES = 1_000_000, 4_000_000
"""A body with more brackets or commas would take gigabytes as Python values."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def parse(content: bytes, depth: int) -> Any:
    """Returns the value of a JSON text.

    Raises:
        Problem: 400, it is not strict JSON, or nested deeper than `depth`; 413, it holds too many values.
    """
    try:
        text = content.decode("utf-8")
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

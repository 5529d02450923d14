"""Answers as JSON, written where the work is done: a large one would hold up the event loop."""

import json
from collections.abc import Mapping
from typing import Any

_SHALLOW = 4
"""So deep values are written piece by piece, between which other threads have their turn; what is deeper, at once."""

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def json_bytes(value: Any) -> bytes:
    """Returns a value as JSON; a lone half of a character becomes a question mark."""
    return _text(value, _SHALLOW).encode("utf-8", "replace")


def _text(value: Any, levels: int) -> str:
    if levels and isinstance(value, Mapping):
        return "{" + ",".join(f"{_encode(str(name))}:{_text(item, levels - 1)}" for name, item in value.items()) + "}"
    if levels and isinstance(value, list):
        return "[" + ",".join(_text(item, levels - 1) for item in value) + "]"
    return _encode(value)

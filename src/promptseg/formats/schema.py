"""Checks a JSON value against one of the JSON schemas in the package, without a package for it.

Only the words that these schemas use are understood; an unknown word is an error here, not silently skipped. Unlike
JSON Schema, numbers must be finite, since `json.loads` lets NaN through.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import Any

from promptseg.errors import FormatError
from promptseg.formats.reading import shorten

Schema = Mapping[str, Any]

_SILENT = {"$schema", "$defs", "title", "description"}


@cache
def load_schema(name: str) -> Schema:
    """Returns the schema called `name` ("sa1b") as JSON."""
    path = resources.files("promptseg.formats").joinpath("schemas", f"{name}.schema.json")
    return json.loads(path.read_text(encoding="utf-8"))


def check_schema(value: Any, name: str) -> None:
    """Checks a value against the schema called `name`.

    Raises:
        FormatError: it does not fit; the message says where, what was given and what was expected.
    """
    schema = load_schema(name)
    _check(value, schema, schema, "the record")


def _check(value: Any, schema: Schema, root: Schema, where: str) -> None:
    if "$ref" in schema:
        *_, name = schema["$ref"].split("/")
        schema = root["$defs"][name]
    kind = schema["type"]
    if not _TYPES[kind](value):
        raise FormatError(f"{where} must be of type {kind}, got {shorten(value)}.")
    for word, wanted in schema.items():
        if word not in _SILENT and word != "type":
            _RULES[word](value, wanted, schema, root, where)


def _is_number(value: Any) -> bool:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return real and (isinstance(value, int) or math.isfinite(value))


def _is_integer(value: Any) -> bool:
    return _is_number(value) and value == int(value)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": _is_integer,
}


def _required(value: Any, wanted: Any, schema: Schema, root: Schema, where: str) -> None:
    missing = [name for name in wanted if name not in value]
    if missing:
        raise FormatError(f"{where} needs {missing[0]!r}, got {shorten(value)}.")


def _strangers(value: Any, wanted: Any, schema: Schema, root: Schema, where: str) -> None:
    more = [name for name in value if name not in schema["properties"]]
    if more and not wanted:
        raise FormatError(
            f"{where} has {shorten(more[0])}, which does not belong there: expected {_words(schema)}."
        )


def _words(schema: Schema) -> str:
    return ", ".join(schema["properties"])


def _properties(value: Any, wanted: Any, schema: Schema, root: Schema, where: str) -> None:
    for name, inner in wanted.items():
        if name in value:
            _check(value[name], inner, root, f"{where}.{name}" if where != "the record" else name)


def _prefix(value: Any, wanted: Any, schema: Schema, root: Schema, where: str) -> None:
    for index, (item, inner) in enumerate(zip(value, wanted, strict=False)):
        _check(item, inner, root, f"{where}[{index}]")


def _items(value: Any, wanted: Any, schema: Schema, root: Schema, where: str) -> None:
    first = len(schema.get("prefixItems", ()))
    if wanted is False:
        if len(value) > first:
            raise FormatError(f"{where} must have {first} elements, got {shorten(value)}.")
        return
    for index, item in enumerate(value[first:], start=first):
        _check(item, wanted, root, f"{where}[{index}]")


def _length(least: bool) -> Callable[..., None]:
    def check(value: Any, wanted: Any, schema: Schema, root: Schema, where: str) -> None:
        if len(value) < wanted if least else len(value) > wanted:
            raise FormatError(
                f"{where} must have at {'least' if least else 'most'} {wanted} elements, got {shorten(value)}."
            )

    return check


def _bound(least: bool) -> Callable[..., None]:
    def check(value: Any, wanted: Any, schema: Schema, root: Schema, where: str) -> None:
        if value < wanted if least else value > wanted:
            raise FormatError(f"{where} must be at {'least' if least else 'most'} {wanted}, got {value}.")

    return check


def _pattern(value: Any, wanted: Any, schema: Schema, root: Schema, where: str) -> None:
    if not re.search(wanted, value):
        raise FormatError(f"{where} must match {wanted}, got {shorten(value)}.")


_RULES: dict[str, Callable[..., None]] = {
    "required": _required,
    "additionalProperties": _strangers,
    "properties": _properties,
    "prefixItems": _prefix,
    "items": _items,
    "minItems": _length(True),
    "maxItems": _length(False),
    "minLength": _length(True),
    "minimum": _bound(True),
    "maximum": _bound(False),
    "pattern": _pattern,
}

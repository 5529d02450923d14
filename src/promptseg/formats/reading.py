"""Reading label files with care: every failure is a FormatError that names the file and what is wrong."""

import codecs
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from promptseg.errors import FormatError, shorten
from promptseg.geometry import Size
from promptseg.masks.records import FARTHEST
from promptseg.masks.rle import too_large


class Extent(NamedTuple):
    """What a label file says of its picture, unchecked, and how much of it there is to paint.

    Attributes:
        size: height and width of the picture.
        masks: how many masks there are.
        parts: how many outlines or run lengths they have together.
    """

    size: tuple[Any, Any]
    masks: int
    parts: int


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Returns what is in a file.

    Raises:
        FormatError: it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FormatError(f"Cannot read {path}: {error.strerror or error}. Check the path.") from error


def read_text(path: str | os.PathLike[str]) -> str:
    """Returns the text of a UTF-8 file, with or without a byte order mark, or of a UTF-16 file with one.

    Raises:
        FormatError: it cannot be read, or is neither.
    """
    return decode_text(read_bytes(path), str(path))


def decode_text(content: bytes, what: str) -> str:
    """Returns bytes as text (see `read_text`).

    Raises:
        FormatError: they are not UTF-8, nor UTF-16 with a byte order mark.
    """
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{what} is not UTF-{16 if wide else 8} text (byte {error.start}).") from error


def read_json(path: str | os.PathLike[str]) -> Any:
    """Returns the value of a JSON file.

    Raises:
        FormatError: it cannot be read, or is not JSON.
    """
    return parse_json(read_text(path), str(path))


def parse_json(content: str, what: str) -> Any:
    """Returns the value of a JSON text.

    Raises:
        FormatError: it is not JSON.
    """
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise FormatError(f"{what} is not JSON: {error}.") from error
    except RecursionError as error:
        raise FormatError(f"{what} is JSON nested too deeply.") from error
    except ValueError as error:
        raise FormatError(f"{what} is not usable JSON: {error}.") from error


def number(value: Any, what: str, least: float = -FARTHEST, most: float = FARTHEST) -> float:
    """Returns a finite number, as it is.

    Raises:
        FormatError: it is not one, or out of bounds.
    """
    real = isinstance(value, int | float) and not isinstance(value, bool)
    if not real or (isinstance(value, float) and not math.isfinite(value)):
        raise FormatError(f"{what} must be a number, got {shorten(value)}.")
    if not least <= value <= most:
        bound = f"least {least:.17g}" if value < least else f"most {most:.17g}"
        raise FormatError(f"{what} must be at {bound}, got {shorten(value)}.")
    return value


def integer(value: Any, what: str, least: int = 0, most: float = math.inf) -> int:
    """Returns a whole number; as in JSON Schema, 3.0 is one.

    Raises:
        FormatError: it is not one, or out of bounds.
    """
    whole = value.is_integer() if isinstance(value, float) else isinstance(value, int)
    if not whole or isinstance(value, bool):
        raise FormatError(f"{what} must be an integer, got {shorten(value)}.")
    return int(number(value, what, least, most))


def text(value: Any, what: str) -> str:
    """Returns a text that is not empty.

    Raises:
        FormatError: it is not one.
    """
    if not isinstance(value, str) or not value:
        raise FormatError(f"{what} must be a text of at least one letter, got {shorten(value)}.")
    return value


def items(value: Any, what: str, least: int = 0, most: float = math.inf) -> list[Any]:
    """Returns a list.

    Raises:
        FormatError: it is not one, or has too few or too many elements.
    """
    if not isinstance(value, list):
        raise FormatError(f"{what} must be a list, got {shorten(value)}.")
    if not least <= len(value) <= most:
        bound = f"least {least}" if len(value) < least else f"most {most}"
        raise FormatError(f"{what} must have at {bound} elements, got {shorten(value)}.")
    return value


def fields(value: Any, what: str, *names: str) -> Mapping[str, Any]:
    """Returns a JSON object that has these fields and no others.

    Raises:
        FormatError: it is not one.
    """
    record = mapping(value, what)
    for name in names:
        if name not in record:
            raise FormatError(f"{what} needs {name!r}, got {shorten(value)}.")
    for name in record:
        if name not in names:
            raise FormatError(f"{what} has {shorten(name)}, which does not belong there: expected {', '.join(names)}.")
    return record


def points(value: Any, what: str, least: int) -> npt.NDArray[np.float64]:
    """Returns (N, 2) finite points.

    Raises:
        FormatError: it is not a list of at least `least` pairs of numbers.
    """
    if not isinstance(value, list) or len(value) < least:
        raise FormatError(f"{what} must be a list of at least {least} [x, y] pairs, got {shorten(value)}.")
    pairs: list[Any] = value
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise FormatError(f"{what} must be a list of [x, y] pairs, got {shorten(value)}.")
    return np.array([[number(x, what), number(y, what)] for x, y in pairs], np.float64).reshape(-1, 2)


def size(height: Any, width: Any, what: str) -> Size:
    """Returns a picture size.

    Raises:
        FormatError: the sides are not positive integers, or too large.
    """
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in (height, width))
    if not whole or height < 1 or width < 1 or too_large(height, width):
        raise FormatError(
            f"{what} must have a positive integer height and width of a sensible size, "
            f"got {shorten(height)} and {shorten(width)}."
        )
    return Size(height, width)


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """Returns a JSON object.

    Raises:
        FormatError: it is not one.
    """
    if not isinstance(value, Mapping):
        raise FormatError(f"{what} must be an object, got {shorten(value)}.")
    return value


def entries(record: Any, key: str) -> list[dict[str, Any]]:
    """Returns a list of JSON objects that a label file holds.

    Raises:
        FormatError: there is no such list.
    """
    found = record.get(key) if isinstance(record, dict) else None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise FormatError(f"The label file needs {key!r}, a list of objects. Check the format.")
    return found

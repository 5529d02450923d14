"""Reading label files with care: every failure is a FormatError that names the file and what is wrong."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.errors import FormatError
from promptseg.geometry import Size
from promptseg.masks.rle import too_large

_FARTHEST = 1e9


def read_text(path: str | os.PathLike[str]) -> str:
    """Returns the text of a UTF-8 file.

    Raises:
        FormatError: it cannot be read, or is not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FormatError(f"Cannot read {path}: {error.strerror or error}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not UTF-8 text (byte {error.start}).") from error


def read_json(path: str | os.PathLike[str]) -> Any:
    """Returns the value of a JSON file.

    Raises:
        FormatError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise FormatError(f"{path} is not JSON: {error}.") from error
    except RecursionError as error:
        raise FormatError(f"{path} is JSON nested too deeply.") from error
    except ValueError as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path} is not usable JSON: {error}.") from error


def shorten(value: Any) -> str:
    """Returns a short form of a value for messages."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def number(value: Any, what: str) -> float:
    """Returns a finite number of sensible size.

    Raises:
        FormatError: it is not one.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _FARTHEST:
        raise FormatError(f"{what} must be a number, got {shorten(value)}.")
    return float(value)


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
    return np.array([[number(x, what), number(y, what)] for x, y in pairs]).reshape(-1, 2)


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

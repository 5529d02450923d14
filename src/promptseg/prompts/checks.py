"""What every prompt checks when it is made: numbers, signs, corners."""

import math
from typing import Any, TypeAlias

import numpy as np

from promptseg.errors import PromptError
from promptseg.geometry import Size

Vertices: TypeAlias = tuple[tuple[float, float], ...]
"""(x, y) pixels, in order."""


FARTHEST = 1e9
"""No coordinate lies farther out: what does is a mistake, and sums of it would overflow."""


def finite(what: str, *values: Any) -> tuple[float, ...]:
    """Takes numbers of any kind; `what` begins the message."""
    try:
        if any(isinstance(value, str | bytes | bool) for value in values):
            raise TypeError
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError, OverflowError) as error:
        raise PromptError(f"{what} needs numbers, got {short(values)}.") from error
    if not all(math.isfinite(number) and abs(number) <= FARTHEST for number in numbers):
        raise PromptError(f"{what} needs finite pixel coordinates, got {short(values)}.")
    return numbers


def sign(what: str, positive: Any) -> bool:
    """Takes a bool, or SAM's labels 1 and 0."""
    if isinstance(positive, bool | int | np.bool_ | np.integer) and positive in (0, 1):
        return bool(positive)
    raise PromptError(f"{what} is positive=True or positive=False, got positive={short(positive)}.")


def short(value: Any) -> str:
    """Shows a value in one short line, whatever it is."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def spell(size: Size) -> str:
    """Says how large a picture is."""
    return f"{size.width} x {size.height} pixels"


def numbers(text: str, what: str, form: str, example: str) -> tuple[float, ...]:
    """Reads `1,2,3`.

    Raises:
        PromptError: it is not a list of numbers, or not as long as `form`.
    """
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != form.count(",") + 1:
        raise PromptError(f"{what} expects {form} in pixels (like {example}), got {text!r}.")
    return values


def vertices(what: str, points: Any, least: int) -> Vertices:
    """Takes at least `least` pairs of numbers."""
    try:
        corners = tuple(finite(what, x, y) for x, y in points)
    except (TypeError, ValueError) as error:
        if isinstance(error, PromptError):
            raise
        raise PromptError(f"{what} needs a list of (x, y) pairs, got {short(points)}.") from error
    if len(corners) < least:
        raise PromptError(f"{what} needs at least {least} points, got {len(corners)}.")
    return corners  # type: ignore[return-value]

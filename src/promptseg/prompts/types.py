"""Prompt types: immutable values that say where an object is, in pixels of the original picture.

A prompt is positive ("this belongs to the object") unless `positive=False`. Every type checks itself when it is
made, turns into plain JSON with `to_json`, and comes back with `prompt_from_json`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.errors import FormatError, PromptError

Vertices: TypeAlias = tuple[tuple[float, float], ...]
"""(x, y) pixels, in order."""


FARTHEST = 1e9
"""No coordinate lies farther out: what does is a mistake, and sums of it would overflow."""


def _finite(what: str, *values: Any) -> tuple[float, ...]:
    try:
        if any(isinstance(value, str | bytes | bool) for value in values):
            raise TypeError
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError, OverflowError) as error:
        raise PromptError(f"{what} needs numbers, got {_short(values)}.") from error
    if not all(math.isfinite(number) and abs(number) <= FARTHEST for number in numbers):
        raise PromptError(f"{what} needs finite pixel coordinates, got {_short(values)}.")
    return numbers


def _sign(what: str, positive: Any) -> bool:
    """Takes a bool, or SAM's labels 1 and 0."""
    if isinstance(positive, bool | int | np.bool_ | np.integer) and positive in (0, 1):
        return bool(positive)
    raise PromptError(f"{what} is positive=True or positive=False, got positive={_short(positive)}.")


def _short(value: Any) -> str:
    """Shows a value in one short line, whatever it is."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def _vertices(what: str, points: Any, least: int) -> Vertices:
    try:
        vertices = tuple(_finite(what, x, y) for x, y in points)
    except (TypeError, ValueError) as error:
        if isinstance(error, PromptError):
            raise
        raise PromptError(f"{what} needs a list of (x, y) pairs, got {_short(points)}.") from error
    if len(vertices) < least:
        raise PromptError(f"{what} needs at least {least} points, got {len(vertices)}.")
    return vertices  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Point:
    """A click at (x, y).

    Raises:
        PromptError: a coordinate is not a finite number.
    """

    kind: ClassVar[str] = "point"
    x: float
    y: float
    positive: bool = True

    def __post_init__(self) -> None:
        x, y = _finite("A point", self.x, self.y)
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)
        object.__setattr__(self, "positive", _sign("A point", self.positive))

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON."""
        return {"type": self.kind, "x": self.x, "y": self.y, "positive": self.positive}


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle from (x0, y0) to (x1, y1); corners in the wrong order are put right.

    Raises:
        PromptError: a coordinate is not a finite number, or the box has no area.
    """

    kind: ClassVar[str] = "box"
    x0: float
    y0: float
    x1: float
    y1: float
    positive: bool = True

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = _finite("A box", self.x0, self.y0, self.x1, self.y1)
        for name, value in zip(
            ("x0", "y0", "x1", "y1"), (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), strict=True
        ):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "positive", _sign("A box", self.positive))
        if self.x0 == self.x1 or self.y0 == self.y1:
            raise PromptError(
                f"A box needs a width and a height, got {x0:g},{y0:g},{x1:g},{y1:g}. "
                "Give x0,y0,x1,y1 of two opposite corners, or use a point."
            )

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """The corners as one tuple."""
        return self.x0, self.y0, self.x1, self.y1

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON."""
        return {"type": self.kind, "box": list(self.xyxy), "positive": self.positive}


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed outline given by its corners; the last joins the first.

    Raises:
        PromptError: fewer than three corners, or a coordinate is not a finite number.
    """

    kind: ClassVar[str] = "polygon"
    points: Vertices
    positive: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", _vertices("A polygon", self.points, 3))
        object.__setattr__(self, "positive", _sign("A polygon", self.positive))

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON."""
        return {
            "type": self.kind,
            "points": [list(point) for point in self.points],
            "positive": self.positive,
        }


@dataclass(frozen=True, slots=True)
class Scribble:
    """An open stroke drawn over the object, `width` pixels wide.

    Raises:
        PromptError: no points, a coordinate is not finite, or the width is not positive.
    """

    kind: ClassVar[str] = "scribble"
    points: Vertices
    width: float = 5.0
    positive: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", _vertices("A scribble", self.points, 1))
        object.__setattr__(self, "positive", _sign("A scribble", self.positive))
        (width,) = _finite("A scribble's width", self.width)
        if width <= 0:
            raise PromptError(f"A scribble's width must be positive, got {width:g}.")
        object.__setattr__(self, "width", width)

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON."""
        points = [list(point) for point in self.points]
        return {"type": self.kind, "points": points, "width": self.width, "positive": self.positive}


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A rough mask of the object over the whole picture, at any resolution.

    `array` is (H, W): bool, or probabilities in [0, 1], or integers 0/1 or 0/255.

    Raises:
        PromptError: the array is not two-dimensional, is empty, or holds other values.
    """

    kind: ClassVar[str] = "mask"
    array: npt.NDArray[Any] = field(repr=False)
    positive: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "positive", _sign("A mask prompt", self.positive))
        try:
            given = np.asarray(self.array)
        except (TypeError, ValueError) as error:
            raise PromptError(f"A mask prompt needs a (height, width) array: {error}.") from error
        if given.ndim != 2 or given.size == 0:
            raise PromptError(f"A mask prompt needs a (height, width) array, got shape {given.shape}.")
        if given.dtype.kind not in "buif":
            raise PromptError(f"A mask prompt needs bool or numbers, got dtype {given.dtype}.")
        with np.errstate(over="ignore"):  # becomes infinite, which is refused below
            values = given.astype(np.float32)
        if given.dtype.kind in "ui" and values.max(initial=0) > 1:
            values /= 255.0
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise PromptError(
                "A mask prompt needs bool, probabilities from 0 to 1, or 0/255 integers; "
                f"got values from {values.min():g} to {values.max():g}."
            )
        values.flags.writeable = False
        object.__setattr__(self, "array", values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return self.positive == other.positive and np.array_equal(self.array, other.array)

    def __hash__(self) -> int:
        return hash((self.array.shape, self.array.tobytes(), self.positive))

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON: the mask as COCO RLE after thresholding at one half."""
        from promptseg.masks.rle import RLE

        return {
            "type": self.kind,
            "segmentation": RLE.encode(self.array > 0.5).to_coco(),
            "positive": self.positive,
        }


@dataclass(frozen=True, slots=True)
class Text:
    """A phrase that names what to segment, for models with semantics."""

    kind: ClassVar[str] = "text"
    phrase: str

    def __post_init__(self) -> None:
        phrase: Any = self.phrase
        if not isinstance(phrase, str) or not phrase.strip():
            raise PromptError(f"A text prompt needs a phrase, got {_short(phrase)}.")

    positive: ClassVar[bool] = True

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON."""
        return {"type": self.kind, "phrase": self.phrase}


Prompt: TypeAlias = Point | Box | Mask | Polygon | Scribble | Text
"""One prompt."""

ObjectPrompts: TypeAlias = tuple[Prompt, ...]
"""All prompts that speak of one object."""


def prompt_from_json(record: Mapping[str, Any]) -> Prompt:
    """Makes a prompt from the JSON that `to_json` wrote.

    Raises:
        PromptError: the type is unknown or a field is missing or wrong.
    """
    from promptseg.masks.rle import RLE

    try:
        kind, positive = record["type"], record.get("positive", True)
        if kind == "point":
            return Point(record["x"], record["y"], positive)
        if kind == "box":
            return Box(*record["box"], positive=positive)
        if kind == "polygon":
            return Polygon(record["points"], positive)
        if kind == "scribble":
            return Scribble(record["points"], record.get("width", 5.0), positive)
        if kind == "mask":
            return Mask(RLE.from_coco(record["segmentation"]).dense(), positive)
        if kind == "text":
            return Text(record["phrase"])
    except (KeyError, TypeError, AttributeError, FormatError) as error:
        raise PromptError(
            f"This prompt record lacks a field or has a wrong one ({error}): {_short(record)}."
        ) from error
    raise PromptError(
        f"Unknown prompt type {_short(kind)}: expected point, box, polygon, scribble, mask or text."
    )


def group_objects(
    prompts: "Prompt | Sequence[Prompt] | Sequence[Sequence[Prompt]]",
) -> tuple[ObjectPrompts, ...]:
    """Sorts what a caller gave into objects.

    One prompt or a flat list of prompts speaks of one object; a list of lists speaks of several. A flat list that
    holds nothing but two or more positive boxes speaks of one object per box, as in the official batched API.

    Raises:
        PromptError: nothing was given, or single prompts and lists of prompts are mixed.
    """
    if isinstance(prompts, Point | Box | Mask | Polygon | Scribble | Text):
        return ((prompts,),)
    try:
        items: list[Any] = list(prompts)
    except TypeError:
        _check(prompts)
        raise
    if not items:
        raise PromptError("No prompt was given: give at least one point, box, mask, polygon or scribble.")
    lists = [isinstance(item, Sequence) and not isinstance(item, str) for item in items]
    if all(lists):
        objects = tuple(tuple(item) for item in items)
        for position, parts in enumerate(objects):
            if not parts:
                raise PromptError(f"Object {position} has no prompt.")
            for part in parts:
                _check(part)
        return objects
    if any(lists):
        raise PromptError(
            "Give either prompts of one object, or one list of prompts per object, not a mixture."
        )
    for item in items:
        _check(item)
    if len(items) > 1 and all(isinstance(item, Box) and item.positive for item in items):
        return tuple((item,) for item in items)
    return (tuple(items),)


def _check(item: Any) -> None:
    if not isinstance(item, Point | Box | Mask | Polygon | Scribble | Text):
        raise PromptError(
            f"Expected Point, Box, Mask, Polygon, Scribble or Text, got {type(item).__name__} ({_short(item)})."
        )

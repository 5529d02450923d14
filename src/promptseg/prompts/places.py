"""Prompts that say where: point, box, polygon, circle, scribble, mask."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.errors import PromptError
from promptseg.prompts.checks import Vertices, finite, sign, vertices


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
        x, y = finite("A point", self.x, self.y)
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)
        object.__setattr__(self, "positive", sign("A point", self.positive))

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
        x0, y0, x1, y1 = finite("A box", self.x0, self.y0, self.x1, self.y1)
        for name, value in zip(
            ("x0", "y0", "x1", "y1"), (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), strict=True
        ):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "positive", sign("A box", self.positive))
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
        object.__setattr__(self, "points", vertices("A polygon", self.points, 3))
        object.__setattr__(self, "positive", sign("A polygon", self.positive))

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON."""
        return {
            "type": self.kind,
            "points": [list(point) for point in self.points],
            "positive": self.positive,
        }


@dataclass(frozen=True, slots=True)
class Circle:
    """The disc of `radius` pixels around (x, y).

    Raises:
        PromptError: a number is not finite, or the radius is not positive.
    """

    kind: ClassVar[str] = "circle"
    x: float
    y: float
    radius: float
    positive: bool = True

    def __post_init__(self) -> None:
        for name, value in zip(
            ("x", "y", "radius"), finite("A circle", self.x, self.y, self.radius), strict=True
        ):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "positive", sign("A circle", self.positive))
        if self.radius <= 0:
            raise PromptError(f"A circle's radius must be positive, got {self.radius:g}.")
        finite(
            "A circle", abs(self.x) + 2 * self.radius, abs(self.y) + 2 * self.radius
        )  # so that it can be drawn

    @property
    def polygon(self) -> Polygon:
        """A polygon of the same area with 64 corners."""
        corners = 64
        step = 2 * math.pi / corners
        reach = self.radius * math.sqrt(step / math.sin(step))
        points = tuple(
            (self.x + reach * math.cos(step * place), self.y + reach * math.sin(step * place))
            for place in range(corners)
        )
        return Polygon(points, self.positive)

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON."""
        place = {"x": self.x, "y": self.y, "radius": self.radius}
        return {"type": self.kind, **place, "positive": self.positive}


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
        object.__setattr__(self, "points", vertices("A scribble", self.points, 1))
        object.__setattr__(self, "positive", sign("A scribble", self.positive))
        (width,) = finite("A scribble's width", self.width)
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
        object.__setattr__(self, "positive", sign("A mask prompt", self.positive))
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


PlacePrompt: TypeAlias = Point | Box | Mask | Polygon | Circle | Scribble
"""A prompt that says where in the picture."""

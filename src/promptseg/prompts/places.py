"""Prompts that say where: point, box, polygon, circle, scribble, mask."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, Float32
from promptseg.errors import PromptError
from promptseg.geometry import ResizeFrame, Size
from promptseg.prompts.checks import Vertices, finite, numbers, sign, spell, vertices
from promptseg.prompts.prompt import Bounds, Fed, Feed, PlacePrompt
from promptseg.prompts.shapes import GRID, Shape, box_of, dot, resized, samples

if TYPE_CHECKING:
    from promptseg.masks.marks import Marks


@dataclass(frozen=True, slots=True)
class Point(PlacePrompt):
    """A click at (x, y).

    Raises:
        PromptError: a coordinate is not a finite number.
    """

    kind: ClassVar[str] = "point"
    layer: ClassVar[int] = 5
    about: ClassVar[str] = "A click on the object."
    x: float
    y: float
    positive: bool = True

    def __post_init__(self) -> None:
        x, y = finite("A point", self.x, self.y)
        self._set(x=x, y=y, positive=sign("A point", self.positive))

    def check_inside(self, size: Size) -> None:
        """Refuses a point outside the picture."""
        if not (0 <= self.x <= size.width and 0 <= self.y <= size.height):
            raise PromptError(
                f"The point {self.x:g},{self.y:g} lies outside the picture of {spell(size)}. "
                "Coordinates are x,y in pixels of the original picture, from the top-left corner."
            )

    def shape(self, size: Size) -> Shape:
        """Returns the point alone."""
        return Shape(np.array([(self.x, self.y)]), width=0.0)

    def touched(self, picture: Size, size: Size) -> BoolArray:
        """Returns a square of 3 x 3 pixels around the pixel that holds it."""
        self.check_inside(picture)
        return dot(self.x, self.y, picture, size)

    def fed(self, frame: ResizeFrame, feed: Feed) -> Fed:
        """Returns the point itself, which SAM understands."""
        return Fed(points=[tuple(frame.to_model((self.x, self.y)))])

    def cropped(self, box: tuple[int, int, int, int], size: Size) -> Self:
        """Returns the point as one of the part inside `box`."""
        return replace(self, x=self.x - box[0], y=self.y - box[1])

    def mark(self, marks: "Marks") -> None:
        """Marks it as a disc."""
        marks.dot(self.x, self.y, self.positive)


@dataclass(frozen=True, slots=True)
class Box(PlacePrompt):
    """A rectangle from (x0, y0) to (x1, y1); corners in the wrong order are put right.

    Raises:
        PromptError: a coordinate is not a finite number, or the box has no area.
    """

    kind: ClassVar[str] = "box"
    layer: ClassVar[int] = 4
    about: ClassVar[str] = "A box around the object; several boxes: several objects."
    form: ClassVar[str] = "x0,y0,x1,y1"
    example: ClassVar[str] = "40,60,400,380"
    x0: float
    y0: float
    x1: float
    y1: float
    positive: bool = True

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = finite("A box", self.x0, self.y0, self.x1, self.y1)
        self._set(x0=min(x0, x1), y0=min(y0, y1), x1=max(x0, x1), y1=max(y0, y1))
        self._set(positive=sign("A box", self.positive))
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

    @classmethod
    def from_json(cls, record: Mapping[str, Any], *, paths: bool = True) -> Self:
        """Makes it from the JSON that `to_json` wrote."""
        return cls(*record["box"], positive=record.get("positive", True))

    def _inside(self, size: Size) -> tuple[float, float, float, float]:
        x0, y0, x1, y1 = np.clip(np.array(self.xyxy), 0, (size.width, size.height) * 2).tolist()
        return x0, y0, x1, y1

    def check_inside(self, size: Size) -> None:
        """Refuses a box that does not overlap the picture."""
        x0, y0, x1, y1 = self._inside(size)
        if x1 <= x0 or y1 <= y0:
            corners = ",".join(f"{value:g}" for value in self.xyxy)
            raise PromptError(f"The box {corners} does not overlap the picture of {spell(size)}.")

    def shape(self, size: Size) -> Shape:
        """Returns the part of it that lies in the picture."""
        x0, y0, x1, y1 = self._inside(size)
        return Shape(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), compact=True)

    def fed(self, frame: ResizeFrame, feed: Feed) -> Fed:
        """Returns the corners of a positive box, which SAM understands."""
        if not self.positive:
            return PlacePrompt.fed(self, frame, self.feed)
        corners = np.array(self._inside(frame.original)).reshape(2, 2)
        return Fed(points=[], box=frame.to_model(corners).reshape(4), given=True)

    def cropped(self, box: tuple[int, int, int, int], size: Size) -> Self:
        """Returns the box as one of the part inside `box`, which it may reach out of."""
        x, y = box[:2]
        return replace(self, x0=self.x0 - x, y0=self.y0 - y, x1=self.x1 - x, y1=self.y1 - y)

    def mark(self, marks: "Marks") -> None:
        """Marks it as a frame."""
        x0, y0, x1, y1 = self.xyxy
        marks.line([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], self.positive)


class _Line(PlacePrompt):
    """What a polygon and a scribble share: many points."""

    __slots__ = ()
    points: Vertices

    def cropped(self, box: tuple[int, int, int, int], size: Size) -> Self:
        """Returns it with points of the part inside `box`, which it may reach out of."""
        return replace(self, points=tuple((x - box[0], y - box[1]) for x, y in self.points))  # type: ignore[type-var]

    @classmethod
    def from_text(cls, text: str, option: str, **named: Any) -> Self:
        """Reads `x,y x,y x,y`; semicolons may stand for the spaces."""
        pairs = (numbers(part, option, "x,y", cls.example) for part in text.replace(";", " ").split())
        return cls(tuple(pairs), **named)  # type: ignore[call-arg]


@dataclass(frozen=True, slots=True)
class Polygon(_Line):
    """A closed outline given by its corners; the last joins the first.

    Raises:
        PromptError: fewer than three corners, or a coordinate is not a finite number.
    """

    kind: ClassVar[str] = "polygon"
    layer: ClassVar[int] = 1
    feed: ClassVar[Feed] = Feed(box=True, points=1, mask=True)
    about: ClassVar[str] = "A rough outline."
    form: ClassVar[str] = '"x,y x,y x,y"'
    points: Vertices
    positive: bool = True

    def __post_init__(self) -> None:
        self._set(points=vertices("A polygon", self.points, 3), positive=sign("A polygon", self.positive))

    def shape(self, size: Size) -> Shape:
        """Returns the area inside its corners."""
        return Shape(np.array(self.points))


@dataclass(frozen=True, slots=True)
class Circle(PlacePrompt):
    """The disc of `radius` pixels around (x, y).

    Raises:
        PromptError: a number is not finite, or the radius is not positive.
    """

    kind: ClassVar[str] = "circle"
    layer: ClassVar[int] = 2
    feed: ClassVar[Feed] = Feed(points=3)
    about: ClassVar[str] = "A circle over the object or around it."
    form: ClassVar[str] = "x,y,radius"
    example: ClassVar[str] = "320,210,40"
    x: float
    y: float
    radius: float
    positive: bool = True

    def __post_init__(self) -> None:
        x, y, radius = finite("A circle", self.x, self.y, self.radius)
        self._set(x=x, y=y, radius=radius, positive=sign("A circle", self.positive))
        if radius <= 0:
            raise PromptError(f"A circle's radius must be positive, got {radius:g}.")
        finite("A circle", abs(x) + 2 * radius, abs(y) + 2 * radius)  # so that it can be drawn

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

    def shape(self, size: Size) -> Shape:
        """Returns its polygon."""
        return self.polygon.shape(size)

    def footprint(self, size: Size) -> Shape:
        """Returns the disc."""
        return Shape(np.array([(self.x, self.y)]), 2 * self.radius)

    def cropped(self, box: tuple[int, int, int, int], size: Size) -> Self:
        """Returns the disc as one of the part inside `box`."""
        return replace(self, x=self.x - box[0], y=self.y - box[1])


@dataclass(frozen=True, slots=True)
class Scribble(_Line):
    """An open stroke drawn over the object, `width` pixels wide.

    Raises:
        PromptError: no points, a coordinate is not finite, or the width is not positive.
    """

    kind: ClassVar[str] = "scribble"
    layer: ClassVar[int] = 3
    feed: ClassVar[Feed] = Feed(points=3)
    about: ClassVar[str] = "A stroke over the object."
    form: ClassVar[str] = '"x,y x,y"'
    points: Vertices
    width: float = 5.0
    positive: bool = True

    def __post_init__(self) -> None:
        self._set(points=vertices("A scribble", self.points, 1), positive=sign("A scribble", self.positive))
        (width,) = finite("A scribble's width", self.width)
        if width <= 0:
            raise PromptError(f"A scribble's width must be positive, got {width:g}.")
        self._set(width=width)

    def shape(self, size: Size) -> Shape:
        """Returns the stroke."""
        return Shape(np.array(self.points), self.width)

    def spots(self, grid: Float32, frame: ResizeFrame, count: int) -> list[tuple[float, float]]:
        """Returns points along the stroke."""
        return self.shape(frame.original).along(frame, count) or PlacePrompt.spots(self, grid, frame, count)


@dataclass(frozen=True, slots=True, eq=False)
class Mask(PlacePrompt):
    """A rough mask of the object over the whole picture, at any resolution.

    `array` is (H, W): bool, or probabilities in [0, 1], or integers: 0 and one other number, or 0 to 255.

    Raises:
        PromptError: the array is not two-dimensional, is empty, or holds other values.
    """

    kind: ClassVar[str] = "mask"
    feed: ClassVar[Feed] = Polygon.feed
    about: ClassVar[str] = "A rough mask picture: what is not black or transparent; file@3 takes one number of several."
    form: ClassVar[str] = "file"
    array: npt.NDArray[Any] = field(repr=False)
    positive: bool = True

    def __post_init__(self) -> None:
        self._set(positive=sign("A mask prompt", self.positive))
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
            only = values.max() if not given[(given != 0) & (given != given.max())].any() else 255.0
            values /= only  # 0 and one other number: that is inside, whichever it is
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise PromptError(
                "A mask prompt needs bool, probabilities from 0 to 1, or 0/255 integers; "
                f"got values from {values.min():g} to {values.max():g}."
            )
        values.flags.writeable = False
        self._set(array=values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return self.positive == other.positive and np.array_equal(self.array, other.array)

    def __hash__(self) -> int:
        return hash((self.array.shape, self.array.tobytes(), self.positive))

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON: the mask as COCO RLE after thresholding at one half."""
        from promptseg.masks.rle import RLE

        return {"type": self.kind, "segmentation": RLE.encode(self.array > 0.5).to_coco(), "positive": self.positive}

    @classmethod
    def from_json(cls, record: Mapping[str, Any], *, paths: bool = True) -> Self:
        """Makes it from the JSON that `to_json` wrote."""
        from promptseg.masks.rle import RLE

        return cls(RLE.from_coco(record["segmentation"]).dense(), record.get("positive", True))

    @property
    def inside(self) -> BoolArray:
        """The pixels above one half."""
        return self.array > 0.5

    def check_inside(self, size: Size) -> None:
        """Refuses an empty mask."""
        if not self.inside.any():
            raise PromptError("This mask prompt is empty: no pixel is above one half.")

    def shape(self, size: Size) -> Shape:
        """Returns two corners of the box around it, for its bounds: it is drawn as it is."""
        x0, y0, x1, y1 = box_of(self.inside)
        high, wide = self.array.shape
        x, y = size.width / wide, size.height / high
        return Shape(np.array([(x0 * x, y0 * y), (x1 * x, y1 * y)]))

    def bounds(self, size: Size) -> Bounds | None:
        """Returns the box around it; None if it is empty."""
        return PlacePrompt.bounds(self, size) if self.inside.any() else None

    def on_grid(self, frame: ResizeFrame) -> Float32:
        """Brings it to the grid; what is smaller than a cell keeps the cells that it covers most."""
        from promptseg.masks.upsample import downsample_mask

        self.check_inside(frame.original)
        grid = downsample_mask(self.array, frame, side=GRID)
        return grid if (grid > 0.5).any() else grid / grid.max()

    def touched(self, picture: Size, size: Size) -> BoolArray:
        """Brings it to the size."""
        self.check_inside(picture)
        return resized(self.inside, size)

    def cropped(self, box: tuple[int, int, int, int], size: Size) -> Self:
        """Returns its pixels inside `box`, no finer than the model takes them."""
        height, width = self.array.shape
        rows = samples(box[1], box[3], height / size.height, height)
        columns = samples(box[0], box[2], width / size.width, width)
        return replace(self, array=self.array[np.ix_(rows, columns)])

    def mark(self, marks: "Marks") -> None:
        """Marks it as a tint with an outline."""
        marks.mask(self.array, self.positive)

    @classmethod
    def from_text(cls, text: str, option: str, **named: Any) -> Self:
        """Reads a mask picture, `mask.png`, or one number of it, `mask.png@3` (see `images.mask_pictures`)."""
        from promptseg.images.mask_pictures import read_mask

        return cls(read_mask(text), **named)


PLACES: dict[str, type[PlacePrompt]] = {place.kind: place for place in (Point, Box, Polygon, Circle, Scribble, Mask)}
"""The types that say where, by their kinds; JSON, the command line and the server read it."""

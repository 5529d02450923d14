"""What every prompt can do: come from JSON and go back, and, where it says where, lie in a picture and be drawn."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeVar

import numpy as np

from promptseg.arrays import BoolArray, Float32, Float64
from promptseg.errors import FormatError, PromptError
from promptseg.geometry import ResizeFrame, Size
from promptseg.masks.distance import interior_points
from promptseg.prompts.checks import numbers, short, spell
from promptseg.prompts.shapes import Shape, box_of

if TYPE_CHECKING:
    from promptseg.masks.marks import Marks

Bounds: TypeAlias = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the picture."""


class Prompt:
    """What a user gives at once: where an object is, or what it is.

    Prompts are frozen dataclasses that check themselves when they are made.

    Attributes:
        kind: the name of the type, in JSON and everywhere else.
        positive: whether it belongs to the object.
    """

    __slots__ = ()
    kind: ClassVar[str]
    layer: ClassVar[int] = 0
    """When several prompts are drawn over a picture, higher ones come later, on top."""
    positive: bool = True

    def _set(self, **values: Any) -> None:
        """Sets fields, which are frozen, to what they become when they are checked."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON: the type, and each field by its name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {
            "type": self.kind,
            **{
                name: [list(pair) for pair in value] if isinstance(value, tuple) else value
                for name, value in values.items()
            },
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any], *, paths: bool = True) -> Self:
        """Makes a prompt of this type from the JSON that `to_json` wrote; see `read_prompt`."""
        given = {
            field.name: record[field.name]
            for field in fields(cls)  # type: ignore[arg-type]
            if field.default is MISSING or field.name in record
        }
        return cls(**given)

    def check_inside(self, size: Size) -> None:
        """Refuses what plainly lies outside a picture of this size.

        Raises:
            PromptError: it does.
        """

    def bounds(self, size: Size) -> Bounds | None:
        """Returns the box around it in a picture of this size; None when it has no place there."""
        return None

    def cropped(self, box: tuple[int, int, int, int], size: Size) -> Self:
        """Returns it, given in a picture of this size, as a prompt of the part inside `box`."""
        return self

    def mark(self, marks: "Marks") -> None:
        """Marks it on a picture; what says no place leaves none."""


AnyPrompt = TypeVar("AnyPrompt", bound=Prompt)


def read_prompt(record: Mapping[str, Any], known: Mapping[str, type[AnyPrompt]], *, paths: bool = True) -> AnyPrompt:
    """Makes a prompt of one of the known types from the JSON that `to_json` wrote.

    Args:
        record: the JSON.
        known: the types by their kinds.
        paths: whether records may name files of this machine (pictures of references, recordings). Who takes
            records from strangers says False.

    Raises:
        PromptError: the type is unknown or a field is missing or wrong.
    """
    try:
        kind = record["type"]
        if isinstance(kind, str) and kind in known:
            return known[kind].from_json(record, paths=paths)
    except (KeyError, TypeError, AttributeError, FormatError) as error:
        raise PromptError(f"This prompt record lacks a field or has a wrong one ({error}): {short(record)}.") from error
    *kinds, last = known
    raise PromptError(f"Unknown prompt type {short(kind)}: expected {', '.join(kinds)} or {last}.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """What of a drawn shape is given to SAM: its bounding box, this many interior points, its mask as logits."""

    box: bool = False
    points: int = 0
    mask: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fed:
    """What one prompt gives to SAM, in the resized frame.

    Attributes:
        points: x, y of its points.
        box: x0, y0, x1, y1, or None.
        given: whether the user drew that box; an object can have one of these.
        grid: the prompt on the (256, 256) grid, from 0 to 1, or None.
    """

    points: list[tuple[float, float]]
    box: Float64 | None = None
    given: bool = False
    grid: Float32 | None = None


class PlacePrompt(Prompt, ABC):
    """A prompt that says where in the picture. Most types say only their `shape`; all else follows from it.

    Attributes:
        about: what it shows, in the help of the command line.
        form: how it is written there, such as "x,y".
        example: one that is written so.
        feed: what of it SAM is given.
    """

    __slots__ = ()
    about: ClassVar[str]
    form: ClassVar[str] = "x,y"
    example: ClassVar[str] = "320,210"
    feed: ClassVar[Feed] = Feed(points=1)

    @abstractmethod
    def cropped(self, box: tuple[int, int, int, int], size: Size) -> Self:
        """Returns it, given in a picture of this size, as a prompt of the part inside `box`."""

    @abstractmethod
    def shape(self, size: Size) -> Shape:
        """Returns the shape that is drawn for it on SAM's grid, in a picture of this size."""

    def footprint(self, size: Size) -> Shape:
        """Returns the shape that it really has, which the grid may take more simply."""
        return self.shape(size)

    def bounds(self, size: Size) -> Bounds | None:
        """Returns the box around it in a picture of this size; None when it has no place there."""
        shape = self.footprint(size)
        reach = (shape.width or 0.0) / 2
        low, high = (shape.points.min(axis=0) - reach).tolist(), (shape.points.max(axis=0) + reach).tolist()
        return low[0], low[1], high[0], high[1]

    def on_grid(self, frame: ResizeFrame) -> Float32:
        """Draws it on SAM's (256, 256) prompt grid, as values from 0 to 1.

        Raises:
            PromptError: it does not touch the picture, or is an empty mask.
        """
        return self._some(self.shape(frame.original).on_grid(frame), frame.original).astype(np.float32)

    def touched(self, picture: Size, size: Size) -> BoolArray:
        """Returns the pixels of a picture resized to `size` that it touches; at least one.

        Raises:
            PromptError: it does not touch the picture, or is an empty mask.
        """
        self.check_inside(picture)
        return self._some(self.footprint(picture).touched(picture, size), picture)

    def _some(self, drawn: BoolArray, picture: Size) -> BoolArray:
        if not drawn.any():
            raise PromptError(f"This {self.kind} does not touch the picture of {spell(picture)}.")
        return drawn

    def fed(self, frame: ResizeFrame, feed: Feed) -> Fed:
        """Returns what SAM is given of it; of a negative one, points alone.

        Raises:
            PromptError: it does not touch the picture, or is an empty mask.
        """
        grid = self.on_grid(frame)
        if not self.positive:
            return Fed(points=self.spots(grid, frame, max(1, feed.points)))
        return Fed(
            points=self.spots(grid, frame, feed.points),
            box=np.array(box_of(grid > 0.5), np.float64) * 4 if feed.box else None,
            grid=grid if feed.mask else None,
        )

    def spots(self, grid: Float32, frame: ResizeFrame, count: int) -> list[tuple[float, float]]:
        """Returns up to `count` points that stand for it, in the resized frame, given its drawing on the grid."""
        # Cell centres, in SAM's convention: its own half-pixel comes later.
        return [(4 * x - 0.5, 4 * y - 0.5) for x, y in interior_points(grid > 0.5, count)]

    def mark(self, marks: "Marks") -> None:
        """Marks it on a picture."""
        shape = self.shape(marks.size)
        if shape.width is None:
            marks.area(shape.points, self.positive)
        else:
            marks.stroke(shape.points, shape.width, self.positive)

    @classmethod
    def from_text(cls, text: str, option: str, **named: Any) -> Self:
        """Reads what stands behind an option of the command line; the rest is said by name.

        Raises:
            PromptError: it is not of that `form`.
        """
        return cls(*numbers(text, option, cls.form, cls.example), **named)

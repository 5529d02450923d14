"""`PanopticSegments`: a picture cut into things and stuff, where every pixel belongs to one segment or to none."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32
from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.overlap import union
from promptseg.masks.result import MaskResult
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Index, Segments
from promptseg.vocabulary import Category


@dataclass(frozen=True, slots=True)
class PanopticSegments(MaskResult):
    """Segments that do not overlap, each with its category. An immutable value.

    It is drawn, cut out, outlined and written as `Segments` are.

    Attributes:
        segments: the masks, with scores and labels.
        categories: the category of each mask; of stuff there is at most one mask per category.

    Raises:
        InputError: the fields differ in length, or two masks share a pixel.
    """

    segments: Segments  # type: ignore[override]  # a field is as good as a property
    categories: tuple[Category, ...]

    def __post_init__(self) -> None:
        if len(self.segments) != len(self.categories):
            raise InputError(f"{len(self.segments)} segments need as many categories, got {len(self.categories)}.")
        if union(self.segments.masks, self.segments.size).area != self.segments.areas.sum():
            raise InputError("The segments of a panoptic result must not overlap, and these do.")

    def __len__(self) -> int:
        return len(self.segments)

    def __getitem__(self, index: Index) -> "PanopticSegments":
        """Returns the chosen segments, also when it is only one."""
        chosen: list[int] = self.segments.positions(index)
        return PanopticSegments(self.segments[chosen], tuple(self.categories[place] for place in chosen))

    def __iter__(self) -> "Iterator[PanopticSegments]":
        return (self[place] for place in range(len(self)))

    @property
    def size(self) -> Size:
        """Height and width of the picture."""
        return self.segments.size

    @property
    def masks(self) -> tuple[RLE, ...]:
        """The masks."""
        return self.segments.masks

    @property
    def scores(self) -> Float32:
        """(N,) quality of each mask."""
        return self.segments.scores

    @property
    def labels(self) -> tuple[str | None, ...]:
        """What each mask shows."""
        return self.segments.labels

    @property
    def image(self) -> npt.NDArray[np.uint8] | None:
        """The picture's pixels, if the result holds them."""
        return self.segments.image

    @property
    def things(self) -> Segments:
        """The segments that can be counted."""
        return self.segments[[category.thing for category in self.categories]]

    @property
    def stuff(self) -> Segments:
        """The other segments."""
        return self.segments[[not category.thing for category in self.categories]]

    def id_map(self) -> npt.NDArray[np.int32]:
        """Returns (H, W) numbers: 0 where there is nothing, n for segment n - 1."""
        numbers = np.zeros(self.segments.size, np.int32)
        for number, mask in enumerate(self.segments.masks, start=1):
            x0, y0, x1, y1 = mask.box
            numbers[y0:y1, x0:x1][mask.crop()] = number
        return numbers

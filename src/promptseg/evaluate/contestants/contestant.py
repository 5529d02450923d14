"""What a contestant is. It can do some things and refuses the others; it keeps its own state between the calls."""

from collections.abc import Iterator, Sequence
from typing import NoReturn

from promptseg.arrays import BoolArray, Float32
from promptseg.errors import InputError
from promptseg.evaluate.scene import Clock
from promptseg.geometry import Size
from promptseg.images import Image
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.vocabulary import Vocabulary

ABILITIES = {
    "click": "answers clicks on an object, each correcting the mask so far",
    "point": "answers one click with several masks",
    "boxes": "answers boxes with masks",
    "everything": "finds all masks of a picture",
    "edges": "draws edge maps",
    "semantic": "gives every pixel a class",
    "panoptic": "cuts pictures into things and stuff",
    "instances": "finds the objects of given classes",
    "phrases": "finds what a phrase says",
    "matches": "finds everything that fits a word",
    "reference": "finds what another picture shows",
    "labels": "names masks",
    "track": "follows an object through a video",
}
"""What contestants may be able to do."""


class Contestant:
    """Base of all contestants. Subclasses name their abilities and override the methods of those names.

    Attributes:
        name: how the report calls it.
        settings: what else decides about its results; stored answers of other settings are not used again.
        abilities: keys of `ABILITIES`.
        clock: where the time of each step goes; the frame puts a new one there for each unit.
        warm: whether it has answered before, which matters to who measures times.
    """

    name: str = "nobody"
    settings: str = ""
    abilities: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.clock = Clock()
        self.warm = False

    def start(self, image: Image) -> None:
        """Begins a new picture."""
        self._refuse("seeing a picture")

    def begin(self) -> None:
        """Begins a new object on the same picture, forgetting earlier clicks."""
        self._refuse("clicks")

    def click(self, x: float, y: float, positive: bool) -> BoolArray:
        """Adds a click in pixels of the picture and returns the object's mask (H, W)."""
        self._refuse("clicks")

    def point(self, x: float, y: float) -> Segments:
        """Answers one click on an object: the mask it stands by first, then others that may be meant."""
        self._refuse("a point")

    def boxes(self, boxes: Sequence[tuple[float, float, float, float]]) -> Segments:
        """Answers each box (x0, y0, x1, y1) with one mask and its score, in order."""
        self._refuse("boxes")

    def everything(self) -> Segments:
        """Finds all masks of the picture, best first."""
        self._refuse("all masks of a picture")

    def edges(self) -> Float32:
        """Returns how strongly each pixel lies on an edge, (H, W) in [0, 1]."""
        self._refuse("edges")

    def semantic(self, vocabulary: Vocabulary) -> PanopticSegments:
        """Gives every pixel one of the classes."""
        self._refuse("semantic segmentation")

    def panoptic(self, vocabulary: Vocabulary) -> PanopticSegments:
        """Cuts the picture into things and stuff."""
        self._refuse("panoptic segmentation")

    def instances(self, vocabulary: Vocabulary) -> Segments:
        """Finds the objects of the classes, with labels and scores."""
        self._refuse("instances of classes")

    def phrases(self, phrases: Sequence[str], *, together: bool = False) -> Segments:
        """Returns one mask for each phrase, in order."""
        self._refuse("phrases")

    def matches(self, phrase: str) -> Segments:
        """Returns everything that fits a word."""
        self._refuse("words")

    def reference(self, image: Image, mask: RLE) -> Segments:
        """Returns what a region of another picture shows, one mask."""
        self._refuse("references")

    def labels(self, segments: Segments, vocabulary: Vocabulary, top: int) -> list[tuple[str, ...]]:
        """Returns up to `top` names of each mask, the likeliest first."""
        self._refuse("names of masks")

    def track(self, frames: Sequence[Image], mask: RLE) -> Iterator[RLE]:
        """Follows what the mask shows on the first frame, and yields its mask on each further frame."""
        self._refuse("videos")

    def peak_memory(self) -> int | None:
        """Returns the most bytes that its process had in use so far, where that is known and its own."""
        return None

    def close(self) -> None:
        """Ends what it keeps running."""

    def _refuse(self, what: str) -> NoReturn:
        raise InputError(f"{self.name} does not know {what}; it can do: {', '.join(sorted(self.abilities))}.")


def check_ability(contestant: Contestant, ability: str) -> None:
    """Raises InputError when a contestant cannot do what a task asks."""
    if ability not in contestant.abilities:
        can = ", ".join(sorted(contestant.abilities)) or "nothing"
        raise InputError(
            f"{contestant.name} cannot take part: the task needs {ability!r} ({ABILITIES[ability]}); it can do: {can}."
        )


def check_masks_of(contestant: Contestant, segments: Segments, size: Size, count: int | None = None) -> None:
    """Raises InputError when an answer is of another size than the picture, or of another length than asked."""
    if segments.size != size or (count is not None and len(segments) != count):
        wanted = "masks" if count is None else f"{count} masks"
        raise InputError(
            f"{contestant.name} answered with {len(segments)} masks of size {tuple(segments.size)}; "
            f"expected {wanted} of size {tuple(size)}."
        )

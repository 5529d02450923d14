"""What a contestant is. It can do some things and refuses the others; it keeps its own state between the calls."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptseg.arrays import BoolArray, Float32
from promptseg.errors import InputError
from promptseg.evaluate.contestants import wire
from promptseg.evaluate.contestants.wire import Ability
from promptseg.evaluate.scene import Clock
from promptseg.geometry import Size
from promptseg.images import Image
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.vocabulary import Vocabulary

_POINT = {"x": float, "y": float}

ABILITIES: Mapping[str, Ability] = {
    "click": Ability(
        "answers clicks on an object, each correcting the mask so far", wire.drawn, {**_POINT, "positive": bool}
    ),
    "point": Ability("answers one click with several masks", wire.segments, _POINT),
    "boxes": Ability("answers boxes with masks", wire.segments, {"boxes": wire.boxes}),
    "everything": Ability("finds all masks of a picture", wire.segments),
    "edges": Ability("draws edge maps", wire.strengths),
    "semantic": Ability("gives every pixel a class", wire.classed, {"classes": wire.classes}),
    "panoptic": Ability("cuts pictures into things and stuff", wire.classed, {"classes": wire.classes}),
    "instances": Ability("finds the objects of given classes", wire.segments, {"classes": wire.classes}),
    "phrases": Ability("finds what a phrase says", wire.segments, {"phrases": wire.texts}, named={"together": bool}),
    "matches": Ability("finds everything that fits a word", wire.segments, {"phrase": str}),
    "reference": Ability(
        "finds what another picture shows", wire.segments, {"path": wire.picture, "mask": RLE.from_coco}
    ),
    "labels": Ability("names masks", wire.names, {"masks": wire.masks, "classes": wire.classes, "top": int}),
    "track": Ability(
        "follows an object through a video", wire.followed, {"paths": wire.pictures, "mask": RLE.from_coco}
    ),
}
"""What contestants may be able to do. Each is a method of `Contestant`, and a request of peers, of the same name."""


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
        self.ask("picture")

    def begin(self) -> None:
        """Begins a new object on the same picture, forgetting earlier clicks."""
        self.ask("click")

    def click(self, x: float, y: float, positive: bool) -> BoolArray:
        """Adds a click in pixels of the picture and returns the object's mask (H, W)."""
        return self.ask("click", x, y, positive)

    def point(self, x: float, y: float) -> Segments:
        """Answers one click on an object: the mask it stands by first, then others that may be meant."""
        return self.ask("point", x, y)

    def boxes(self, boxes: Sequence[tuple[float, float, float, float]]) -> Segments:
        """Answers each box (x0, y0, x1, y1) with one mask and its score, in order."""
        return self.ask("boxes", boxes)

    def everything(self) -> Segments:
        """Finds all masks of the picture, best first."""
        return self.ask("everything")

    def edges(self) -> Float32:
        """Returns how strongly each pixel lies on an edge, (H, W) in [0, 1]."""
        return self.ask("edges")

    def semantic(self, vocabulary: Vocabulary) -> PanopticSegments:
        """Gives every pixel one of the classes."""
        return self.ask("semantic", vocabulary)

    def panoptic(self, vocabulary: Vocabulary) -> PanopticSegments:
        """Cuts the picture into things and stuff."""
        return self.ask("panoptic", vocabulary)

    def instances(self, vocabulary: Vocabulary) -> Segments:
        """Finds the objects of the classes, with labels and scores."""
        return self.ask("instances", vocabulary)

    def phrases(self, phrases: Sequence[str], *, together: bool = False) -> Segments:
        """Returns one mask for each phrase, in order."""
        return self.ask("phrases", phrases, together=together)

    def matches(self, phrase: str) -> Segments:
        """Returns everything that fits a word."""
        return self.ask("matches", phrase)

    def reference(self, image: Image, mask: RLE) -> Segments:
        """Returns what a region of another picture shows, one mask."""
        return self.ask("reference", image, mask)

    def labels(self, segments: Segments, vocabulary: Vocabulary, top: int) -> list[tuple[str, ...]]:
        """Returns up to `top` names of each mask, the likeliest first."""
        return self.ask("labels", segments, vocabulary, top)

    def track(self, frames: Sequence[Image], mask: RLE) -> Iterator[RLE]:
        """Follows what the mask shows on the first frame, and yields its mask on each further frame."""
        yield from self.ask("track", frames, mask)

    def peak_memory(self) -> int | None:
        """Returns the most bytes that its process had in use so far, where that is known and its own."""
        return None

    def close(self) -> None:
        """Ends what it keeps running."""

    def ask(self, ability: str, *given: Any, **named: Any) -> Any:
        """Does what no method of its own does: refuses."""
        del given, named
        raise InputError(f"{self.name} does not know {ability}; it can do: {', '.join(sorted(self.abilities))}.")


def check_ability(contestant: Contestant, ability: str) -> None:
    """Raises InputError when a contestant cannot do what a task asks."""
    if ability not in contestant.abilities:
        can = ", ".join(sorted(contestant.abilities)) or "nothing"
        about = ABILITIES[ability].about
        raise InputError(f"{contestant.name} cannot take part: the task needs {ability!r} ({about}); it can do: {can}.")


def check_masks_of(contestant: Contestant, segments: Segments, size: Size, count: int | None = None) -> None:
    """Raises InputError when an answer is of another size than the picture, or of another length than asked."""
    if segments.size != size or (count is not None and len(segments) != count):
        wanted = "masks" if count is None else f"{count} masks"
        raise InputError(
            f"{contestant.name} answered with {len(segments)} masks of size {tuple(segments.size)}; "
            f"expected {wanted} of size {tuple(size)}."
        )

"""Our models as contestants: as a user has them, SAM's official recipe on the same weights, and single ways."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from promptseg.arrays import BoolArray, Float32
from promptseg.errors import InputError, PromptsegError
from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.images import Image
from promptseg.masks.overlap import union
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import upsample_to_rle
from promptseg.prompts.encode import encode_object
from promptseg.prompts.types import Box, Mask, Point
from promptseg.prompts.words import Reference, Text
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.everything.proposals import ranking
from promptseg.segment.places.predictor import decode
from promptseg.segment.sam import SamSegmenter
from promptseg.segment.segmenter import Segmenter
from promptseg.segment.session import Session
from promptseg.vocabulary import Vocabulary

PLACES = frozenset({"click", "point", "boxes"})
SEARCHES = frozenset({"everything", "edges", "track"})
WORDS = frozenset({"semantic", "panoptic", "instances", "phrases", "matches", "reference", "labels", "track"})

WAYS = ("fast", "exact", "proposals")
"""Ways of finding all masks."""

FOLLOWS = ("memory", "box", "reference")
"""Ways of following an object through a video: as `Segmenter.video` does; by the box of the mask before; by the like of
the first frame."""

BOXES_AT_ONCE = 64


def usual_ways(ability: str, semantic: bool) -> tuple[str, ...]:
    """Returns the ways that are compared where none is asked for; models that know words follow by reference."""
    if ability == "track":
        return ("reference",) if semantic else ("memory",)
    return WAYS[:2]


class Ours(Contestant):
    """`Segmenter`, as a user has it.

    Args:
        segmenter: the model and engine.
        name: how the report calls it.
        eager: whether pictures are embedded when they are shown, as several questions about one need; else every
            question embeds the picture at the scale that suits it.
        way: how all masks are found: "fast", "exact" or "proposals".
        points_per_side: of the grid for edges.
        follow: how an object is followed through a video, one of `FOLLOWS`.
    """

    abilities = PLACES | SEARCHES | WORDS

    def __init__(
        self,
        segmenter: Segmenter,
        name: str = "promptseg",
        *,
        eager: bool = True,
        way: str = "fast",
        points_per_side: int = 16,
        follow: str = "memory",
    ) -> None:
        super().__init__()
        if way not in WAYS or follow not in FOLLOWS:
            raise InputError(f"Unknown way {way!r} or {follow!r}: expected one of {', '.join((*WAYS, *FOLLOWS))}.")
        self._segmenter, self._eager = segmenter, eager
        self._way, self._points_per_side, self._follow = way, points_per_side, follow
        self.name = name
        self.settings = described(segmenter)
        if points_per_side != 16:
            self.settings += f", edges from {points_per_side} x {points_per_side} points"
        self._image: Image | None = None
        self._session: Session | None = None
        self._embedded: Any = None

    @classmethod
    def by_way(cls, segmenter: Segmenter, way: str) -> "Ours":
        """Returns the contestant that does a thing in one of several ways, and is named by it."""
        if way in FOLLOWS:
            return cls(segmenter, f"promptseg, {way}", eager=False, follow=way)
        return cls(segmenter, way, eager=False, way=way)

    def start(self, image: Image) -> None:
        """Takes a new picture."""
        self._image = image
        self._embedded = self._segmenter.embed(image) if self._eager else None

    @property
    def _seen(self) -> Any:
        if self._image is None:
            raise PromptsegError("start() comes before everything else.")
        return self._image if self._embedded is None else self._embedded

    def begin(self) -> None:
        """Begins a new object."""
        self._session = self._segmenter.session(self._seen)

    def click(self, x: float, y: float, positive: bool) -> BoolArray:
        """Adds a click and returns the mask."""
        if self._session is None:
            raise PromptsegError("begin() comes before click().")
        return self._session.add(Point(x, y, positive)).dense()[0]

    def point(self, x: float, y: float) -> Segments:
        """Returns the mask that a user would get, then part, object and whole."""
        chosen = self._segmenter.segment(self._seen, Point(x, y))
        if "nested" not in self._segmenter.abilities:  # it has one answer
            return _bare(chosen)
        nested = self._segmenter.segment(self._seen, Point(x, y), granularity="all")
        return Segments.concatenate([_bare(chosen), _bare(nested)])

    def boxes(self, boxes: Sequence[tuple[float, float, float, float]]) -> Segments:
        """Returns one mask per box."""
        parts: list[Segments] = []
        for start in range(0, len(boxes), BOXES_AT_ONCE):
            prompts = [[Box(*box)] for box in boxes[start : start + BOXES_AT_ONCE]]
            parts.append(_bare(self._segmenter.segment(self._seen, prompts)))
        return Segments.concatenate(parts)

    def everything(self) -> Segments:
        """Finds all masks in the chosen way, best first."""
        if self._way == "proposals":
            found = self._segmenter.proposals(self._seen)
        else:
            found = self._segmenter.everything(self._seen, mode=self._way)
        return found[np.argsort(-ranking(found), kind="stable")]

    def edges(self) -> Float32:
        """Returns the edge map."""
        return self._segmenter.edges(self._seen, points_per_side=self._points_per_side)

    def semantic(self, vocabulary: Vocabulary) -> PanopticSegments:
        """Gives every pixel a class."""
        return self._segmenter.semantic(self._seen, vocabulary)

    def panoptic(self, vocabulary: Vocabulary) -> PanopticSegments:
        """Cuts the picture into things and stuff."""
        return self._segmenter.panoptic(self._seen, vocabulary)

    def instances(self, vocabulary: Vocabulary) -> Segments:
        """Finds all things."""
        return self._segmenter.instances(self._seen, vocabulary)

    def phrases(self, phrases: Sequence[str], *, together: bool = False) -> Segments:
        """Returns one mask per phrase."""
        options: dict[str, Any] = {"together": True} if together else {}
        return self._segmenter.segment(self._seen, [[Text(phrase)] for phrase in phrases], **options)

    def matches(self, phrase: str) -> Segments:
        """Returns everything that fits a word."""
        return self._segmenter.match(self._seen, Text(phrase))

    def reference(self, image: Image, mask: RLE) -> Segments:
        """Returns what a region of another picture shows, all of it as one mask."""
        found = self._segmenter.segment(self._seen, Reference(image, Mask(mask.dense())))  # type: ignore[arg-type]
        whole = union(found.masks, found.size) if len(found) else RLE.empty(found.size)
        return Segments(found.size, (whole,))

    def labels(self, segments: Segments, vocabulary: Vocabulary, top: int) -> list[tuple[str, ...]]:
        """Returns the likeliest names of each mask; more than one when the model ranks them."""
        if "ranks" in self._segmenter.abilities:
            return self._segmenter.rank_labels(self._seen, segments, vocabulary, top=top)
        named = self._segmenter.label(self._seen, segments, vocabulary)
        return [() if name is None else (name,) for name in named.labels]

    def track(self, frames: Sequence[Image], mask: RLE) -> Iterator[RLE]:
        """Follows what a mask shows."""
        if self._follow == "memory":
            track = self._segmenter.video(frames)
            track.add(Mask(mask.dense()))
            for item in track.propagate("forward"):
                if item.number:
                    yield track.objects[0].masks[item.number][0]
            return
        first, last = frames[0], mask
        for number in range(1, len(frames)):
            frame = frames[number]
            if self._follow == "reference":
                like = self._segmenter.segment(frame, Reference(first, Mask(mask.dense())))  # type: ignore[arg-type]
                yield like.masks[0] if len(like) else RLE.empty(frame.size)
                continue
            found = self._segmenter.segment(frame, Box(*last.bbox)).masks[0]
            yield found
            last = found if found.area else last


class OfficialRecipe(Ours):
    """The recipe of SAM's demo and training (specification A3.6).

    The first click gives three masks, of which the best-scored is taken; from then on all clicks so far, the
    previous logits and the single-mask output. A box gives the single-mask output, a point the best-scored of three.
    """

    abilities = PLACES

    def __init__(self, segmenter: SamSegmenter, name: str = "official recipe") -> None:
        super().__init__(segmenter, name)
        self._runtime = segmenter.runtime
        self._points: tuple[Point, ...] = ()
        self._memory: np.ndarray | None = None  # type: ignore[type-arg]

    def begin(self) -> None:
        """Begins a new object."""
        self._points, self._memory = (), None

    def click(self, x: float, y: float, positive: bool) -> BoolArray:
        """Adds a click and returns the mask."""
        embedded = self._official
        self._points = (*self._points, Point(x, y, positive))
        item = encode_object(self._points, embedded.frame, memory=self._memory)
        (found,) = decode(self._runtime, embedded, [item], official=True)
        chosen = found.best_of_three() if item.ambiguous else 0
        logits = found.logits[chosen]
        self._memory = logits
        return upsample_to_rle(logits, embedded.frame).dense()

    def point(self, x: float, y: float) -> Segments:
        """Returns the best-scored of three masks, then all three."""
        embedded = self._official
        (found,) = decode(self._runtime, embedded, [encode_object((Point(x, y),), embedded.frame)], official=True)
        order = [found.best_of_three(), 1, 2, 3]
        return Segments(
            embedded.image.size,
            tuple(upsample_to_rle(found.logits[number], embedded.frame) for number in order),
            scores=np.array([found.scores[number] for number in order], np.float32),
        )

    def boxes(self, boxes: Sequence[tuple[float, float, float, float]]) -> Segments:
        """Returns the single-mask output of each box."""
        embedded = self._official
        items = [encode_object((Box(*box),), embedded.frame) for box in boxes]
        found = decode(self._runtime, embedded, items, official=True)
        return Segments(
            embedded.image.size,
            tuple(upsample_to_rle(each.logits[0], embedded.frame) for each in found),
            scores=np.array([each.scores[0] for each in found], np.float32),
        )

    @property
    def _official(self) -> EmbeddedImage:
        if not isinstance(self._embedded, EmbeddedImage):
            raise PromptsegError("start() comes before click(), and the recipe is for SAM models.")
        return self._embedded


def described(segmenter: Segmenter) -> str:
    """Returns model, engine and precision in a few words."""
    runtime = segmenter.runtime
    return f"{segmenter.model}, {runtime.name} {runtime.precision}"


def _bare(segments: Segments) -> Segments:
    """Returns masks and scores only, which can be joined with any others."""
    return Segments(segments.size, segments.masks, scores=segments.scores)

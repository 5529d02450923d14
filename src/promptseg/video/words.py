"""Words and references over time: what fits is looked for every so often; each find is an object with an identity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from promptseg.arrays import Float32
from promptseg.masks.overlap import intersection_area, iou
from promptseg.masks.rle import RLE
from promptseg.prompts.words import WordPrompt
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.segmenter import Segmenter
from promptseg.video.memory import Remembered

SAME = 0.4
"""A find that overlaps an object by this IoU is that object."""
INSIDE = 0.6
"""A find of which so much lies in objects that are followed is none of its own."""
LIKE = 0.55
"""A find whose mean vector has this cosine with that of an object out of sight may be that object again."""
MISSED = 3
"""After so many looks that do not find it, an object is no longer believed, unless it is followed very surely."""
SURE = 0.6
"""What is very surely."""
SECONDS = 0.5
"""How long a clip is followed between two looks for words."""


@dataclass(slots=True, eq=False)
class Finder:
    """What is looked for in a clip.

    Attributes:
        prompts: phrases, references.
        keys: the objects that were found so, with the looks in a row that missed them.
    """

    prompts: tuple[WordPrompt, ...]
    keys: dict[int, int] = field(default_factory=dict[int, int])

    def look(self, segmenter: Segmenter, embedded: EmbeddedImage) -> list[tuple[RLE, str | None]]:
        """Returns everything that fits on a picture, with its label."""
        found = segmenter.segment(embedded, [self.prompts])
        return [(mask, label) for mask, label in zip(found.masks, found.labels, strict=True) if mask.area]


@dataclass(frozen=True, slots=True)
class Sorted:
    """What a look came to.

    Attributes:
        met: the finds that are objects in sight, by the objects' ids.
        back: those that are objects again which were out of sight.
        new: the others.
    """

    met: Mapping[int, int]
    back: Mapping[int, int]
    new: Sequence[int]


def sort_finds(
    finds: Sequence[RLE], seen: Mapping[int, RLE], likeness: Mapping[int, Sequence[float]], own: Sequence[int]
) -> Sorted:
    """Tells which finds are which objects.

    Args:
        finds: the masks that fit.
        seen: the masks of all objects in sight, by their ids.
        likeness: how much objects out of sight look like each find, by their ids.
        own: the ids of the objects that this finder found.
    """
    met: dict[int, int] = {}
    pairs = sorted(((iou(mask, find), key, place) for key, mask in seen.items() for place, find in enumerate(finds)))
    for overlap, key, place in reversed(pairs):
        if overlap >= SAME and key not in met and place not in met.values():
            met[key] = place
    free = [place for place in range(len(finds)) if place not in met.values() and not _covered(finds[place], seen)]
    back: dict[int, int] = {}
    ranked = sorted(((likeness[key][place], key, place) for key in likeness for place in free), reverse=True)
    for alike, key, place in ranked:
        if alike >= LIKE and key not in back and place not in back.values():
            back[key] = place
    new = [place for place in free if place not in back.values()]
    return Sorted({key: place for key, place in met.items() if key in own}, back, new)


def _covered(find: RLE, seen: Mapping[int, RLE]) -> bool:
    return sum(intersection_area(find, mask) for mask in seen.values()) >= INSIDE * find.area


def mean_vector(known: Sequence[Remembered]) -> Float32:
    """Returns what an object looks like on average, of length 1."""
    total = np.sum([item.cells @ item.shares for item in known], axis=0)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-6), np.float32)

"""Names of classes: categories, vocabularies, and that of COCO's panoptic task.

The class order (80 things, then 53 kinds of stuff) is that of the official checkpoints' classifier; numbers are COCO's
category ids. Names lose the endings "-other", "-merged" and "-stuff" before they stand in a sentence or on a picture
(specification B2.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from promptseg.errors import InputError

BACKGROUND = "background"
"""The class after all others, which the official recipe embeds like any name."""

_ENDINGS = ("-other", "-merged", "-stuff")


class Category(NamedTuple):
    """A class: its number in label files, its name, and whether it is a thing that can be counted."""

    id: int
    name: str
    thing: bool


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Classes that pixels or masks can get, in the order of the class bank; the background is not among them.

    Attributes:
        names: what each class is called.
        things: whether each class is countable; for stuff (sky, grass) all regions are one segment.
        ids: the number of each class in label files.

    Raises:
        InputError: there is no name, a name is empty or there twice, or the fields differ in length.
    """

    names: tuple[str, ...]
    things: tuple[bool, ...]
    ids: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.names or not len(self.names) == len(self.things) == len(self.ids):
            raise InputError(
                "A vocabulary needs at least one name, and a thing mark and an id for each; "
                f"got {len(self.names)} names, {len(self.things)} marks, {len(self.ids)} ids."
            )
        if not all(name.strip() for name in self.names) or len(set(self.names)) < len(self.names):
            raise InputError("The names of a vocabulary must be different and not empty.")
        if len(set(self.ids)) < len(self.ids):
            raise InputError("The ids of a vocabulary must be different.")

    @classmethod
    def of(cls, names: Sequence[str], stuff: Sequence[str] = ()) -> "Vocabulary":
        """Makes a vocabulary of one's own: countable `names`, then uncountable `stuff`, numbered from 1."""
        if isinstance(names, str) or isinstance(stuff, str):
            raise InputError("A vocabulary is made of a list of names, not of one text.")
        things = (True,) * len(names) + (False,) * len(stuff)
        return cls((*names, *stuff), things, tuple(range(1, len(things) + 1)))

    @classmethod
    def of_categories(cls, categories: Sequence[Category]) -> "Vocabulary":
        """Makes the vocabulary of some classes, in their order."""
        ids, names, things = zip(*categories, strict=True) if categories else ((), (), ())
        return cls(names, things, ids)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names as people say them."""
        return tuple(plain_name(name) for name in self.names)

    @property
    def categories(self) -> tuple[Category, ...]:
        """The classes as panoptic results name them, with their full names."""
        return tuple(map(Category, self.ids, self.names, self.things))

    @property
    def bank_names(self) -> tuple[str, ...]:
        """The names of the rows of the class bank: all labels, then the background."""
        return (*self.labels, BACKGROUND)


def plain_name(name: str) -> str:
    """Strips the endings that COCO gave to names of stuff: "sky-other-merged" is "sky"."""
    for ending in _ENDINGS:
        name = name.replace(ending, "")
    return name


_THINGS = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign, "
    "parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, "
    "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, "
    "skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, "
    "sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining "
    "table, toilet, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, "
    "refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush"
)

_STUFF = (
    "banner, blanket, bridge, cardboard, counter, curtain, door-stuff, floor-wood, flower, fruit, gravel, house, "
    "light, mirror-stuff, net, pillow, platform, playingfield, railroad, river, road, roof, sand, sea, shelf, "
    "snow, stairs, tent, towel, wall-brick, wall-stone, wall-tile, wall-wood, water-other, window-blind, "
    "window-other, tree-merged, fence-merged, ceiling-merged, sky-other-merged, cabinet-merged, table-merged, "
    "floor-other-merged, pavement-merged, mountain-merged, grass-merged, dirt-merged, paper-merged, "
    "food-other-merged, building-other-merged, rock-merged, wall-other-merged, rug-merged"
)

_NO_THING = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
"""Numbers up to 90 that COCO gave to no class in the end."""

_STUFF_IDS = (
    *(92, 93, 95, 100, 107, 109, 112, 118, 119, 122, 125, 128, 130, 133, 138, 141, 144, 145),
    *(147, 148, 149, 151, 154, 155, 156, 159, 161, 166, 168, 171, 175, 176, 177, 178, 180, 181),
    *range(184, 201),
)

COCO_PANOPTIC = Vocabulary(
    names=(*_THINGS.split(", "), *_STUFF.split(", ")),
    things=(True,) * 80 + (False,) * 53,
    ids=(*(number for number in range(1, 91) if number not in _NO_THING), *_STUFF_IDS),
)
"""The 133 classes of COCO's panoptic task."""

COCO_THINGS = COCO_PANOPTIC.labels[:80]
"""Its things, as people say them."""
COCO_STUFF = COCO_PANOPTIC.labels[80:]
"""Its kinds of stuff, likewise."""

Words: TypeAlias = Vocabulary | Sequence[str] | None
"""A vocabulary, a list of names (all countable), or None for the 133 classes of COCO."""


def vocabulary_of(words: Words) -> Vocabulary:
    """Returns the vocabulary that a caller means.

    Raises:
        InputError: the names are no vocabulary.
    """
    if words is None:
        return COCO_PANOPTIC
    return words if isinstance(words, Vocabulary) else Vocabulary.of(words)

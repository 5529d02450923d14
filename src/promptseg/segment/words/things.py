"""Things of known classes, one mask each: the detector says that they are there, SAM draws them, heat adds its word.

Every box goes to SAM as a box prompt. Three witnesses (the detector, SAM's own expectation of its mask, the heat of the
class inside the mask) are weighed to one probability that class and outline are right.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promptseg.arrays import BoolArray, Float32
from promptseg.geometry import MaskGrid, box_iou
from promptseg.masks.overlap import iou
from promptseg.masks.upsample import upsample_to_rle
from promptseg.models.detector.decode import Boxes
from promptseg.prompts.encode import encode_object
from promptseg.prompts.types import Box
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.places.predictor import decode
from promptseg.segment.words.engine import Meaning
from promptseg.segment.words.find import FoundThing, find
from promptseg.segment.words.heat import phrase_heat
from promptseg.segment.words.rivals import thing_of
from promptseg.segment.words.sharpen import enlarge
from promptseg.vocabulary import COCO_THINGS, Vocabulary

OFFSET, DETECTOR, OUTLINE, HEAT = -3.4, 1.1, 3.0, 0.3
"""Weights of the witnesses: the detector's logit, SAM's expected IoU, the class's logit where the mask is warmest."""
SURELY_NOT = 0.003
"""What the detector does not see is not less probable than this."""
WARMEST = 90
"""Percent of a mask that may be colder."""
PRESENT = 0.03
"""A class is in the picture if some thing of it is more probable than this (chosen, as what follows, on pictures of
dev/voc and dev/coco, docs/words.md)."""
RIVAL, SAME_BOX = 4.0, 0.7
"""What is so many times as probably a thing of another class, by this overlap the same one, is not of this class."""
DOUBTED, LARGE, FILLED = 0.35, 0.05, 0.5
"""A less probable thing of a larger share of the picture must lie to this part where heat is."""
SEEN, WARMTH = -2.05, 0.3
"""For a map, a class is in the picture if the detector's logit of its surest box and this share of the highest heat are
together above the first."""
BESIDE, LISTED = 0.35, 0.02
"""Things less probable than this share of the best are not answered to a phrase; nor are those below the second listed
among all things of a vocabulary."""
OWN = 0.5
"""Of a thing so much must lie in no better one of its class: the rest are parts of it, or the same once more."""
TRIED, ASKED, LEAST = 50, 16, 0.04
"""Boxes that are drawn of one picture, and of one class of it, and the least that the detector must be sure of each."""
SURE_BOX = 0.15
"""The same for a map: what the detector is less sure of is never sure enough to be on it."""


@dataclass(frozen=True, slots=True, eq=False)
class NamedThing:
    """One thing of a vocabulary.

    Attributes:
        number: which class of the vocabulary.
        found: where it is.
    """

    number: int
    found: FoundThing


def draw(runtime: Runtime, embedded: EmbeddedImage, boxes: Boxes, heat: Mapping[int, Float32]) -> list[NamedThing]:
    """Draws what lies in boxes, best first; parts of a better thing of the same class are left out.

    Args:
        runtime: the engine with SAM.
        embedded: the picture.
        boxes: around things.
        heat: (96, 96) logits of every class among them.
    """
    items = [encode_object((Box(*corners),), embedded.frame) for corners in boxes.corners.tolist()]
    wide = {number: enlarge(cells) for number, cells in heat.items()}
    found: list[NamedThing] = []
    for row, candidates in enumerate(decode(runtime, embedded, items)):
        logits, number = candidates.logits[0], int(boxes.classes[row])
        mask = upsample_to_rle(logits, embedded.frame)
        if mask.area and (logits > 0).any():
            warm = float(np.percentile(wide[number][logits > 0], WARMEST))
            score = _weighed(float(boxes.scores[row]), float(candidates.scores[0]), warm)
            found.append(NamedThing(number, FoundThing(mask, logits, score)))
    found.sort(key=lambda thing: -thing.found.score)
    taken = {number: np.zeros((MaskGrid.SIDE, MaskGrid.SIDE), np.bool_) for number in heat}
    return [thing for thing in found if _takes(thing.found, taken[thing.number])]


def _takes(thing: FoundThing, taken: BoolArray) -> bool:
    """Returns whether enough of a thing is its own; if so, it takes its cells of SAM's grid."""
    mask = thing.logits > 0
    if (mask & ~taken).sum() < OWN * mask.sum():
        return False
    taken |= mask
    return True


def _weighed(sure: float, outline: float, warm: float) -> float:
    return _chance(OFFSET + DETECTOR * _logit(sure) + OUTLINE * outline + HEAT * warm)


def _chance(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def _logit(chance: float) -> float:
    chance = min(max(chance, SURELY_NOT), 1 - 1e-6)
    return math.log(chance / (1 - chance))


def find_things(
    meaning: Meaning,
    runtime: Runtime,
    embedded: EmbeddedImage,
    number: int,
    heat: Float32,
    *,
    present: float | None = None,
) -> list[FoundThing]:
    """Returns the things of one class, best first; nothing if it is not in the picture.

    Args:
        meaning: knows the boxes of the picture.
        runtime: the engine with SAM.
        embedded: the picture.
        number: which of COCO's things, from 0.
        heat: (96, 96) logits of the class.
        present: the logit that a thing, or the heat where there is none, must reach; None for what suits most.
    """
    boxes = meaning.boxes(embedded.image)
    boxes = boxes.chosen(np.flatnonzero(boxes.scores > LEAST))
    own = np.flatnonzero(boxes.classes == number)[:ASKED]
    better = boxes.scores[:, None] > boxes.scores[own]
    same = (box_iou(boxes.corners, boxes.corners[own]) > SAME_BOX) & better
    rivals = np.flatnonzero(same.any(1) & (boxes.classes != number))
    asked = boxes.chosen(np.concatenate([own, rivals]))
    others = sorted(set(asked.classes.tolist()) - {number})
    warmth = {number: heat}
    if others:
        warmth |= zip(others, phrase_heat(meaning, embedded, [COCO_THINGS[other] for other in others]), strict=True)
    drawn = draw(runtime, embedded, asked, warmth)
    instead = [thing.found for thing in drawn if thing.number != number]
    things = [thing.found for thing in drawn if thing.number == number]
    things = _warm(runtime, embedded, [thing for thing in things if not _gives_way(thing, instead)], heat)
    if things and _logit(things[0].score) > (_logit(PRESENT) if present is None else present):
        least = max(PRESENT, BESIDE * things[0].score)
        return [thing for place, thing in enumerate(things) if not place or thing.score > least]
    return [] if present is None else find(runtime, embedded, heat, present=present)


def _gives_way(thing: FoundThing, rivals: Sequence[FoundThing]) -> bool:
    """Returns whether a thing is much more probably one of another class."""
    return any(rival.score > RIVAL * thing.score and iou(rival.mask, thing.mask) > SAME_BOX for rival in rivals)


def _warm(runtime: Runtime, embedded: EmbeddedImage, things: list[FoundThing], heat: Float32) -> list[FoundThing]:
    """Leaves out large doubtful things that heat does not fill."""
    large = LARGE * embedded.size.height * embedded.size.width
    if all(thing.score > DOUBTED or thing.mask.area < large for thing in things):
        return things
    seen = np.zeros((MaskGrid.SIDE, MaskGrid.SIDE), np.bool_)
    for region in find(runtime, embedded, heat, present=0.0):
        seen |= region.logits > 0

    def filled(thing: FoundThing) -> bool:
        inside = thing.logits > 0
        return bool(np.count_nonzero(inside & seen) >= FILLED * np.count_nonzero(inside))

    return [thing for thing in things if thing.score > DOUBTED or thing.mask.area < large or filled(thing)]


def absent(meaning: Meaning, embedded: EmbeddedImage, vocabulary: Vocabulary, heat: Float32) -> list[int]:
    """Returns the classes of a vocabulary that the detector knows and that are not in the picture.

    Args:
        meaning: knows the boxes of the picture.
        embedded: the picture.
        vocabulary: the classes.
        heat: (C, 96, 96) logits of the classes.
    """
    boxes = meaning.boxes(embedded.image)
    found: list[int] = []
    for place, (label, thing) in enumerate(zip(vocabulary.labels, vocabulary.things, strict=True)):
        number = thing_of(label) if thing else None
        if number is not None:
            sure = float(boxes.of(number).scores.max(initial=0.0))
            if _logit(sure) + WARMTH * float(heat[place].max()) <= SEEN:
                found.append(place)
    return found


def known_things(
    meaning: Meaning, runtime: Runtime, embedded: EmbeddedImage, vocabulary: Vocabulary, *, least: float = LEAST
) -> list[NamedThing]:
    """Finds all things of a vocabulary that the detector knows, best first.

    Args:
        meaning: knows the boxes of the picture.
        runtime: the engine with SAM.
        embedded: the picture.
        vocabulary: the classes.
        least: how sure the detector must be of a box.
    """
    numbers: dict[int, int] = {}
    for place, (label, thing) in enumerate(zip(vocabulary.labels, vocabulary.things, strict=True)):
        number = thing_of(label) if thing else None
        if number is not None:
            numbers.setdefault(number, place)
    boxes = meaning.boxes(embedded.image)
    asked = np.isin(boxes.classes, list(numbers)) & (boxes.scores > least)
    boxes = boxes.chosen(np.flatnonzero(asked)[:TRIED])
    seen = sorted(set(boxes.classes.tolist()))
    if not seen:
        return []
    heat = phrase_heat(meaning, embedded, [vocabulary.labels[numbers[number]] for number in seen])
    drawn = draw(runtime, embedded, boxes, dict(zip(seen, heat, strict=True)))
    return [NamedThing(numbers[thing.number], thing.found) for thing in drawn if thing.found.score > LISTED]

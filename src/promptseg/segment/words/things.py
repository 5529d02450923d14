"""Things of known classes, one mask each: the detector says that they are there, SAM draws them, heat adds its word.

Every box goes to SAM as a box prompt. Three witnesses (the detector, SAM's own expectation of its mask, the heat of the
class inside the mask) are weighed to one probability that class and outline are right. Heat that no box explains is
answered to a phrase too, where there is much of it: many small sheep are one region without a box each.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promptseg.arrays import BoolArray, Float32
from promptseg.geometry import MaskGrid
from promptseg.masks.overlap import mask_nms
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
from promptseg.vocabulary import Vocabulary

DUPLICATE = 0.7
"""Of two masks of one class that overlap more than this, the worse is dropped."""
OFFSET, DETECTOR, OUTLINE, HEAT = -2.0, 1.0, 2.0, 0.5
"""Weights of the witnesses: the detector's logit, SAM's expected IoU, the mean logit of the class inside the mask."""
PRESENT = 0.2
"""A class is in the picture if the detector is surer of some box than this; else heat is not believed either."""
ANSWERED = 0.2
"""Less probable things are not answered to a phrase."""
UNEXPLAINED, LEAST_SHARE = 0.5, 0.25
"""A region of heat counts beside the things if so much of it is in none of them, and if it is so large beside the
largest find."""
TRIED = 50
"""Boxes that are drawn of one picture, the best."""


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
    """Draws what lies in boxes, best first; of two drawings of one thing of one class the better stays.

    Args:
        runtime: the engine with SAM.
        embedded: the picture.
        boxes: around things.
        heat: (96, 96) logits of every class among them.
    """
    items = [encode_object((Box(*corners),), embedded.frame) for corners in boxes.corners.tolist()]
    wide = {number: enlarge(cells) for number, cells in heat.items()}
    found: dict[int, list[FoundThing]] = {number: [] for number in heat}
    for row, candidates in enumerate(decode(runtime, embedded, items)):
        logits, number = candidates.logits[0], int(boxes.classes[row])
        mask = upsample_to_rle(logits, embedded.frame)
        if mask.area and (logits > 0).any():
            inside = float(wide[number][logits > 0].mean())
            score = _weighed(float(boxes.scores[row]), float(candidates.scores[0]), inside)
            found[number].append(FoundThing(mask, logits, score))
    things: list[NamedThing] = []
    for number, same in found.items():
        kept = mask_nms([thing.mask for thing in same], [thing.score for thing in same], DUPLICATE)
        things.extend(NamedThing(number, same[place]) for place in kept.tolist())
    return sorted(things, key=lambda thing: -thing.found.score)


def _weighed(sure: float, outline: float, inside: float) -> float:
    logit = math.log(sure / (1 - sure))
    return 1 / (1 + math.exp(-(OFFSET + DETECTOR * logit + OUTLINE * outline + HEAT * inside)))


def find_things(
    runtime: Runtime, embedded: EmbeddedImage, boxes: Boxes, heat: Float32, *, present: float | None = None
) -> list[FoundThing]:
    """Returns the things of one class, best first; nothing if it is not in the picture.

    Args:
        runtime: the engine with SAM.
        embedded: the picture.
        boxes: around things of the class, whatever their scores.
        heat: (96, 96) logits of the class.
        present: the logit that the heat must reach somewhere; None to leave it to the detector.
    """
    if present is None and boxes.scores.max(initial=0.0) <= PRESENT:
        return []
    number = int(boxes.classes[0]) if len(boxes.classes) else 0
    drawn = draw(runtime, embedded, boxes, {number: heat})
    things = [thing.found for thing in drawn if thing.found.score > ANSWERED]
    regions = find(runtime, embedded, heat, present=0.0 if present is None else present)
    return things + _beside(things, regions)


def _beside(things: Sequence[FoundThing], regions: Sequence[FoundThing]) -> list[FoundThing]:
    """Returns the regions that the things do not explain."""
    taken = np.zeros((MaskGrid.SIDE, MaskGrid.SIDE), np.bool_)
    for thing in things:
        taken |= thing.logits > 0
    largest = max((thing.mask.area for thing in (*things, *regions)), default=0)
    return [
        region
        for region in regions
        if region.mask.area >= LEAST_SHARE * largest and _new(region.logits > 0, taken) >= UNEXPLAINED
    ]


def _new(mask: BoolArray, taken: BoolArray) -> float:
    return float((mask & ~taken).sum() / max(1, mask.sum()))


def known_things(
    meaning: Meaning, runtime: Runtime, embedded: EmbeddedImage, vocabulary: Vocabulary
) -> list[NamedThing]:
    """Finds all things of a vocabulary that the detector knows, best first."""
    numbers: dict[int, int] = {}
    for place, (label, thing) in enumerate(zip(vocabulary.labels, vocabulary.things, strict=True)):
        number = thing_of(label) if thing else None
        if number is not None:
            numbers.setdefault(number, place)
    boxes = meaning.boxes(embedded.image)
    boxes = boxes.chosen(np.flatnonzero(np.isin(boxes.classes, list(numbers)))[:TRIED])
    seen = sorted(set(boxes.classes.tolist()))
    if not seen:
        return []
    heat = phrase_heat(meaning, embedded, [vocabulary.labels[numbers[number]] for number in seen])
    drawn = draw(runtime, embedded, boxes, dict(zip(seen, heat, strict=True)))
    return [NamedThing(numbers[thing.number], thing.found) for thing in drawn]

"""Things of known classes, one mask each: the detector says that they are there, SAM draws them, heat adds its word.

Every box goes to SAM as a box prompt. Three witnesses (the detector, SAM's own expectation of its mask, the heat of the
class inside the mask) are weighed to one probability that class and outline are right. Heat that no box explains is
answered to a phrase too, where there is much of it: many small sheep are one region without a box each.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from promptseg.arrays import BoolArray, Float32
from promptseg.geometry import MaskGrid
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

OFFSET, DETECTOR, OUTLINE, HEAT = -3.4, 1.1, 3.0, 0.3
"""Weights of the witnesses: the detector's logit, SAM's expected IoU, the class's logit where the mask is warmest."""
WARMEST = 90
"""Percent of a mask that may be colder."""
PRESENT = 0.25
"""A class is in the picture if the detector is surer of some box than this; else heat is not believed either."""
ANSWERED, BESIDE, LISTED = 0.15, 0.35, 0.1
"""Less probable things are not answered to a phrase, nor those less probable than this share of the best; nor are
those below the third listed among all things of a vocabulary."""
OWN = 0.5
"""Of a thing so much must lie in no better one of its class: the rest are parts of it, or the same once more."""
LEAST_SHARE = 0.25
"""A region of heat counts beside the things if it is so large beside the largest find."""
DOUBTED, HELD, FILLED = 0.1, 0.7, 0.15
"""A thing at least so probable is answered in place of a region of heat of which so much lies in it, if that fills so
much of it."""
TRIED, LEAST = 50, 0.08
"""Boxes that are drawn of one picture, and the least that the detector must be sure of each."""


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


def _holds(thing: FoundThing, region: FoundThing) -> bool:
    """Returns whether most of a region of heat lies in a thing that is not much larger."""
    inside, whole = region.logits > 0, thing.logits > 0
    shared = np.count_nonzero(inside & whole)
    return bool(shared >= HELD * np.count_nonzero(inside) and shared >= FILLED * np.count_nonzero(whole))


def _weighed(sure: float, outline: float, warm: float) -> float:
    sure = min(sure, 1 - 1e-6)
    logit = math.log(sure / (1 - sure))
    return 1 / (1 + math.exp(-(OFFSET + DETECTOR * logit + OUTLINE * outline + HEAT * warm)))


def find_things(
    runtime: Runtime, embedded: EmbeddedImage, boxes: Boxes, heat: Float32, *, present: float | None = None
) -> list[FoundThing]:
    """Returns the things of one class, best first; nothing if it is not in the picture.

    Args:
        runtime: the engine with SAM.
        embedded: the picture.
        boxes: around things of the class, whatever their scores.
        heat: (96, 96) logits of the class.
        present: the logit that the heat or the probability of a thing must reach somewhere; None to leave it to the
            detector.
    """
    if present is None and boxes.scores.max(initial=0.0) <= PRESENT:
        return []
    boxes = boxes.chosen(np.flatnonzero(boxes.scores > LEAST))
    number = int(boxes.classes[0]) if len(boxes.classes) else 0
    drawn = draw(runtime, embedded, boxes, {number: heat})
    least = -math.inf if present is None else present
    best = drawn[0].found.score if drawn else 0.0
    seen = best > 0 and math.log(best / (1 - best)) > least
    floor = max(ANSWERED if present is None else 0.0, BESIDE * best)
    things = [thing.found for thing in drawn if seen and thing.found.score > floor]
    regions = find(runtime, embedded, heat, present=0.0 if present is None else present)
    taken = np.zeros((MaskGrid.SIDE, MaskGrid.SIDE), np.bool_)
    for thing in things:
        taken |= thing.logits > 0
    # A box that the detector doubts is believed where heat is in it: its outline is better than that of the heat.
    doubted = [thing.found for thing in drawn if thing.found.score > DOUBTED]
    regions = [next((thing for thing in doubted if _holds(thing, region)), region) for region in regions]
    largest = max((thing.mask.area for thing in (*things, *regions)), default=0)
    beside = [region for region in regions if region.mask.area >= LEAST_SHARE * largest and _takes(region, taken)]
    return things + beside


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
    asked = np.isin(boxes.classes, list(numbers)) & (boxes.scores > LEAST)
    boxes = boxes.chosen(np.flatnonzero(asked)[:TRIED])
    seen = sorted(set(boxes.classes.tolist()))
    if not seen:
        return []
    heat = phrase_heat(meaning, embedded, [vocabulary.labels[numbers[number]] for number in seen])
    drawn = draw(runtime, embedded, boxes, dict(zip(seen, heat, strict=True)))
    return [NamedThing(numbers[thing.number], thing.found) for thing in drawn if thing.found.score > LISTED]

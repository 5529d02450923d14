"""Places and words together: the place says where, the words say what, and one mask answers both.

Candidates come from the place alone and from the words alone, sought where the place is. The one that agrees best with
both answers. Where nothing that fits the words is seen at the place, the place alone is answered, without a label.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, Float32, sigmoid
from promptseg.masks.regions import components
from promptseg.masks.rle import RLE
from promptseg.masks.upsample import upsample_to_rle
from promptseg.prompts.encode import encode_object
from promptseg.prompts.shapes import box_of
from promptseg.prompts.types import Box, ObjectPrompts, PlacePrompt, Point, Scribble
from promptseg.runtimes.companions import Companions
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.places.predictor import Granularity, choose, decode, decode_again
from promptseg.segment.words.find import FoundThing
from promptseg.segment.words.sharpen import LIMIT, enlarge, regions

LEAST_SEEN = 4
"""Words that are seen in fewer cells of the grid do not take part."""
FITTING = 0.25
"""Words take part where some candidate overlaps what they fit by this IoU."""
AGREE = 3.0
"""How much the agreement of a mask with the words counts beside its probable IoU (benchmarks/semantics.md)."""
OUTLINED, STROKED, FIRST = 1.0, 0.3, 0.2
"""The same beside the agreement with places that are more than a click; with clicks and strokes alone the second, and
the third for the answers to the places alone (chosen on train/coco, benchmarks/dialogues.md)."""


def compose(
    runtime: Runtime,
    embedded: EmbeddedImage,
    places: ObjectPrompts,
    heat: Float32,
    granularity: Granularity,
    companions: Companions,
) -> tuple[list[tuple[FoundThing, str | None]], bool]:
    """Answers places, some of them positive, and the heat (96, 96) of words.

    Returns:
        The masks, more than one only with granularity "all", with the names of their granularities; and whether the
        words fit them.
    """
    item = encode_object(places, embedded.frame)
    answers = decode(runtime, embedded, [item], choice=companions.choice)
    if granularity == "auto":
        answers = decode_again(runtime, embedded, [item], answers)
    (alone,) = answers
    usual = choose(alone, item.ambiguous, granularity, embedded.frame)
    wide = enlarge(heat)
    drawn = [_drawn(prompt, embedded) for prompt in places if isinstance(prompt, PlacePrompt) and prompt.positive]
    seen, room = _seen_at(wide, places, drawn)
    first = usual[0][0]
    options, scores = [alone.logits[first]], [alone.scores[first]]
    if granularity == "auto" and np.count_nonzero(seen) >= LEAST_SEEN:
        options, scores = [*alone.logits[item.ambiguous :]], [*alone.scores[item.ambiguous :]]
        if not item.ambiguous:
            found = regions(runtime, embedded, np.where(room, wide, np.minimum(wide, -LIMIT)).astype(np.float32))
            options += [region.logits for region in found]
            scores += [region.heat for region in found]
    fits = agreement(options, wide, seen, room)
    if granularity != "auto" or max(fits) < FITTING:
        return [(_thing(embedded, alone.logits[index], alone.scores[index]), kind) for index, kind, _ in usual], bool(
            max(fits) >= FITTING
        )
    if item.ambiguous:
        worth = alone.expected(embedded.frame) + AGREE * fits
    else:
        spots = all(isinstance(prompt, Point | Scribble) for prompt in places)
        worth = place_fit(options, places, drawn) + (STROKED if spots else OUTLINED) * fits
        worth[: len(alone.logits)] += FIRST * spots
    best = int(np.argmax(worth))
    return [(_thing(embedded, options[best], scores[best]), None)], bool(fits[best] >= FITTING / 2)


def agreement(options: Sequence[Float32], wide: Float32, seen: BoolArray, room: BoolArray) -> npt.NDArray[np.float64]:
    """Returns how well masks (M) cover what the words fit, by its certainty and by what is seen at the place."""
    probability = np.where(room, sigmoid(wide), 0)
    return np.array([(_overlap(one > 0, probability) + _overlap(one > 0, seen)) / 2 for one in options])


def place_fit(options: Sequence[Float32], places: ObjectPrompts, drawn: Sequence[BoolArray]) -> npt.NDArray[np.float64]:
    """Returns how well masks (M) do what the positive places say, from 0 to 1."""
    kinds = [prompt for prompt in places if isinstance(prompt, PlacePrompt) and prompt.positive]
    found = [[_does(one > 0, kind, shape) for kind, shape in zip(kinds, drawn, strict=True)] for one in options]
    return np.array(found, np.float64).mean(1)


def _does(mask: BoolArray, prompt: PlacePrompt, drawn: BoolArray) -> float:
    area = int(mask.sum())
    if not area:
        return 0.0
    if isinstance(prompt, Point | Scribble):
        return float((mask & drawn).sum() / drawn.sum())
    inside = float((mask & drawn).sum() / area)
    if not isinstance(prompt, Box):
        return _overlap(mask, drawn) if prompt.feed.mask else inside
    x0, y0, x1, y1 = box_of(mask)
    around = np.zeros_like(mask)
    around[y0:y1, x0:x1] = True
    return (inside + _overlap(around, drawn)) / 2


def _drawn(prompt: PlacePrompt, embedded: EmbeddedImage) -> BoolArray:
    drawn = prompt.on_grid(embedded.frame)
    return drawn >= min(0.5, float(drawn.max()))


def _seen_at(wide: Float32, places: ObjectPrompts, drawn: Sequence[BoolArray]) -> tuple[BoolArray, BoolArray]:
    """Returns what of the words is seen at places (256, 256), and the room that the places leave.

    Areas bound the room; of what is seen in it, clicks and strokes take the connected parts that they touch.
    """
    kinds = [prompt for prompt in places if isinstance(prompt, PlacePrompt) and prompt.positive]
    room = np.ones_like(wide, np.bool_)
    spots = np.zeros_like(room)
    for prompt, shape in zip(kinds, drawn, strict=True):
        if isinstance(prompt, Point | Scribble):
            spots |= shape
        else:
            room &= shape
    seen = (wide > 0) & room
    return (_around(seen, spots), room) if spots.any() else (seen, room)


def _around(seen: BoolArray, spots: BoolArray) -> BoolArray:
    """Returns the connected parts of what is seen that hold a spot; all of it where none does."""
    result = np.zeros_like(seen)
    for part in components(RLE.encode(seen)):
        mask = part.dense()
        if (mask & spots).any():
            result |= mask
    return result if result.any() else seen


def _thing(embedded: EmbeddedImage, logits: Float32, score: Any) -> FoundThing:
    return FoundThing(upsample_to_rle(logits, embedded.frame), logits, float(score))


def _overlap(mask: BoolArray, other: npt.NDArray[Any]) -> float:
    """IoU of a mask with another one, which may be a probability."""
    return float((mask * other).sum() / max(1e-6, np.maximum(mask, other).sum()))

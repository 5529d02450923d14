"""Of the things that a noun found, those that the rest of the phrase means: by colour, place, size, number.

First the colours: things that have them stay. Then places and sizes put what is left in order. How many are answered is
said by the number, by a superlative or an ordinal, by "the", by the plural.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32, Float64
from promptseg.errors import PromptError, shorten
from promptseg.geometry import ResizeFrame
from promptseg.masks.overlap import mask_nms
from promptseg.masks.rle import RLE
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.words.colours import LEAST, PASSES, colour_fit
from promptseg.segment.words.engine import Meaning, cell_weights
from promptseg.segment.words.find import FoundThing
from promptseg.segment.words.phrases.phrase import SIZES, Order, Phrase
from promptseg.segment.words.picture import CELLS, NEAR_SIDE
from promptseg.segment.words.things import known_things
from promptseg.vocabulary import COCO_PANOPTIC

SURE = 0.2
"""Places and sizes are reckoned among things at least so sure beside the surest: a doubtful find at the border of the
picture is not "the leftmost one"."""
NEARNESS = 0.5
"""How much the size of a thing (side of a square of its area, as a share of the picture's height) says that it is near,
beside the height of its lower edge."""
ABOUT = 0.5
"""Several are large if at least half as large as the largest, small if at most twice as large as the smallest."""

LIKELY, ANSWERED = 0.3, 0.15
"""Less probable things are no "thing" or "one" where there are others; those below the second never are."""
SAME_THING = 0.7
"""Of two things of different classes that overlap more than this, the better one is "a thing"."""
HEATED = 4.0
"""The logit of things that were chosen, beside a place."""


def choose(found: Sequence[FoundThing], phrase: Phrase, picture: npt.NDArray[np.uint8]) -> list[FoundThing]:
    """Returns the things that a phrase means, best first.

    Args:
        found: what its noun found, best first.
        phrase: what was said.
        picture: (H, W, 3) its pixels.
    """
    things = list(found)
    if phrase.colours:
        things = _coloured(things, phrase, picture)
    if phrase.selectors:
        best = max((thing.score for thing in things), default=0.0)
        things = _selected([thing for thing in things if thing.score >= SURE * best], phrase)
    elif phrase.number is not None:
        things = sorted(things, key=lambda thing: -thing.score)
    return things if phrase.number is None else things[: phrase.number]


def _coloured(things: list[FoundThing], phrase: Phrase, picture: npt.NDArray[np.uint8]) -> list[FoundThing]:
    """Returns the things of a colour; of several the best one, where "the" and no place was said."""
    fits = np.array([colour_fit(picture, thing.mask, phrase) for thing in things])
    one = phrase.definite and not phrase.plural and phrase.number is None
    passing = np.flatnonzero(fits >= PASSES).tolist()
    if not passing and len(fits) and (one or phrase.selectors or phrase.number) and fits.max() >= LEAST:
        passing = [int(fits.argmax())]
    if one and not phrase.selectors:
        worth = fits * np.sqrt([thing.score for thing in things])
        passing = sorted(passing, key=lambda index: -worth[index])[:1]
    return [things[index] for index in passing]


def _selected(things: list[FoundThing], phrase: Phrase) -> list[FoundThing]:
    """Puts things in order of places and sizes, and returns as many as were meant."""
    masks = [thing.mask for thing in things]
    soft = [selector for selector in phrase.selectors if not selector.most]
    utmost = [selector for selector in phrase.selectors if selector.most]
    several = (phrase.plural or phrase.indefinite) and phrase.number is None
    for selector in soft if several or utmost else ():
        kept = _about(masks, selector.by)
        things, masks = [things[index] for index in kept], [masks[index] for index in kept]
    if not things or not (utmost or not several):
        return things
    keys = sum((_ranks(masks, selector.by) for selector in utmost or soft), np.zeros(len(things)))
    order = np.argsort(keys, kind="stable").tolist()
    if phrase.number is not None:
        return [things[index] for index in order]
    if several and utmost[0].place == 1 and phrase.plural:
        return [things[index] for index in _about(masks, utmost[0].by)]
    place = max((selector.place for selector in utmost), default=1)
    return [things[order[place - 1]]] if place <= len(order) else []


def _ranks(masks: Sequence[RLE], by: Order) -> Float64:
    """Returns how far each mask is from being the first of an order, scaled to 0 to 1."""
    keys = order_keys(masks, by)
    return (keys - keys.min()) / max(float(np.ptp(keys)), 1e-9)


def order_keys(masks: Sequence[RLE], by: Order) -> Float64:
    """Returns numbers by which masks are put in order: the lowest is the first."""
    height, width = masks[0].size
    x0, y0, x1, y1 = np.array([mask.box for mask in masks], np.float64).T
    areas = np.array([mask.area for mask in masks], np.float64)
    x, y = (x0 + x1) / 2 / width, (y0 + y1) / 2 / height
    near = y1 / height + NEARNESS * np.sqrt(areas) / height
    across, down = _sides(by)
    if across or down:
        return across * x + down * y
    if by == "middle" and len(masks) >= 3 and len(masks) % 2:
        line = x if np.ptp(x) * width >= np.ptp(y) * height else y
        return np.abs(line - np.median(line))
    if by in ("middle", "centre"):
        return np.hypot((x - 0.5) * width, (y - 0.5) * height)
    keys: dict[Order, Float64] = {
        "near": -near, "far": near, "large": -areas, "small": areas, "tall": y0 - y1, "short": y1 - y0,
        "wide": x0 - x1, "narrow": x1 - x0,
    }  # fmt: skip
    return keys[by]


def _sides(by: Order) -> tuple[int, int]:
    """Returns the direction of an order by sides: right and down from the side that was said."""
    across = 1 if by.endswith("left") else -1 if by.endswith("right") else 0
    down = 1 if by.startswith("top") else -1 if by.startswith("bottom") else 0
    return across, down


def _about(masks: Sequence[RLE], by: Order) -> list[int]:
    """Returns which of several masks a place or size can be said of; the first of the order always."""
    keys = order_keys(masks, by)
    if by in SIZES:
        sizes, first = np.abs(keys), float(np.abs(keys[keys.argmin()]))
        fits = sizes >= ABOUT * first if keys[0] < 0 else sizes <= first / ABOUT
    elif by in ("near", "far"):
        fits = keys <= (keys.min() + keys.max()) / 2
    elif by in ("middle", "centre"):
        height, width = masks[0].size
        fits = keys <= max(height, width) / 6 if by == "centre" else keys <= keys.min()
    else:
        height, width = masks[0].size
        centres = np.array([((m.box[0] + m.box[2]) / 2 / width, (m.box[1] + m.box[3]) / 2 / height) for m in masks])
        fits = np.ones(len(masks), np.bool_)
        for direction, line in zip(_sides(by), centres.T, strict=True):
            fits &= (line - 0.5) * direction <= 0
    fits[keys.argmin()] = True
    return np.flatnonzero(fits).tolist()


def nouns_of(phrases: Sequence[Phrase]) -> list[str]:
    """Returns what is to be looked for."""
    return [phrase.noun for phrase in phrases if phrase.noun is not None]


def anything(meaning: Meaning, runtime: Runtime, embedded: EmbeddedImage, text: str) -> list[FoundThing]:
    """Returns all known things of a picture, best first, each once: what "one" or "thing" can be.

    Raises:
        PromptError: nothing is known in it.
    """
    things = [item.found for item in known_things(meaning, runtime, embedded, COCO_PANOPTIC)]
    things = [thing for thing in things if thing.score > LIKELY] or [one for one in things if one.score > ANSWERED]
    if not things:
        raise PromptError(
            f"No known thing is in this picture of which {shorten(text)} could be one. Name the thing, or click on it."
        )
    kept = mask_nms([thing.mask for thing in things], [thing.score for thing in things], SAME_THING)
    return [things[index] for index in kept.tolist()]


def heat_of_things(embedded: EmbeddedImage, things: Sequence[FoundThing]) -> Float32:
    """Returns logits (96, 96) of things that were chosen, for places that are given beside them."""
    heat = np.full((CELLS, CELLS), -HEATED, np.float32)
    frame = ResizeFrame.fit(embedded.size, NEAR_SIDE)
    for thing in things:
        shares = cell_weights(thing.mask.dense(), frame)
        heat = np.maximum(heat, (2 * shares - 1) * HEATED)
    return heat

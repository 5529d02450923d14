"""Prompts that say what, and their combination with prompts that say where, to masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, Float32, sigmoid
from promptseg.geometry import MaskGrid
from promptseg.masks.regions import components
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import upsample_to_rle
from promptseg.prompts.encode import encode_object
from promptseg.prompts.speech import Transcriber, to_text
from promptseg.prompts.touched import touched_pixels
from promptseg.prompts.types import ObjectPrompts, WordPrompt
from promptseg.prompts.words import Audio, Reference, Text
from promptseg.runtimes.companions import NO_COMPANIONS, Companions
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.places.predictor import Candidates, Granularity, choose, decode
from promptseg.segment.words.engine import Meaning
from promptseg.segment.words.find import PRESENT, PRESENT_AMONG_RIVALS, FoundThing, as_segments, find
from promptseg.segment.words.heat import heat_of
from promptseg.segment.words.rivals import rivals, thing_of
from promptseg.segment.words.sharpen import enlarge
from promptseg.segment.words.things import find_things

LEAST_SEEN = 4
"""Words that are seen in fewer cells do not take part in choosing a mask."""

AGREE = 3.0
"""How much the agreement of a mask with the words counts beside its probable IoU (benchmarks/semantics.md)."""


def answer(
    meaning: Meaning,
    runtime: Runtime,
    embedded: EmbeddedImage,
    prompts: ObjectPrompts,
    *,
    granularity: Granularity = "auto",
    companions: Companions = NO_COMPANIONS,
    object_id: int = 0,
    present: float | None = None,
    transcriber: Transcriber | None = None,
) -> Segments:
    """Answers the prompts of one object, some of which say what it is.

    With words or a reference alone, everything that fits is answered, and nothing if nothing does. With a place
    beside them, one mask is: of SAM's candidates there, the one that the words fit best. A phrase is in the picture
    where its logit is above `present`, by default one that suits it.

    Raises:
        PromptError: a prompt is malformed or does not fit the picture, or nothing is positive.
        UnavailableError: a recording without a transcriber.
    """
    texts = [prompt.phrase for prompt in prompts if isinstance(prompt, Text)]
    texts += [to_text(prompt, transcriber).phrase for prompt in prompts if isinstance(prompt, Audio)]
    shown = [prompt for prompt in prompts if isinstance(prompt, Reference)]
    places = tuple(prompt for prompt in prompts if not isinstance(prompt, WordPrompt))
    label = texts[0] if texts else None
    heat = heat_of(meaning, embedded, texts, shown)
    if not any(prompt.positive for prompt in places):
        number = thing_of(texts[0]) if len(texts) == 1 and not shown else None
        if number is None:
            found = find(runtime, embedded, heat, present=_least(texts) if present is None else present)
        else:
            found = find_things(runtime, embedded, meaning.boxes(embedded.image).of(number), heat, present=present)
        return as_segments(_beside(found, places, embedded), embedded, label, prompts, object_id)
    item = encode_object(places, embedded.frame)
    (candidates,) = decode(runtime, embedded, [item], choice=companions.choice)
    chosen = _chosen(candidates, heat, embedded, item.ambiguous, granularity)
    found = [
        FoundThing(
            upsample_to_rle(candidates.logits[index], embedded.frame),
            candidates.logits[index],
            float(candidates.scores[index]),
        )
        for index, _ in chosen
    ]
    segments = as_segments(found, embedded, label, prompts, object_id)
    return segments.replace(granularities=tuple(kind for _, kind in chosen))


def _least(texts: Sequence[str]) -> float:
    """Returns the logit above which what is asked for is in the picture; a reference always finds its like."""
    if not texts:
        return 0.0
    return PRESENT_AMONG_RIVALS if all(rivals(phrase) for phrase in texts) else PRESENT


def _beside(found: list[FoundThing], places: ObjectPrompts, embedded: EmbeddedImage) -> list[FoundThing]:
    """Drops what negative places touch."""
    if not places:
        return found
    touched = touched_pixels(places, embedded.size, embedded.size).negative
    return [item for item in found if not (item.mask.dense() & touched).any()]


def _chosen(
    candidates: Candidates, heat: Float32, embedded: EmbeddedImage, ambiguous: bool, granularity: Granularity
) -> list[tuple[int, str | None]]:
    """Chooses among SAM's masks by their own scores and by how well they cover what the words fit."""
    if granularity != "auto" or not ambiguous:
        return choose(candidates, ambiguous, granularity, embedded.frame)
    wide = enlarge(heat)
    seen = wide > 0
    if np.count_nonzero(seen) < LEAST_SEEN:
        return choose(candidates, ambiguous, granularity, embedded.frame)
    masks = candidates.logits[1:] > 0
    probability = sigmoid(wide)
    here = _around(seen, candidates.click)
    agreement = [(_overlap(mask, probability) + _overlap(mask, here)) / 2 for mask in masks]
    worth = candidates.expected(embedded.frame) + AGREE * np.array(agreement)
    return [(1 + int(np.argmax(worth)), None)]


def _around(seen: BoolArray, click: tuple[float, float] | None) -> BoolArray:
    """Returns the connected part of what is seen (256, 256) that a click lies in, if it lies in one."""
    if click is not None:
        x, y = (min(MaskGrid.SIDE - 1, max(0, int(place / MaskGrid.CELL))) for place in click)
        for part in components(RLE.encode(seen)):
            if (mask := part.dense())[y, x]:
                return mask
    return np.zeros_like(seen)


def _overlap(mask: BoolArray, other: npt.NDArray[Any]) -> float:
    """IoU of a mask with another one, which may be a probability."""
    return float((mask * other).sum() / max(1e-6, np.maximum(mask, other).sum()))

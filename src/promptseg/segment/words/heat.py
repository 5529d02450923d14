"""How strongly each cell of a picture fits phrases and references, as logits."""

from collections.abc import Sequence

import numpy as np

from promptseg.arrays import Float32
from promptseg.prompts.words import Reference
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.words.engine import Meaning
from promptseg.segment.words.rivals import rivals

RIVALRY, MILDER = 0.5, 0.5
"""How much of the strongest rival's logit is taken off a phrase's, and what is added in return (chosen on dev/coco)."""


def heat_of(meaning: Meaning, embedded: EmbeddedImage, texts: Sequence[str], shown: Sequence[Reference]) -> Float32:
    """Returns logits (96, 96) of what is said and shown: the mean of all of it."""
    maps: list[Float32] = []
    if texts:
        maps.extend(phrase_heat(meaning, embedded, texts))
    maps.extend(meaning.likeness(embedded.image, meaning.read_reference(reference)) for reference in shown)
    return np.asarray(np.mean(maps, axis=0), np.float32)


def phrase_heat(meaning: Meaning, embedded: EmbeddedImage, phrases: Sequence[str]) -> Float32:
    """Returns logits (P, 96, 96) of phrases, lowered where a rival class is seen instead."""
    others = [rivals(phrase) for phrase in phrases]
    words = tuple(dict.fromkeys(name for names in others for name in names))
    classes = meaning.read([*phrases, *words])
    heat = meaning.heat(embedded.image, classes)
    result = heat[: len(phrases)].copy()
    for row, names in enumerate(others):
        if names:
            strongest = heat[[len(phrases) + words.index(name) for name in names]].max(0)
            result[row] += MILDER - RIVALRY * np.maximum(strongest, 0)
    return result

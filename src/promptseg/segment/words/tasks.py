"""Requests of words, for SAM's models: seem-tiny knows words, SAM draws the outlines."""

from collections.abc import Iterable

import numpy as np

from promptseg.errors import InputError, PromptError
from promptseg.masks.overlap import union
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.segments import Segments
from promptseg.prompts.request import says_what
from promptseg.prompts.speech import Transcriber
from promptseg.prompts.types import ObjectPrompts
from promptseg.runtimes.companions import NO_COMPANIONS, Companions
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.places import predictor
from promptseg.segment.places.predictor import Granularity
from promptseg.segment.places.refine import PlaceAnswer
from promptseg.segment.words import maps
from promptseg.segment.words.answer import answer
from promptseg.segment.words.engine import LIMIT, Meaning
from promptseg.segment.words.find import FoundThing
from promptseg.segment.words.rivals import thing_of
from promptseg.segment.words.things import LEAST, SURE_BOX, NamedThing, absent, known_things
from promptseg.speech.hear import heard
from promptseg.vocabulary import Vocabulary


def answer_objects(
    meaning: Meaning,
    runtime: Runtime,
    embedded: EmbeddedImage,
    objects: Iterable[ObjectPrompts],
    *,
    granularity: Granularity = "auto",
    companions: Companions = NO_COMPANIONS,
    transcriber: Transcriber | None = None,
) -> Segments:
    """Answers objects of which some are spoken of by words or references; see `answer` for the arguments."""
    predictor.check_granularity(granularity)
    parts = []
    for number, item in enumerate(objects):
        if says_what(item):
            parts.append(
                answer(
                    meaning,
                    runtime,
                    embedded,
                    item,
                    granularity=granularity,
                    companions=companions,
                    object_id=number,
                    transcriber=transcriber,
                )
            )
        else:
            found = predictor.segment(runtime, embedded, [item], granularity=granularity, companions=companions)
            parts.append(found.replace(object_ids=np.full(len(found), number)))
    return Segments.concatenate(parts)


def answer_as_one(
    meaning: Meaning,
    runtime: Runtime,
    embedded: EmbeddedImage,
    before: PlaceAnswer | None,
    prompts: ObjectPrompts,
    granularity: Granularity,
    companions: Companions = NO_COMPANIONS,
) -> PlaceAnswer:
    """Answers a round of words in a dialogue, together with what was given before; all that fits is one object.

    Raises:
        PromptError: nothing fits.
    """
    together = heard(prompts if before is None else (*before.prompts, *prompts))
    found = answer(meaning, runtime, embedded, together, granularity=granularity, companions=companions)
    if not len(found) or found.low_res_logits is None:
        raise PromptError("Nothing that fits these words is in the picture. Say it otherwise, or click on it.")
    return PlaceAnswer(
        together,
        union(found.masks, found.size),
        found.low_res_logits.max(0),
        float(found.scores.max()),
        embedded,
        granularity=found.granularities[0],
    )


def instances(meaning: Meaning, runtime: Runtime, embedded: EmbeddedImage, vocabulary: Vocabulary) -> Segments:
    """Finds all things of a vocabulary, best first."""
    things = _things(meaning, runtime, embedded, vocabulary)
    return Segments(
        size=embedded.size,
        masks=tuple(thing.found.mask for thing in things),
        scores=np.array([thing.found.score for thing in things], np.float32),
        labels=tuple(vocabulary.labels[thing.number] for thing in things),
        image=embedded.image.pixels,
    )


def semantic(
    meaning: Meaning, runtime: Runtime, embedded: EmbeddedImage, vocabulary: Vocabulary, *, everywhere: bool
) -> PanopticSegments:
    """Gives pixels a class; see `maps.patches` and `maps.semantic`."""
    heat = meaning.heat(embedded.image, meaning.vocabulary(vocabulary))
    heat[absent(meaning, embedded, vocabulary, heat)] = -LIMIT
    found = maps.patches(runtime, embedded, heat, vocabulary, everywhere=everywhere)
    things = known_things(meaning, runtime, embedded, vocabulary, least=SURE_BOX)
    return maps.semantic(embedded, found, things, vocabulary)


def panoptic(meaning: Meaning, runtime: Runtime, embedded: EmbeddedImage, vocabulary: Vocabulary) -> PanopticSegments:
    """Cuts a picture into things and stuff; see `maps.panoptic`."""
    stuff = [label for label, thing in zip(vocabulary.labels, vocabulary.things, strict=True) if not thing]
    ground = meaning.ground(embedded.image, stuff)
    things = _things(meaning, runtime, embedded, vocabulary, least=SURE_BOX)
    return maps.panoptic(embedded, things, ground, vocabulary)


def _things(
    meaning: Meaning, runtime: Runtime, embedded: EmbeddedImage, vocabulary: Vocabulary, *, least: float = LEAST
) -> list[NamedThing]:
    """Finds the things of a vocabulary: those that the detector knows by boxes, the others by heat."""
    things = known_things(meaning, runtime, embedded, vocabulary, least=least)
    pairs = zip(vocabulary.labels, vocabulary.things, strict=True)
    others = {number for number, (label, thing) in enumerate(pairs) if thing and thing_of(label) is None}
    if others:
        heat = meaning.heat(embedded.image, meaning.vocabulary(vocabulary))
        for patch in maps.patches(runtime, embedded, heat, vocabulary):
            mask = patch.region.mask(embedded)
            if patch.number in others and mask.area:
                things.append(NamedThing(patch.number, FoundThing(mask, patch.region.logits, patch.region.heat)))
    return sorted(things, key=lambda thing: -thing.found.score)


def logit_of(threshold: float) -> float:
    """Returns the logit of a probability; that of 0 is below all.

    Raises:
        InputError: it is no probability.
    """
    if not 0 <= threshold < 1:
        raise InputError(f"A threshold is a probability from 0 to 1, got {threshold!r}.")
    return -1e9 if threshold == 0 else float(np.log(threshold / (1 - threshold)))

"""Requests of words, for SAM's models: seem-tiny knows words, SAM draws the outlines."""

from collections.abc import Iterable

import numpy as np

from promptseg.errors import InputError, PromptError
from promptseg.masks.overlap import union
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
from promptseg.segment.words.answer import answer
from promptseg.segment.words.engine import Meaning


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
    together = prompts if before is None else (*before.prompts, *prompts)
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


def logit_of(threshold: float) -> float:
    """Returns the logit of a probability; that of 0 is below all.

    Raises:
        InputError: it is no probability.
    """
    if not 0 <= threshold < 1:
        raise InputError(f"A threshold is a probability from 0 to 1, got {threshold!r}.")
    return -1e9 if threshold == 0 else float(np.log(threshold / (1 - threshold)))

"""Prompts that say what, and their combination with prompts that say where, to masks."""

from collections.abc import Sequence
from dataclasses import replace

from promptseg.arrays import Float32
from promptseg.masks.segments import Segments
from promptseg.prompts.speech import Transcriber
from promptseg.prompts.touched import touched_pixels
from promptseg.prompts.types import ObjectPrompts, Point, Scribble, WordPrompt
from promptseg.prompts.words import Audio, Reference, Text
from promptseg.runtimes.companions import NO_COMPANIONS, Companions
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.places.predictor import Granularity
from promptseg.segment.places.refine import PlaceAnswer, refine
from promptseg.segment.words.choose import anything, choose, heat_of_things, nouns_of
from promptseg.segment.words.compose import compose
from promptseg.segment.words.engine import Meaning
from promptseg.segment.words.find import PRESENT, PRESENT_AMONG_RIVALS, FoundThing, as_segments, find
from promptseg.segment.words.heat import heat_of
from promptseg.segment.words.phrases.phrase import Phrase
from promptseg.segment.words.phrases.read import read_phrase
from promptseg.segment.words.rivals import rivals, thing_of
from promptseg.segment.words.sharpen import enlarge
from promptseg.segment.words.things import find_things
from promptseg.speech.hear import heard

OTHERS = 0.5
"""A negative place drops a thing that it touches if the others that were found are together at least so large beside
it; else the thing loses what is pointed at."""


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
    beside them, one mask is; see `words.compose`. A phrase is in the picture
    where its logit is above `present`, by default one that suits it.

    Raises:
        PromptError: a prompt is malformed or does not fit the picture, or nothing is positive; a phrase is not
            understood.
        UnavailableError: there is a recording, and nothing that writes it down.
    """
    prompts = heard(prompts, transcriber)
    texts = [prompt.phrase for prompt in prompts if isinstance(prompt, Text | Audio) and prompt.phrase]
    shown = [prompt for prompt in prompts if isinstance(prompt, Reference)]
    places = tuple(prompt for prompt in prompts if not isinstance(prompt, WordPrompt))
    label = texts[0] if texts else None
    phrases = [read_phrase(text) for text in texts]
    if not any(prompt.positive for prompt in places):
        found = _meant(meaning, runtime, embedded, phrases, shown, present)
        left = _less(runtime, embedded, found, prompts, companions)
        return as_segments(left, embedded, label, prompts, object_id)
    heat = _beside(meaning, runtime, embedded, phrases, shown, places, present)
    composed, fitting = compose(runtime, embedded, places, heat, granularity, companions)
    segments = as_segments([thing for thing, _ in composed], embedded, label if fitting else None, prompts, object_id)
    return segments.replace(granularities=tuple(kind for _, kind in composed))


def _meant(
    meaning: Meaning,
    runtime: Runtime,
    embedded: EmbeddedImage,
    phrases: Sequence[Phrase],
    shown: Sequence[Reference],
    present: float | None,
) -> list[FoundThing]:
    """Finds what fits nouns and references, and of that what the rest of the phrases means."""
    nouns = nouns_of(phrases)
    if nouns or shown:
        found = _found(meaning, runtime, embedded, nouns, shown, present)
    else:
        found = anything(meaning, runtime, embedded, phrases[0].text)
    for phrase in phrases:
        found = choose(found, phrase, embedded.image.pixels)
    return found


def _beside(
    meaning: Meaning,
    runtime: Runtime,
    embedded: EmbeddedImage,
    phrases: Sequence[Phrase],
    shown: Sequence[Reference],
    places: ObjectPrompts,
    present: float | None,
) -> Float32:
    """Returns logits (96, 96) of what words mean beside places.

    That are the things that they choose; beside clicks and strokes, which mean one of several, the things that the
    detector knows; else all that fits.
    """
    nouns = nouns_of(phrases)
    chosen = any(phrase.selects for phrase in phrases)
    known = not shown and len(nouns) == 1 and thing_of(nouns[0]) is not None
    if chosen or (known and all(isinstance(place, Point | Scribble) for place in places)):
        found = _meant(meaning, runtime, embedded, phrases, shown, present)
        if chosen or found:
            return heat_of_things(embedded, found)
    return heat_of(meaning, embedded, nouns, shown)


def _found(
    meaning: Meaning,
    runtime: Runtime,
    embedded: EmbeddedImage,
    texts: Sequence[str],
    shown: Sequence[Reference],
    present: float | None,
) -> list[FoundThing]:
    """Finds what fits the phrases, of that what is like the references where some is; else what is like them."""
    found: list[FoundThing] = []
    if texts:
        heat = heat_of(meaning, embedded, texts, ())
        number = thing_of(texts[0]) if len(texts) == 1 else None
        if number is None:
            found = find(runtime, embedded, heat, present=_least(texts) if present is None else present)
        else:
            found = find_things(meaning, runtime, embedded, number, heat, present=present)
    if not shown:
        return found
    heat = heat_of(meaning, embedded, (), shown)
    if not found:
        return find(runtime, embedded, heat, present=_least(()) if present is None else present)
    likeness = enlarge(heat)
    alike = [thing for thing in found if (thing.logits > 0).any() and likeness[thing.logits > 0].mean() > 0]
    return alike or found


def _least(texts: Sequence[str]) -> float:
    """Returns the logit above which what is asked for is in the picture; a reference always finds its like."""
    if not texts:
        return 0.0
    return PRESENT_AMONG_RIVALS if all(rivals(phrase) for phrase in texts) else PRESENT


def _less(
    runtime: Runtime, embedded: EmbeddedImage, found: list[FoundThing], prompts: ObjectPrompts, companions: Companions
) -> list[FoundThing]:
    """Takes away what negative places point at: a thing, where others are left; a part of the only one."""
    places = tuple(prompt for prompt in prompts if not isinstance(prompt, WordPrompt))
    words = tuple(prompt for prompt in prompts if isinstance(prompt, WordPrompt))
    touched = touched_pixels(places, embedded.size, embedded.size).negative
    left: list[FoundThing] = []
    for item in found:
        if not (item.mask.dense() & touched).any():
            left.append(item)
        elif sum(other.mask.area for other in found if other is not item) < OTHERS * item.mask.area:
            thing = PlaceAnswer(words, item.mask, item.logits, item.score, embedded)
            rest = refine(runtime, embedded, thing, places, companions=companions)
            left.append(replace(item, mask=rest.mask, logits=rest.logits))
    return left

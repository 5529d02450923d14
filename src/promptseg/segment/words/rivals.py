"""Classes that a phrase competes with: what is more like a cow is no horse, although it looks a little like one.

seem-tiny was trained to tell the classes of a vocabulary from one another, so that its logit for one class alone is too
generous. A phrase that names such a class (or means nearly the same) is answered where no other of its vocabulary is
seen more clearly. A phrase of one's own has no rivals.
"""

from collections.abc import Sequence
from functools import cache

from promptseg.segment.words.phrases.names import GARMENTS, SAME
from promptseg.segment.words.phrases.read import english
from promptseg.vocabulary import COCO_THINGS

_ARTICLES = ("a ", "an ", "the ", "a photo of ", "photo of ")


def plain(phrase: str) -> str:
    """Returns a phrase in English and lower case, without articles."""
    words = " ".join(english(phrase).lower().replace("_", " ").split())
    for article in (*_ARTICLES[3:], *_ARTICLES[:3]):
        words = words.removeprefix(article)
    return words.strip()


@cache
def rivals(phrase: str) -> tuple[str, ...]:
    """Returns the names that a phrase competes with; none for a phrase that is not a known class."""
    name = _first_name(phrase)
    for vocabulary in (COCO_THINGS, tuple(GARMENTS.split(", "))):
        wanted = _among(name, vocabulary)
        if wanted is not None:
            return tuple(other for other in vocabulary if other != wanted)
    return ()


@cache
def thing_of(phrase: str) -> int | None:
    """Returns the number of COCO's thing, from 0, that a phrase names."""
    wanted = _among(_first_name(phrase), COCO_THINGS)
    return None if wanted is None else COCO_THINGS.index(wanted)


def _first_name(phrase: str) -> str:
    name = plain(phrase)
    return next((group[0] for group in SAME if name in group), name)


def _among(name: str, vocabulary: Sequence[str]) -> str | None:
    """Returns the name of a vocabulary that a name is, as it stands or in the plural."""
    return next((one for one in (name, name.removesuffix("s"), name.removesuffix("es")) if one in vocabulary), None)

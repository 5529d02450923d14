"""Our ways of finding all masks of a picture, as contestants."""

from collections.abc import Callable, Sequence

from promptseg.errors import InputError
from promptseg.evaluate.everything import Finder
from promptseg.images import Image
from promptseg.masks.segments import Segments
from promptseg.segment.segmenter import Segmenter


def _fast(segmenter: Segmenter, image: Image) -> Segments:
    return segmenter.everything(image, mode="fast")


def _exact(segmenter: Segmenter, image: Image) -> Segments:
    return segmenter.everything(image, mode="exact")


def _proposals(segmenter: Segmenter, image: Image) -> Segments:
    return segmenter.proposals(image)


FINDERS: dict[str, Callable[[Segmenter, Image], Segments]] = {
    "fast": _fast,
    "exact": _exact,
    "proposals": _proposals,
}
"""Every way by name."""


def finders(segmenter: Segmenter, names: Sequence[str]) -> dict[str, Finder]:
    """Returns the ways of these names, with one segmenter.

    Raises:
        InputError: a name is unknown.
    """
    unknown = [name for name in names if name not in FINDERS]
    if unknown:
        raise InputError(f"Unknown way {unknown[0]!r}: expected one of {', '.join(FINDERS)}.")
    return {name: _bound(FINDERS[name], segmenter) for name in names}


def _bound(find: Callable[[Segmenter, Image], Segments], segmenter: Segmenter) -> Finder:
    return lambda image: find(segmenter, image)

"""What SEEM's tasks share: a runtime, class banks, and what was read or looked at lately."""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

import numpy as np

from promptseg.arrays import Float32
from promptseg.errors import PromptError
from promptseg.images import Image
from promptseg.models.seem.tokenizer import tokenizer
from promptseg.prompts.touched import touched_pixels
from promptseg.prompts.types import ObjectPrompts
from promptseg.prompts.words import Audio, Reference, Text
from promptseg.runtimes.seem import Phrases, SeemRegion, SeemRequest, SeemRuntime
from promptseg.segment.seem.classes import ClassBanks
from promptseg.segment.seem.picture import Scale, SeemFrame, SeemImage, network_input

_KEPT = 16
"""Phrases and references remembered."""

T = TypeVar("T")


class SeemEngine:
    """Turns pictures into embeddings and prompts into requests.

    Args:
        model: name in the registry.
        runtime: the network.
    """

    def __init__(self, model: str, runtime: SeemRuntime) -> None:
        self.model, self.runtime = model, runtime
        self.banks = ClassBanks(runtime)
        self._kept: dict[Hashable, Any] = {}

    def embed(self, image: Image, scale: Scale = "prompts", short_side: int | None = None) -> SeemImage:
        """Embeds a picture.

        Raises:
            InputError: the short side is out of range.
        """
        frame = SeemFrame.fit(image.size, self.model, scale, short_side)
        return SeemImage(self.runtime.encode(network_input(image, frame)), frame, image, self.model)

    def request(self, prompts: ObjectPrompts, embedded: SeemImage, previous: Float32 | None = None) -> SeemRequest:
        """Encodes all prompts of one object, whose recordings were heard.

        Raises:
            PromptError: a prompt does not fit the picture, nothing is positive, or there are several references.
        """
        frame = embedded.frame
        touched = touched_pixels(prompts, frame.original, frame.resized)
        texts = [prompt.phrase for prompt in prompts if isinstance(prompt, Text)]
        spoken = [prompt.phrase for prompt in prompts if isinstance(prompt, Audio) and prompt.phrase]
        shown = [prompt for prompt in prompts if isinstance(prompt, Reference)]
        if len(shown) > 1:
            raise PromptError(
                f"One object can have one reference, got {len(shown)}. Give one list of prompts per object."
            )
        if not (touched.positive.any() or texts or spoken or shown):
            raise PromptError(
                "Only negative prompts were given. Say what the object is: add a positive point, box, stroke or mask, "
                "a text or a reference."
            )
        return SeemRequest(
            positive=touched.positive if touched else None,
            negative=touched.negative if touched else None,
            visual=self.region(shown[0], embedded.frame) if shown else None,
            text=self.phrases(texts) if texts else None,
            audio=self.phrases(spoken) if spoken else None,
            previous=previous,
        )

    def phrases(self, phrases: Iterable[str]) -> Phrases:
        """Encodes phrases that are read together."""
        key = tuple(phrases)
        return self._remember(("text", key), lambda: self.runtime.read(tokenizer()(key).ids))

    def region(self, reference: Reference, like: SeemFrame) -> SeemRegion:
        """Looks at a reference, at the scale of the picture `like` in which its like is sought."""
        picture = reference.open()
        short = min(like.resized) if like.smooth else None

        def look() -> SeemRegion:
            frame = SeemFrame.fit(picture.size, self.model, short_side=_allowed(short))
            touched = touched_pixels([reference.mask], frame.original, frame.resized)
            return self.runtime.look(self.runtime.encode(network_input(picture, frame)), touched.positive)

        return self._remember(("region", picture.digest, reference.mask, short), look)

    def _remember(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._kept:
            made = make()
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[key] = made
        return self._kept[key]


def _allowed(short: int | None) -> int | None:
    """A narrow picture's short side may be below what a caller may ask for."""
    return short if short is not None and 32 <= short <= 1024 else None


def mean_cosine(scores: Float32) -> Float32:
    """Joins (Q, S) scores of the phrases that speak of one object: (Q,)."""
    return np.asarray(scores.mean(axis=1), np.float32)

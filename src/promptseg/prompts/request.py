"""`Request`: what a caller asks about one picture, sorted into objects once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from promptseg.errors import PromptError
from promptseg.geometry import ResizeFrame, Size
from promptseg.prompts.checks import short
from promptseg.prompts.encode import EncodedObject, encode_object
from promptseg.prompts.places import Box
from promptseg.prompts.speech import check_recording
from promptseg.prompts.touched import touched_pixels
from promptseg.prompts.types import ObjectPrompts, Prompt, known_prompts
from promptseg.prompts.words import Audio, Text, WordPrompt

OneGranularity: TypeAlias = Literal["auto", "part", "object", "whole"]
"""Which of SAM's three nested answers to give. "auto" lets the scores choose after a single click and takes the
single-mask output after more; "part", "object" and "whole" take the smallest, middle and largest."""

Granularity: TypeAlias = Literal[OneGranularity, "all"]
"""The same; "all" gives three."""


@dataclass(frozen=True, slots=True)
class Request:
    """Prompts sorted into objects, each of which is encoded once for a frame.

    Attributes:
        objects: the prompts of each object, in order; none is empty.
    """

    objects: tuple[ObjectPrompts, ...]
    _encoded: dict[tuple[int, ResizeFrame], EncodedObject] = field(
        default_factory=dict[tuple[int, ResizeFrame], EncodedObject], init=False, repr=False, compare=False
    )

    @classmethod
    def of(cls, prompts: "Prompts") -> "Request":
        """Sorts what a caller gave into objects; what is sorted already stays as it is.

        One prompt or a flat list of prompts speaks of one object; a list of lists speaks of several. A flat list that
        holds nothing but two or more positive boxes speaks of one object per box, as in the official batched API, and
        one of nothing but phrases and recordings of one object per phrase.

        Raises:
            PromptError: nothing was given, or single prompts and lists of prompts are mixed.
        """
        if isinstance(prompts, Request):
            return prompts
        if isinstance(prompts, Prompt):
            return cls(((prompts,),))
        try:
            items: list[Any] = list(prompts)
        except TypeError:
            _check(prompts)
            raise
        if not items:
            raise PromptError("No prompt was given: give at least one point, box, mask, polygon or scribble.")
        lists = [isinstance(item, Sequence) and not isinstance(item, str) for item in items]
        if all(lists):
            return cls(tuple(_object(position, item) for position, item in enumerate(items)))
        if any(lists):
            raise PromptError("Give either prompts of one object, or one list of prompts per object, not a mixture.")
        for item in items:
            _check(item)
        alone = all(isinstance(item, Box) and item.positive for item in items) or all(
            isinstance(item, Text | Audio) for item in items
        )
        return cls(tuple((item,) for item in items) if alone else (tuple(items),))

    @classmethod
    def against(cls, positive: Sequence[Prompt], negative: Sequence[Prompt]) -> "Request":
        """Sorts positive prompts into objects, and adds the negative ones to each."""
        return cls(tuple((*parts, *negative) for parts in cls.of(positive).objects))

    @property
    def says_what(self) -> bool:
        """Whether some prompt of some object says what, not where."""
        return any(map(says_what, self.objects))

    def encoded(self, number: int, frame: ResizeFrame) -> EncodedObject:
        """Returns SAM's tokens of one object; see `encode_object`.

        Raises:
            PromptError: a prompt does not fit the picture or the model.
        """
        key = number, frame
        if key not in self._encoded:
            self._encoded[key] = encode_object(self.objects[number], frame)
        return self._encoded[key]

    def check(self, size: Size, *, semantic: bool) -> None:
        """Finds the mistakes that need no model: places beside the picture, recordings that are not there.

        Args:
            size: of the picture.
            semantic: whether the model takes all places as touched pixels, not as SAM's tokens.

        Raises:
            PromptError: a prompt does not fit the picture or the model.
        """
        for number, parts in enumerate(self.objects):
            if not semantic and not says_what(parts):
                self.encoded(number, ResizeFrame.fit(size))
                continue
            touched_pixels(parts, size, size)
            for part in parts:
                if isinstance(part, Audio):
                    check_recording(part.file)


Prompts: TypeAlias = Request | Prompt | Sequence[Prompt] | Sequence[Sequence[Prompt]]
"""What callers may give: see `Request.of`."""


def says_what(prompts: ObjectPrompts) -> bool:
    """Returns whether some prompt of an object says what, not where."""
    return any(isinstance(prompt, WordPrompt) for prompt in prompts)


def _object(position: int, parts: Sequence[Any]) -> ObjectPrompts:
    if not parts:
        raise PromptError(f"Object {position} has no prompt.")
    for part in parts:
        _check(part)
    return tuple(parts)


def _check(item: Any) -> None:
    if not isinstance(item, Prompt):
        *names, last = (known.__name__ for known in known_prompts().values())
        raise PromptError(f"Expected {', '.join(names)} or {last}, got {type(item).__name__} ({short(item)}).")

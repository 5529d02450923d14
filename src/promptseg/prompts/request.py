"""`Request`: what a caller asks about one picture, sorted into objects once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from promptseg.errors import PromptError
from promptseg.prompts.checks import short
from promptseg.prompts.places import Box
from promptseg.prompts.types import ObjectPrompts, Prompt
from promptseg.prompts.words import Audio, Text, WordPrompt


@dataclass(frozen=True, slots=True)
class Request:
    """Prompts sorted into objects.

    Attributes:
        objects: the prompts of each object, in order; none is empty.
    """

    objects: tuple[ObjectPrompts, ...]

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
            raise PromptError(
                "Give either prompts of one object, or one list of prompts per object, not a mixture."
            )
        for item in items:
            _check(item)
        alone = all(isinstance(item, Box) and item.positive for item in items) or all(
            isinstance(item, Text | Audio) for item in items
        )
        return cls(tuple((item,) for item in items) if alone else (tuple(items),))

    @property
    def says_what(self) -> bool:
        """Whether some prompt of some object says what, not where."""
        return any(map(says_what, self.objects))


Prompts: TypeAlias = "Request | Prompt | Sequence[Prompt] | Sequence[Sequence[Prompt]]"
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
        raise PromptError(
            "Expected Point, Box, Mask, Polygon, Circle, Scribble, Text, Audio or Reference, "
            f"got {type(item).__name__} ({short(item)})."
        )

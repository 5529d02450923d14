"""A dialogue about objects of one picture: every prompt corrects the mask so far; rounds can be undone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from promptseg.errors import InputError, PromptError
from promptseg.masks.segments import Segments
from promptseg.prompts.request import Granularity, Request
from promptseg.prompts.types import ObjectPrompts, Prompt, prompt_from_json
from promptseg.segment.answer import Answer
from promptseg.segment.embedded import Embedded
from promptseg.segment.places.predictor import check_granularity

FORMAT = 1
"""Version of the JSON record."""


@dataclass(frozen=True, slots=True)
class Round:
    """What the user gave at once for one object."""

    object_id: int
    prompts: ObjectPrompts
    granularity: Granularity = "auto"


AnswerT = TypeVar("AnswerT", bound=Answer)


@dataclass(frozen=True, slots=True)
class _State:
    rounds: tuple[Round, ...]
    answers: Mapping[int, Answer]


class Session:
    """Remembers the prompts and the mask of every object, round by round. `Segmenter.session` begins one.

    The session belongs to its caller and is not shared between threads; the values that it gives out are immutable.

    Args:
        embedded: the picture.
        answer: answers a round of one object: what it answered before, if anything, the new prompts and the
            granularity give what it answers now.
    """

    def __init__(
        self, embedded: Embedded, answer: Callable[[AnswerT | None, ObjectPrompts, Granularity], AnswerT]
    ) -> None:
        self._embedded = embedded
        self._answer: Callable[[Any, ObjectPrompts, Granularity], Answer] = answer
        self._history: list[_State] = [_State((), MappingProxyType({}))]
        self._now = 0

    def add(self, *prompts: Prompt, object_id: int = 0, granularity: Granularity = "auto") -> Segments:
        """Adds prompts to one object and returns the masks of all objects so far.

        Args:
            prompts: what to add; each round may hold several prompts.
            object_id: which object they speak of; a new number begins a new object.
            granularity: "auto", or "part", "object", "whole" to choose among SAM's three nested masks.

        Raises:
            PromptError: there is no prompt, or one is malformed or does not fit the picture. The session is as before.
        """
        check_granularity(granularity)
        if granularity == "all":
            raise InputError('A session keeps one mask per object: choose "auto", "part", "object" or "whole".')
        if not prompts:
            raise PromptError("Give at least one prompt to add.")
        Request.of([prompts])  # refuses what is no prompt
        state = self._history[self._now]
        object_id = _checked_id(object_id)
        step = Round(object_id, prompts, granularity)
        answer = self._answer(state.answers.get(object_id), prompts, granularity)
        answers = MappingProxyType({**state.answers, object_id: answer})
        self._history[self._now + 1 :] = [_State((*state.rounds, step), answers)]
        self._now += 1
        return self.segments

    @property
    def segments(self) -> Segments:
        """The masks of all objects after the current round, in order of their ids."""
        answers = self._history[self._now].answers
        if not answers:
            return Segments.empty(self._embedded.image.size)
        return Segments.concatenate([answers[key].segments(key) for key in sorted(answers)])

    @property
    def rounds(self) -> tuple[Round, ...]:
        """What was given so far, without what was undone."""
        return self._history[self._now].rounds

    @property
    def can_undo(self) -> bool:
        """Whether there is a round to take back."""
        return self._now > 0

    @property
    def can_redo(self) -> bool:
        """Whether a round was taken back and nothing was added since."""
        return self._now + 1 < len(self._history)

    def undo(self) -> Segments:
        """Takes the last round back; without one, nothing changes."""
        self._now = max(0, self._now - 1)
        return self.segments

    def redo(self) -> Segments:
        """Brings the round that was taken back again; without one, nothing changes."""
        self._now = min(len(self._history) - 1, self._now + 1)
        return self.segments

    def reset(self) -> Segments:
        """Forgets all rounds."""
        self._history[:] = self._history[:1]
        self._now = 0
        return self.segments

    def to_json(self) -> dict[str, Any]:
        """Returns the rounds as plain JSON; with the same picture and model they make the same session."""
        return {
            "format": FORMAT,
            "model": self._embedded.model,
            "image": {"sha256": self._embedded.image.digest, "size": list(self._embedded.image.size)},
            "rounds": [
                {
                    "object_id": item.object_id,
                    "granularity": item.granularity,
                    "prompts": [prompt.to_json() for prompt in item.prompts],
                }
                for item in self.rounds
            ],
        }

    def replay(self, record: Mapping[str, Any]) -> None:
        """Adds the rounds that `to_json` wrote; `Segmenter.restore` does so in a new session.

        Raises:
            InputError: the record is malformed, or speaks of another picture or model.
        """
        embedded = self._embedded
        try:
            if record["format"] != FORMAT:
                raise InputError(f"This session record has format {record['format']!r}, expected {FORMAT}.")
            if record["image"]["sha256"] != embedded.image.digest:
                raise InputError("This session record belongs to another picture (its sha256 differs).")
            if record["model"] != embedded.model:
                raise InputError(f"This session was held with {record['model']!r}, not with {embedded.model!r}.")
            for item in record["rounds"]:
                prompts = tuple(prompt_from_json(part) for part in item["prompts"])
                self.add(*prompts, object_id=item["object_id"], granularity=item["granularity"])
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"This session record lacks a field or has a wrong one: {error}.") from error


def _checked_id(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or abs(int(given)) >= 2**63:
        raise InputError(f"object_id must be a whole number, got {given!r}.")
    return int(given)

"""A dialogue about objects of one picture: every prompt corrects the mask so far; rounds can be undone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from promptseg.errors import InputError, PromptError
from promptseg.masks.overlap import union
from promptseg.masks.segments import Segments
from promptseg.prompts.request import Request, says_what
from promptseg.prompts.types import ObjectPrompts, Prompt, prompt_from_json
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.places.predictor import Granularity, check_granularity
from promptseg.segment.places.refine import PlaceAnswer, refine
from promptseg.segment.words.answer import answer
from promptseg.segment.words.engine import Meaning

FORMAT = 1
"""Version of the JSON record."""


@dataclass(frozen=True, slots=True)
class Round:
    """What the user gave at once for one object."""

    object_id: int
    prompts: ObjectPrompts
    granularity: Granularity = "auto"


@dataclass(frozen=True, slots=True)
class _State:
    rounds: tuple[Round, ...]
    answers: Mapping[int, Any]


class Session:
    """Remembers the prompts and the mask of every object, round by round.

    The session belongs to its caller and is not shared between threads; the values that it gives out are immutable.
    """

    def __init__(self, runtime: Any, embedded: Any, meaning: Callable[[], Meaning] | None = None) -> None:
        self._meaning = meaning
        self._runtime: Runtime = runtime
        self._embedded: EmbeddedImage = embedded
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
            raise InputError(
                'A session keeps one mask per object: choose "auto", "part", "object" or "whole".'
            )
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

    def _answer(self, before: Any, prompts: ObjectPrompts, granularity: Granularity) -> Any:
        """Answers the new prompts of an object; models of other kinds do it in their way."""
        if says_what(prompts) and self._meaning is not None:
            return self._found(before, prompts, granularity)
        return refine(self._runtime, self._embedded, before, prompts, granularity)

    def _found(self, before: Any, prompts: ObjectPrompts, granularity: Granularity) -> Any:
        """Answers words and references, together with what was given before; all that fits is one object."""
        assert self._meaning is not None  # noqa: S101 - the caller looked
        together = prompts if before is None else (*before.prompts, *prompts)
        found = answer(self._meaning(), self._runtime, self._embedded, together, granularity=granularity)
        if not len(found) or found.low_res_logits is None:
            raise PromptError(
                "Nothing that fits these words is in the picture. Say it otherwise, or click on it."
            )
        return PlaceAnswer(
            together,
            union(found.masks, found.size),
            found.low_res_logits.max(0),
            float(found.scores.max()),
            found.granularities[0],
            self._embedded,
        )

    @property
    def segments(self) -> Segments:
        """The masks of all objects after the current round, in order of their ids."""
        answers = self._history[self._now].answers
        if not answers:
            return Segments.empty(self._embedded.size)
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
            "image": {"sha256": self._embedded.image.digest, "size": list(self._embedded.size)},
            "rounds": [
                {
                    "object_id": item.object_id,
                    "granularity": item.granularity,
                    "prompts": [prompt.to_json() for prompt in item.prompts],
                }
                for item in self.rounds
            ],
        }

    @classmethod
    def from_json(
        cls,
        runtime: Runtime,
        embedded: EmbeddedImage,
        record: Mapping[str, Any],
        meaning: Callable[[], Meaning] | None = None,
    ) -> "Session":
        """Replays the rounds that `to_json` wrote.

        Raises:
            InputError: the record is malformed, or speaks of another picture or model.
        """
        session = cls(runtime, embedded, meaning)
        session.replay(record)
        return session

    def replay(self, record: Mapping[str, Any]) -> None:
        """Adds the rounds that `to_json` wrote.

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
                raise InputError(
                    f"This session was held with {record['model']!r}, not with {embedded.model!r}."
                )
            for item in record["rounds"]:
                prompts = tuple(prompt_from_json(part) for part in item["prompts"])
                self.add(*prompts, object_id=item["object_id"], granularity=item["granularity"])
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"This session record lacks a field or has a wrong one: {error}.") from error


def _checked_id(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or abs(int(given)) >= 2**63:
        raise InputError(f"object_id must be a whole number, got {given!r}.")
    return int(given)

"""A dialogue with SEEM: every further prompt corrects the mask so far, which the network is shown as its memory."""

from promptseg.errors import InputError
from promptseg.prompts.speech import Transcriber
from promptseg.prompts.types import ObjectPrompts
from promptseg.segment.places.predictor import Granularity
from promptseg.segment.seem.classes import Words
from promptseg.segment.seem.engine import SeemEngine
from promptseg.segment.seem.picture import SeemImage
from promptseg.segment.seem.predictor import SeemAnswer, answer
from promptseg.segment.session import Session


class SeemSession(Session):
    """Remembers the prompts and the mask of every object, as `Session` does; masks have labels.

    Args:
        engine: the network.
        embedded: the picture.
        vocabulary: classes for the labels.
        memory: whether the mask of the round before is shown to the network. The official demo page does not.
        transcriber: writes recordings down.
    """

    def __init__(
        self,
        engine: SeemEngine,
        embedded: SeemImage,
        *,
        vocabulary: Words = None,
        memory: bool = True,
        transcriber: Transcriber | None = None,
    ) -> None:
        super().__init__(engine.runtime, embedded)
        self._engine, self._picture = engine, embedded
        self._vocabulary, self._memory, self._transcriber = vocabulary, memory, transcriber

    def _answer(
        self, before: SeemAnswer | None, prompts: ObjectPrompts, granularity: Granularity
    ) -> SeemAnswer:
        check_granularity_of_seem(granularity)
        return answer(
            self._engine,
            self._picture,
            prompts if before is None else (*before.prompts, *prompts),
            vocabulary=self._vocabulary,
            transcriber=self._transcriber,
            previous=before.logits if before is not None and self._memory else None,
        )


def check_granularity_of_seem(granularity: str) -> None:
    """Refuses SAM's nested masks.

    Raises:
        InputError: something else than "auto" is asked for.
    """
    if granularity != "auto":
        raise InputError(
            "SEEM gives one mask per object, without parts and wholes: granularity must be auto, "
            f"got {granularity!r}."
        )

"""`Whisper`: writes down what is said in a recording, or says plainly why not. Nothing is guessed."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from promptseg.errors import PromptError
from promptseg.models.whisper import speech_folder
from promptseg.prompts.speech import LANGUAGES, check_language
from promptseg.speech.engine import CTranslateEngine, SpeechEngine, need_engine
from promptseg.speech.phrase import phrase_of
from promptseg.speech.recording import RecordingLimits, read_recording

NO_SPEECH = 0.7
"""Above it, nobody speaks."""
UNSURE = -0.75
"""Below this mean log probability of its tokens, an answer is not believed (chosen on synthetic voices: of single
names, most mistakes lie below)."""
REPEATED = 2.4
"""Words that become this many times smaller by compression repeat themselves: Whisper's way to hear nothing."""
FOREIGN = 0.02
"""Where English and Japanese together are less probable, it is another language."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was understood.

    Attributes:
        words: all that was said.
        phrase: what of it names the thing to segment.
        language: "en" or "ja".
    """

    words: str
    phrase: str
    language: str


class Whisper:
    """Writes down what is said in recordings, in English or Japanese. Safe to call from several threads.

    Args:
        model: a folder with a Whisper model for CTranslate2, or a name of the registry ("whisper-base"); by default the
            largest that `promptseg models download` brought.
        language: "en" or "ja"; by default it is heard.
        threads: computing threads; by default one per processor.
        engine: what computes, for tests.

    Raises:
        UnavailableError: the extra `speech` is not installed.
        WeightsError: there is no such model.
        PromptError: the language is neither.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        language: str | None = None,
        threads: int | None = None,
        engine: SpeechEngine | None = None,
    ) -> None:
        self._language = check_language(language)
        if engine is None:
            need_engine()
            engine = CTranslateEngine(speech_folder(model), threads or os.cpu_count() or 1)
        self._engine = engine

    def transcribe(self, file: str) -> str:
        """Returns the words spoken in an audio file; see `hear`."""
        return self.hear(file).words

    def hear(
        self,
        recording: str | os.PathLike[str] | bytes,
        *,
        language: str | None = None,
        limits: RecordingLimits | None = None,
    ) -> Heard:
        """Returns what is said in a recording.

        Args:
            recording: the path of a file, or its bytes.
            language: "en" or "ja"; by default that of the object, else it is heard.
            limits: how long and large the recording may be.

        Raises:
            PromptError: the recording cannot be read or is silent; nobody speaks in it; what is said is not understood
                well enough, is in another language, or names nothing.
        """
        known = check_language(language) or self._language
        name = "The recording" if isinstance(recording, bytes) else f"The recording {os.fspath(recording)}"
        samples = read_recording(recording, limits)
        if not self._engine.speaks(samples):
            raise PromptError(f"{name} holds sound, but no speech is heard in it. {_AGAIN}")
        said = self._engine.write(samples, LANGUAGES if known is None else (known,))
        if said.chances and sum(said.chances.get(code, 0.0) for code in LANGUAGES) < FOREIGN:
            other = max(said.chances, key=lambda code: said.chances[code])
            raise PromptError(
                f"{name} seems to be in another language ({other}). Speak English or Japanese; if you do, say which "
                "(language en or ja)."
            )
        if said.no_speech > NO_SPEECH or not any(map(str.isalnum, said.words)):
            raise PromptError(f"{name} holds sound, but no words are understood in it. {_AGAIN}")
        if said.log_probability < UNSURE or said.repetition > REPEATED:
            raise PromptError(f"{name} is not understood well enough to be sure of any word. {_AGAIN}")
        return Heard(said.words, phrase_of(said.words), said.language)


_AGAIN = "Speak closer to the microphone and without music, or give the words as a text."


@lru_cache(maxsize=1)
def own_whisper() -> Whisper:
    """Returns the recogniser that is used where none is given, made at the first need.

    Raises:
        UnavailableError: the extra `speech` is not installed.
        WeightsError: no model was downloaded.
    """
    return Whisper()

"""What `Audio` prompts need: who writes recordings down, and in which languages."""

from pathlib import Path
from typing import Protocol

from promptseg.errors import PromptError, shorten

LANGUAGES = ("en", "ja")
"""Languages in which phrases are understood."""


class Transcriber(Protocol):
    """Anything that writes down what is said in a recording."""

    def transcribe(self, file: str) -> str:
        """Returns the words spoken in an audio file."""
        ...


def check_language(language: object) -> str | None:
    """Returns a language of `LANGUAGES`, or None as it is.

    Raises:
        PromptError: it is neither.
    """
    if language is None:
        return None
    if not isinstance(language, str) or language not in LANGUAGES:
        raise PromptError(f"Speech is understood in English (en) and Japanese (ja), got {shorten(language)}.")
    return language


def check_recording(path: str) -> None:
    """Refuses a path where no file is.

    Raises:
        PromptError: there is none.
    """
    if not Path(path).is_file():
        raise PromptError(f"There is no recording {path}. Check the path.")

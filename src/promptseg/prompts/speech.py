"""From a recording to the words in it: what `Audio` prompts need. The recogniser is the caller's."""

from pathlib import Path
from typing import Protocol

from promptseg.errors import PromptError, UnavailableError
from promptseg.prompts.words import Audio, Text


class Transcriber(Protocol):
    """Anything that writes down what is said in a recording."""

    def transcribe(self, file: str) -> str:
        """Returns the words spoken in an audio file."""
        ...


def to_text(audio: Audio, transcriber: Transcriber | None = None) -> Text:
    """Writes down an audio prompt.

    Args:
        audio: the recording.
        transcriber: who writes it down.

    Raises:
        PromptError: there is no such file, or nothing is said in it.
        UnavailableError: there is no transcriber.
    """
    if not Path(audio.file).is_file():
        raise PromptError(f"There is no recording {audio.file}. Check the path.")
    if transcriber is None:
        raise UnavailableError(
            "Audio prompts need speech recognition, and promptseg brings none yet. Pass transcriber=, any object with "
            "transcribe(file) -> str, or give the words as Text(...)."
        )
    words = " ".join(transcriber.transcribe(audio.file).split())
    if not words:
        raise PromptError(f"No words were understood in {audio.file}. Give them as Text(...).")
    return Text(words)

"""Recordings among prompts, to the phrases in them."""

from dataclasses import replace

from promptseg.errors import PromptError
from promptseg.prompts.speech import Transcriber, check_recording
from promptseg.prompts.types import ObjectPrompts
from promptseg.prompts.words import Audio
from promptseg.speech.phrase import phrase_of
from promptseg.speech.whisper import Whisper, own_whisper


def heard(prompts: ObjectPrompts, transcriber: Transcriber | None = None) -> ObjectPrompts:
    """Returns prompts in which every recording has its phrase; those that have one stay.

    Args:
        prompts: of one object.
        transcriber: who writes recordings down; by default `Whisper`.

    Raises:
        PromptError: there is no such recording, or nothing is understood in it.
        UnavailableError: there is no transcriber, and the extra `speech` is not installed.
        WeightsError: no model that writes down speech is there.
    """
    return tuple(_heard(prompt, transcriber) if isinstance(prompt, Audio) else prompt for prompt in prompts)


def _heard(audio: Audio, transcriber: Transcriber | None) -> Audio:
    if audio.phrase is not None:
        return audio
    check_recording(audio.file)
    writer = own_whisper() if transcriber is None else transcriber
    if isinstance(writer, Whisper):
        return replace(audio, phrase=writer.hear(audio.file, language=audio.language).phrase)
    words = " ".join(writer.transcribe(audio.file).split())
    if not words:
        raise PromptError(f"No words were understood in {audio.file}. Give them as Text(...).")
    return replace(audio, phrase=phrase_of(words))

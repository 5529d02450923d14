"""A recording becomes a phrase, with the caller's recogniser."""

import pytest

from promptseg.errors import PromptError, UnavailableError
from promptseg.prompts.speech import to_text
from promptseg.prompts.types import Audio, Text


class Parrot:
    def __init__(self, words):
        self.words = words
        self.heard = []

    def transcribe(self, file):
        self.heard.append(file)
        return self.words


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    return Audio(path)


def test_words_become_text(recording):
    parrot = Parrot("  a red\n umbrella ")
    assert to_text(recording, parrot) == Text("a red umbrella")
    assert parrot.heard == [recording.file]


def test_without_a_recogniser(recording):
    with pytest.raises(UnavailableError, match=r"transcribe.file. -> str"):
        to_text(recording)


def test_no_file(tmp_path):
    with pytest.raises(PromptError, match="no recording"):
        to_text(Audio(tmp_path / "b.wav"), Parrot("dog"))
    with pytest.raises(PromptError, match="no recording"):
        to_text(Audio(tmp_path), Parrot("dog"))


def test_silence(recording):
    with pytest.raises(PromptError, match="No words"):
        to_text(recording, Parrot(" \n"))

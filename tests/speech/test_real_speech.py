"""Whisper itself, on recordings by espeak-ng: run by `make test-speech`."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from recordings import recording

from promptseg.errors import PromptError
from promptseg.speech.whisper import Whisper

FOLDER = Path(os.environ.get("PROMPTSEG_TEST_WHISPER", "build/whisper-base"))

pytestmark = [
    pytest.mark.skipif(not (FOLDER / "model.bin").is_file(), reason="no Whisper here: make test-speech brings it"),
    pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng here: apt-get install espeak-ng"),
]


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(FOLDER, threads=2)


def say(folder: Path, text: str, voice: str = "en-us", speed: int = 140) -> Path:
    file = folder / "said.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-w", str(file), text], check=True)
    return file


@pytest.mark.parametrize(
    ("said", "phrase"),
    [
        ("Please segment the person.", "the person"),
        ("the largest bottle", "the largest bottle"),
        ("Show me all the traffic lights.", "all the traffic lights"),
        ("the surfboard on the left", "the surfboard on the left"),
    ],
)
def test_what_is_said_is_understood(whisper: Whisper, tmp_path: Path, said: str, phrase: str) -> None:
    understood = whisper.hear(say(tmp_path, said))
    assert (understood.phrase, understood.language) == (phrase, "en")


def test_japanese_is_told_from_english(whisper: Whisper, tmp_path: Path) -> None:
    """The voice is too poor for the words, but it is Japanese that is heard."""
    assert whisper.hear(say(tmp_path, "ひだりの あかい くるま", "ja", 120)).language == "ja"


@pytest.mark.parametrize("sound", ["noise", "chords", "hum", "clicks"])
def test_sound_that_is_no_speech(whisper: Whisper, sound: str) -> None:
    time = np.arange(3 * 16_000) / 16_000
    notes = np.array([440, 554, 659, 880])[(time * 4).astype(int) % 4]
    sounds = {
        "noise": np.random.default_rng(0).normal(0, 0.1, time.size),
        "chords": sum(0.1 * np.sin(2 * np.pi * notes * part * time) for part in (1, 1.25, 1.5)),
        "hum": 0.2 * np.sin(2 * np.pi * 120 * time),
        "clicks": 0.8 * (np.arange(time.size) % 4_000 < 20),
    }
    with pytest.raises(PromptError, match=r"no speech is heard|no words are understood|not understood well"):
        whisper.hear(recording(np.asarray(sounds[sound], np.float32)))

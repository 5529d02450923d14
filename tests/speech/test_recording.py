"""Recordings of all usual kinds are read alike; what holds no sound is refused in plain words."""

import numpy as np
import pytest
from recordings import KINDS, recording, tone

from promptseg.errors import PromptError
from promptseg.speech.recording import RATE, RecordingLimits, read_recording


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (16_000, 2), (44_100, 1), (48_000, 2)])
def test_every_kind_and_rate(kind: str, rate: int, channels: int) -> None:
    if kind == "ogg":
        rate = 48_000 if rate == 44_100 else rate  # Opus knows no 44.1 kHz
    samples = read_recording(recording(tone(1.0, rate), rate, kind, channels))
    assert samples.dtype == np.float32
    assert abs(samples.size - RATE) < 0.2 * RATE, "codecs pad"
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    assert abs(float(spectrum.argmax()) * RATE / samples.size - 440) < 5
    assert 0.25 < np.percentile(np.abs(samples), 98) < 0.35


def test_a_path_is_read_as_well(tmp_path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(recording(tone(), kind="flac"))
    assert read_recording(path).size == RATE
    assert np.array_equal(read_recording(str(path)), read_recording(path.read_bytes()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"no sound at all", "damaged or no recording"),
        (b"RIFF\x00\x00\x00\x00WAVE", "damaged or no recording|holds 0.00 seconds"),
        (recording(tone(0.05)), "holds 0.05 seconds"),
        (recording(np.zeros(RATE, np.float32)), "is silent"),
        (recording(np.full(RATE, 0.25, np.float32)), "is silent"),
        (recording(tone(loud=0.0005)), "is silent"),
        (recording(tone(31)), "longer than 30 seconds"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_what_holds_no_speech(content: bytes, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        read_recording(content)


@pytest.mark.parametrize("kind", ["flac", "ogg", "m4a"])
def test_damaged_files(kind: str) -> None:
    content = bytearray(recording(tone(2.0), kind=kind))
    content[: len(content) // 3] = np.random.default_rng(0).bytes(len(content) // 3)
    with pytest.raises(PromptError, match=r"damaged or no recording|seconds of sound|silent"):
        read_recording(bytes(content))


def test_a_picture_and_a_film_without_sound(tmp_path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    with pytest.raises(PromptError, match="holds no sound"):
        read_recording(tmp_path / "a.png")


def test_limits() -> None:
    content = recording(tone(2.0))
    with pytest.raises(PromptError, match=r"longer than 1\.5 seconds"):
        read_recording(content, RecordingLimits(max_seconds=1.5))
    with pytest.raises(PromptError, match=r"64,078 bytes; the limit is 10,000|bytes; the limit is 10,000"):
        read_recording(content, RecordingLimits(max_bytes=10_000))


def test_a_file_that_says_it_is_long_costs_no_more_than_the_limit() -> None:
    """Ten hours of silence in a small file: decoding ends at the limit."""
    content = recording(np.zeros(RATE * 600, np.float32), kind="flac")
    assert len(content) < 200_000
    with pytest.raises(PromptError, match="longer than 30 seconds"):
        read_recording(content)


def test_no_such_file(tmp_path) -> None:
    for path in (tmp_path / "none.wav", tmp_path):
        with pytest.raises(PromptError, match="There is no recording"):
            read_recording(path)

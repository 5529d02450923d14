"""Recordings, from files of any usual kind to the samples that Whisper hears."""

import contextlib
import io
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from promptseg.arrays import Float32
from promptseg.errors import PromptError, UnavailableError
from promptseg.prompts.speech import check_recording

RATE = 16_000
"""Samples a second that Whisper takes."""

SECONDS = 30.0
"""The longest recording: Whisper hears so much at once, and nobody needs more to say what he means."""

BYTES = 16 * 2**20
"""The largest file: 30 seconds of 96 kHz in stereo and 16 bits are 11.5 million bytes."""

SHORTEST = 0.1
"""Seconds. No word is shorter."""

QUIET = 10 ** (-60 / 20)
"""A recording whose loudest tenth of a second is quieter (root mean square, 1 is full scale) is silence."""


@dataclass(frozen=True, slots=True)
class RecordingLimits:
    """What a recording may be.

    Attributes:
        max_seconds: how long.
        max_bytes: how large its file.
    """

    max_seconds: float = SECONDS
    max_bytes: int = BYTES


def read_recording(
    recording: str | os.PathLike[str] | bytes, limits: RecordingLimits | None = None, *, name: str = "The recording"
) -> Float32:
    """Reads a recording: WAV, FLAC, OGG, MP3, M4A and what else FFmpeg knows; one channel, 16,000 samples a second.

    Args:
        recording: a path, or the bytes of the file.
        limits: how long and large it may be.
        name: what messages call it, where it is no path.

    Returns:
        The samples, from -1 to 1.

    Raises:
        PromptError: there is no such file, it is too long or too large, it is damaged or no recording, or it is silent.
        UnavailableError: the extra `speech` is not installed.
    """
    limits = limits or RecordingLimits()
    if isinstance(recording, bytes):
        content = recording
    else:
        name = f"The recording {os.fspath(recording)}"
        content = _content(Path(recording), limits)
    if len(content) > limits.max_bytes:
        raise PromptError(f"{name} has {len(content):,} bytes; the limit is {limits.max_bytes:,}. Give a shorter one.")
    if not content:
        raise PromptError(f"{name} is empty: its file has no bytes. Record it again.")
    samples = _decoded(content, name, limits.max_seconds)
    _check_sound(samples, name)
    return samples


def _content(path: Path, limits: RecordingLimits) -> bytes:
    check_recording(str(path))
    try:
        with path.open("rb") as file:
            return file.read(limits.max_bytes + 1)
    except OSError as error:
        raise PromptError(f"The recording {path} cannot be read: {error.strerror or error}.") from error


def _decoded(content: bytes, name: str, seconds: float) -> Float32:
    """Returns the samples of a file, of which no more is decoded than is allowed."""
    parts: list[Float32] = []
    length, most = 0, round(seconds * RATE)
    for part in _parts(content, name):
        parts.append(part)
        length += part.size
        if length > most:
            raise PromptError(f"{name} is longer than {seconds:g} seconds. Say only what is to be segmented.")
    if length < SHORTEST * RATE:
        raise PromptError(f"{name} holds {length / RATE:.2f} seconds of sound. Record it again, and longer.")
    return np.concatenate(parts)


def _parts(content: bytes, name: str) -> Iterator[Float32]:
    """Yields the sound of a file in parts.

    What is damaged ends the decoding in an error: half a sentence may say something else than the whole.
    """
    av = _av()
    with _told(av, name), av.open(io.BytesIO(content), mode="r", metadata_errors="ignore") as container:
        if not container.streams.audio:
            raise PromptError(f"{name} holds no sound. Give a WAV, FLAC, OGG, MP3 or M4A file.")
        resampler = av.AudioResampler(format="fltp", rate=RATE)
        for frame in container.decode(container.streams.audio[0]):
            frame.pts = None  # gaps between time stamps are no fault
            yield from _samples(resampler.resample(frame))
        yield from _samples(resampler.resample(None))


def _samples(frames: list[Any]) -> Iterator[Float32]:
    for frame in frames:
        channels = np.nan_to_num(frame.to_ndarray().astype(np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
        if channels.size:
            yield channels.mean(axis=0).clip(-1, 1)  # FFmpeg's own way to mono makes equal channels louder


@contextlib.contextmanager
def _told(av: Any, name: str) -> Generator[None]:
    """Says of what FFmpeg refuses that it is damaged."""
    try:
        yield
    except (av.error.FFmpegError, ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, PromptError):
            raise
        raise PromptError(
            f"{name} is damaged or no recording ({getattr(error, 'strerror', None) or error}). Give a WAV, FLAC, OGG, "
            "MP3 or M4A file."
        ) from error


def _av() -> Any:
    try:
        av: Any = import_module("av")
    except ImportError as error:
        raise UnavailableError.extra(f"Reading recordings ({error.name})", "speech") from error
    av.logging.set_level(None)  # errors come as exceptions; FFmpeg's own lines say no more
    return av


def _check_sound(samples: Float32, name: str) -> None:
    """Refuses silence, whatever hum lies under it."""
    whole = samples - samples.mean()
    step = RATE // 10
    pieces = whole[: whole.size // step * step].reshape(-1, step)
    loudest = float(np.sqrt((pieces**2).mean(axis=1)).max())
    if loudest < QUIET:
        raise PromptError(f"{name} is silent. Check the microphone, and record it again.")

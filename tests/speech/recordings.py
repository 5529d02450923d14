"""Recordings of known sound, in many kinds of file, made by FFmpeg's own writers."""

import io

import av
import numpy as np

KINDS = {"wav": "pcm_s16le", "flac": "flac", "ogg": "libopus", "mp3": "libmp3lame", "m4a": "aac"}


def tone(seconds: float = 1.0, rate: int = 16_000, loud: float = 0.3) -> np.ndarray:
    """Returns a tone of 440 Hz."""
    return (loud * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def recording(samples: np.ndarray, rate: int = 16_000, kind: str = "wav", channels: int = 1) -> bytes:
    """Returns a file with the same samples in each channel."""
    file = io.BytesIO()
    container = "ipod" if kind == "m4a" else kind
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(KINDS[kind], rate=rate)
        stream.layout = "stereo" if channels == 2 else "mono"
        frame = av.AudioFrame.from_ndarray(
            np.repeat(samples[None], channels, 0).astype(np.float32), format="fltp", layout=stream.layout.name
        )
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return file.getvalue()

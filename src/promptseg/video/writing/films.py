"""Films: the clip with its masks painted over it, or the objects cut out on a transparent ground."""

from contextlib import suppress
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from promptseg.errors import OutputError
from promptseg.files import atomic_write
from promptseg.masks.overlap import union
from promptseg.video.clips.film import pyav
from promptseg.video.track import TrackedFrame
from promptseg.video.writing.writer import ClipWriter

_TICKS = 90_000
"""Time stamps of films are counted in such parts of a second."""


class _FilmWriter(ClipWriter):
    kind: ClassVar[str]
    codecs: ClassVar[tuple[str, ...]]
    pixel_format: ClassVar[str]
    given: ClassVar[str] = "rgb24"
    options: ClassVar[dict[str, str]] = {}

    def begin(self) -> None:
        """Opens the film; its frames have the clip's size, with even sides, which codecs want."""
        self._av = pyav()
        file = self._stack.enter_context(atomic_write(self.target))
        self._film = self._av.open(file, mode="w", format=self.kind)
        self._stack.callback(self._abandon)
        codec = next(name for name in self.codecs if name in self._av.codecs_available)
        stream = self._film.add_stream(codec, rate=Fraction(self.about.clip.rate).limit_denominator(1001))
        height, width = self.about.clip.size
        stream.height, stream.width = height + height % 2, width + width % 2
        stream.pix_fmt = self.pixel_format
        stream.codec_context.time_base = Fraction(1, _TICKS)
        stream.options = self.options
        self._stream, self._stamp = stream, -1
        self._began: float | None = None

    def add(self, item: TrackedFrame) -> None:
        """Encodes the next frame."""
        pixels = self.painted(item)
        high, wide = self._stream.height - pixels.shape[0], self._stream.width - pixels.shape[1]
        if high or wide:
            pixels = np.pad(pixels, ((0, high), (0, wide), (0, 0)), mode="edge")
        frame = self._av.VideoFrame.from_ndarray(pixels, format=self.given)
        self._began = item.seconds if self._began is None else self._began  # of a part, the film begins at once
        self._stamp = max(self._stamp + 1, round((item.seconds - self._began) * _TICKS))
        frame.pts, frame.time_base = self._stamp, Fraction(1, _TICKS)
        self._mux(frame)

    def end(self) -> None:
        """Encodes what the codec still holds."""
        if self._stamp >= 0:
            self._mux(None)
        self._film.close()

    def _mux(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._film.mux(packet)
        except self._av.error.FFmpegError as error:
            raise OutputError(f"Cannot write {self.target}: {error.strerror or error}.") from error

    def _abandon(self) -> None:
        with suppress(self._av.error.FFmpegError, ValueError):
            self._film.close()

    def painted(self, item: TrackedFrame) -> npt.NDArray[np.uint8]:
        """Returns what the film shows of a frame: the picture with the masks over it."""
        colours = self.about.colours
        found = item.segments.replace(colours=tuple(colours[key] for key in item.segments.object_ids.tolist()))
        return np.asarray(found.draw(item.frame.image))


class OverlayWriter(_FilmWriter):
    """MP4 with H.264."""

    ending, help = "_overlay.mp4", "film with the masks painted over it"
    kind, codecs, pixel_format = "mp4", ("libx264", "mpeg4"), "yuv420p"
    options: ClassVar[dict[str, str]] = {"crf": "20", "preset": "veryfast"}


class WebmWriter(_FilmWriter):
    """WebM with VP9."""

    ending, help = "_overlay.webm", "the same as WebM"
    kind, codecs, pixel_format = "webm", ("libvpx-vp9", "libvpx"), "yuv420p"
    options: ClassVar[dict[str, str]] = {"crf": "30", "b": "0", "deadline": "realtime", "cpu-used": "6"}


class ProresWriter(_FilmWriter):
    """MOV with ProRes 4444, whose alpha channel is the objects."""

    ending, help = "_alpha.mov", "film of the objects alone, transparent elsewhere (ProRes 4444)"
    kind, codecs, pixel_format, given = "mov", ("prores_ks",), "yuva444p10le", "rgba"
    options: ClassVar[dict[str, str]] = {"profile": "4444"}

    def painted(self, item: TrackedFrame) -> npt.NDArray[np.uint8]:
        """Returns the objects of a frame on a transparent ground."""
        return cut(item)


def cut(item: TrackedFrame) -> npt.NDArray[np.uint8]:
    """Returns a frame as RGBA (H, W, 4): what no object covers is transparent black."""
    inside = union(item.segments.masks, item.segments.size).dense()
    result = np.zeros((*inside.shape, 4), np.uint8)
    np.multiply(item.frame.image.pixels, inside[..., None], out=result[..., :3])
    result[..., 3] = inside * np.uint8(255)
    return result

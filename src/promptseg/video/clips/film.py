"""Film files (MP4, MOV, MKV, WebM, AVI, ...) as clips, read by FFmpeg through PyAV (extra `video`)."""

import contextlib
import io
from collections.abc import Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from promptseg.errors import InputError, UnavailableError
from promptseg.images import Image
from promptseg.stopping import check_stop
from promptseg.video.clips.clip import Clip, ClipFrame, ClipLimits, Selection
from promptseg.video.clips.folder import RATE

_KINDS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,wmv,m4v,h264,hevc,ivf,mxf,obu,yuv4mpegpipe,nut,dv"
"""FFmpeg's readers that are used. Playlists and others that open further files or addresses are not among them."""

_SOONER = 1.0
"""Seconds by which pictures may end before the sound without a word."""

_FRAMES_SOONER = 4
"""Frames by which they may end before the end that is told of them alone."""


def pyav() -> Any:
    """Returns PyAV.

    Raises:
        UnavailableError: the extra `video` is not installed.
    """
    try:
        av: Any = import_module("av")
    except ImportError as error:
        raise UnavailableError.extra(f"Reading and writing films ({error.name})", "video") from error
    av.logging.set_level(None)  # errors come as exceptions; FFmpeg's own lines say no more
    return av


class FilmClip(Clip):
    """The first video stream of a film file. Frames are numbered as they are shown; each has its own time.

    Raises:
        InputError: it is no film, holds no picture, is wholly damaged or breaks a limit.
        UnavailableError: the extra `video` is not installed.
    """

    def __init__(self, source: Path | bytes, name: str, selection: Selection, limits: ClipLimits) -> None:
        super().__init__(name, selection, limits)
        self._source = source
        self._av = pyav()
        limits.check_bytes(len(source) if isinstance(source, bytes) else source.stat().st_size, name)
        self._stamps: list[int | None] = []  # of the frames that were decoded, in order, from the first on
        with self._opened() as (container, stream):
            self.rate = float(stream.average_rate or stream.guessed_rate or RATE)
            height, width = int(stream.height or 0), int(stream.width or 0)
            limits.check_size((height, width), name)
            lasts = float(stream.duration * stream.time_base) if stream.duration else (container.duration or 0) / 1e6
            self.expected = int(stream.frames) or (round(lasts * self.rate) or None)
            self._began = float(stream.start_time * stream.time_base) if stream.start_time else 0.0
            own = _seconds_told(stream.metadata.get("DURATION", ""))
            self._promised, self._lasts = int(stream.frames), lasts if own is None else own - self._began
            self._sooner = _SOONER if own is None else min(_SOONER, _FRAMES_SOONER / self.rate)
        first = next(self._decode(0), None)
        if first is None:
            raise InputError(f"{name} holds no frame that can be decoded{self._why()}.")
        self.size = first.image.size

    def _why(self) -> str:
        return f" ({self.damage})" if self.damage else ""

    @contextlib.contextmanager
    def _opened(self) -> Generator[tuple[Any, Any]]:
        source = io.BytesIO(self._source) if isinstance(self._source, bytes) else self._source.open("rb")
        with source:
            try:
                container = self._av.open(
                    source, mode="r", metadata_errors="ignore", options={"format_whitelist": _KINDS}
                )
            except (self._av.error.FFmpegError, ValueError, OverflowError, MemoryError) as error:
                why = getattr(error, "strerror", None) or error
                raise InputError(
                    f"{self.name} is damaged or no film ({why}). Give MP4, MOV, MKV, WebM or AVI, an animated GIF, PNG "
                    "or WebP, or a folder of pictures."
                ) from error
            with container:
                if not container.streams.video:
                    raise InputError(f"{self.name} holds no pictures, only sound or text.")
                stream = container.streams.video[0]
                stream.thread_type = "SLICE"  # with whole frames in threads, those before a damage would be lost
                yield container, stream

    def _decode(self, start: int) -> Iterator[ClipFrame]:
        stamp = self._stamps[start] if start < len(self._stamps) else None
        if start and stamp is not None and self._stamps.index(stamp) == start:
            found = self._from(start, stamp)
            if (first := next(found, None)) is not None:
                yield first
                yield from found
                return
        for item in self._from(0, None):
            if item.number >= start:
                yield item

    def _from(self, number: int, stamp: int | None) -> Iterator[ClipFrame]:
        """Yields the frames from a time stamp on, or from the beginning; none where the stamp is not met."""
        with self._opened() as (container, stream):
            if stamp is not None:
                try:
                    container.seek(stamp, stream=stream, backward=True)
                except self._av.error.FFmpegError:
                    return
            met, seconds = stamp is None, 0.0
            for frame in self._frames(container, stream):
                check_stop()  # frames that are passed over are decoded, too
                if not met:
                    if frame.pts is None or frame.pts > stamp:
                        return
                    met = frame.pts == stamp
                    if not met:
                        continue
                if number == len(self._stamps):
                    self._stamps.append(frame.pts)
                seconds = self._seconds(frame, number)
                self.limits.check_frame(number, seconds, self.name)
                yield ClipFrame(number, seconds, self._picture(frame))
                number += 1
            if met:
                self._check_whole(number, seconds)

    def _check_whole(self, count: int, seconds: float) -> None:
        """Says of a film that ends sooner than it promises that it does."""
        if self._promised:
            if count < self._promised:
                self._broken(f"it promises {self._promised:,} frames and holds {count:,}")
        elif self._lasts - seconds > self._sooner:
            self._broken(f"it promises {self._lasts:.1f} seconds and ends after {seconds:.1f}")

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        """Yields decoded frames up to the first damage."""
        count = 0
        try:
            for packet in container.demux(stream):
                if packet.is_corrupt:
                    self._broken("its data are broken")
                    break
                for frame in packet.decode():
                    if frame.is_corrupt:
                        self._broken(f"a frame is broken after {count:,}")
                        return
                    count += 1
                    yield frame
        except (self._av.error.FFmpegError, ValueError, MemoryError) as error:
            self._broken(f"{getattr(error, 'strerror', None) or error}")
            with contextlib.suppress(self._av.error.FFmpegError, ValueError):
                yield from stream.codec_context.decode(None)  # what the decoder still holds of the frames before

    def _seconds(self, frame: Any, number: int) -> float:
        return number / self.rate if frame.time is None else max(0.0, float(frame.time) - self._began)

    def _picture(self, frame: Any) -> Image:
        self.limits.check_size((frame.height, frame.width), self.name)
        pixels = frame.to_ndarray(format="rgb24")
        turns = round(getattr(frame, "rotation", 0) / 90) % 4
        return Image(np.ascontiguousarray(np.rot90(pixels, turns)))


def _seconds_told(text: str) -> float | None:
    """Returns the seconds in Matroska's and WebM's tag of a stream's length, such as 00:01:02.500000000."""
    try:
        hours, minutes, seconds = map(float, text.split(":"))
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds

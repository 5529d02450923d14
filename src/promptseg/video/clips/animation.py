"""Animated GIF, PNG and WebP pictures as clips."""

from collections.abc import Iterator

from promptseg.errors import ImageError, InputError
from promptseg.images import Image, ImageLimits
from promptseg.images.animation import pictures_of
from promptseg.stopping import check_stop
from promptseg.video.clips.clip import Clip, ClipFrame, ClipLimits, Selection
from promptseg.video.clips.folder import RATE


class AnimationClip(Clip):
    """The frames of an animated picture, each drawn upon the one before.

    Raises:
        InputError: it breaks a limit.
        ImageError: not even its first frame can be read.
    """

    def __init__(self, data: bytes, name: str, selection: Selection, limits: ClipLimits) -> None:
        super().__init__(name, selection, limits)
        self._data = data
        limits.check_bytes(len(data), name)
        first = next(self._pictures(), None)
        if first is None:
            raise InputError(f"{name} holds no picture.")
        picture, seconds = first
        self.size = picture.size
        self.rate = 1 / seconds if seconds > 0 else RATE
        self.expected = None

    def _pictures(self) -> Iterator[tuple[Image, float]]:
        limits = ImageLimits(max_bytes=self.limits.max_bytes, max_pixels=self.limits.max_pixels)
        return ((Image(pixels), seconds) for pixels, seconds in pictures_of(self._data, self.name, limits))

    def _decode(self, start: int) -> Iterator[ClipFrame]:
        shown, pictures, number = 0.0, self._pictures(), 0
        while True:
            try:
                found = next(pictures, None)
            except ImageError as error:
                self._broken(f"frame {number}: {error}".rstrip("."))
                return
            if found is None:
                return
            check_stop()
            self.limits.check_frame(number, shown, self.name)
            if number >= start:
                yield ClipFrame(number, shown, found[0])
            shown += found[1] if found[1] > 0 else 1 / RATE
            number += 1

"""Pictures that a caller has, or opens one by one, as a clip."""

from collections.abc import Iterator, Sequence
from typing import Any

from promptseg.errors import InputError
from promptseg.images import Image
from promptseg.video.clips.clip import Clip, ClipFrame, ClipLimits, Selection
from promptseg.video.clips.folder import RATE


class PicturesClip(Clip):
    """A sequence of pictures: anything that `Image.open` takes. Each is asked for when it is needed, and not kept.

    Raises:
        InputError: there is none.
        ImageError: the first cannot be read.
    """

    def __init__(self, pictures: Sequence[Any], selection: Selection, limits: ClipLimits) -> None:
        super().__init__("The sequence", selection, limits)
        if not len(pictures):
            raise InputError("A clip needs at least one picture, got none.")
        self._pictures = pictures
        self.size = Image.open(pictures[0]).size
        self.rate, self.expected = RATE, len(pictures)

    def _decode(self, start: int) -> Iterator[ClipFrame]:
        for number in range(start, len(self._pictures)):
            if number in self.selection:
                yield ClipFrame(number, number / RATE, Image.open(self._pictures[number]))

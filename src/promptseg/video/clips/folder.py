"""A folder of pictures as a clip, in the natural order of their names."""

import re
from collections.abc import Iterator
from pathlib import Path

from promptseg.errors import ImageError, InputError
from promptseg.images import Image, ImageLimits
from promptseg.images.limits import PICTURE_SUFFIXES
from promptseg.video.clips.clip import Clip, ClipFrame, ClipLimits, Selection

_DIGITS = re.compile(r"(\d+)")

RATE = 24.0
"""Frames a second of what does not tell."""


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Returns what sorts names as people do: frame 9 before frame 10."""
    parts = _DIGITS.split(name)
    return tuple((int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in parts)


class FolderClip(Clip):
    """The pictures of a folder.

    Raises:
        InputError: there is no picture, or the first breaks a limit.
        ImageError: the first cannot be read.
    """

    def __init__(self, folder: Path, selection: Selection, limits: ClipLimits) -> None:
        super().__init__(f"The folder {folder}", selection, limits)
        names = (path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
        self._files = sorted(names, key=lambda path: natural_key(path.name))
        if not self._files:
            raise InputError(f"The folder {folder} holds no pictures (JPEG, PNG, WebP, TIFF, BMP, GIF).")
        self.size = self._read(self._files[0]).size
        self.rate, self.expected = RATE, len(self._files)

    def stem(self, number: int) -> str:
        """Returns the name of a frame's file, without its ending."""
        return self._files[number].stem

    def _read(self, path: Path) -> Image:
        return Image.open(path, limits=ImageLimits(max_pixels=self.limits.max_pixels))

    def _decode(self, start: int) -> Iterator[ClipFrame]:
        for number in range(start, len(self._files)):
            if number not in self.selection and number != start:
                continue
            try:
                picture = self._read(self._files[number])
            except ImageError as error:
                self._broken(f"frame {number}: {error}".rstrip("."))
                return
            yield ClipFrame(number, number / RATE, picture)

"""One PNG for each frame: DAVIS's masks, or the objects cut out. Their folder appears whole."""

import os
import shutil

import numpy as np
from PIL import Image

from promptseg.errors import InputError, OutputError
from promptseg.formats.png import write_picture
from promptseg.video.track import TrackedFrame
from promptseg.video.writing.writer import ClipWriter

_MOST_OBJECTS = 255


def _palette() -> list[int]:
    """Returns DAVIS's and VOC's 256 colours: the bits of a number, dealt out to red, green and blue."""
    colours: list[int] = []
    for number in range(256):
        red, green, blue = (
            sum(((number >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(3)) for channel in range(3)
        )
        colours += [red, green, blue]
    return colours


class _PicturesWriter(ClipWriter):
    def begin(self) -> None:
        """Makes a folder, which takes the place of one that is there when the block ends well."""
        self._part = self.target.with_name(f".{self.target.name[:40]}.{os.urandom(8).hex()}.part")
        self._stack.callback(shutil.rmtree, self._part, ignore_errors=True)

    def write(self, number: int, picture: Image.Image) -> None:
        """Writes the picture of a frame."""
        write_picture(self._part / f"{self.about.clip.stem(number)}.png", picture)

    def end(self) -> None:
        """Puts the folder in its place."""
        try:
            self._part.mkdir(parents=True, exist_ok=True)
            if self.target.exists():
                old = self._part.with_suffix(".old")
                os.replace(self.target, old)
                self._stack.callback(shutil.rmtree, old, ignore_errors=True)
            os.replace(self._part, self.target)
        except OSError as error:
            raise OutputError(f"Cannot write {self.target}: {error.strerror or error}.") from error


class DavisWriter(_PicturesWriter):
    """PNG with a palette, one for each frame: 0 is the ground, n the nth object."""

    ending, help = "", "a PNG of each frame with the numbers of objects, as in DAVIS"

    def begin(self) -> None:
        """Checks that a palette has room for all objects."""
        if len(self.about.labels) > _MOST_OBJECTS:
            raise InputError(f"DAVIS's masks number {_MOST_OBJECTS} objects at most, got {len(self.about.labels)}.")
        super().begin()
        self._places, self._colours = self.about.places, _palette()

    def add(self, item: TrackedFrame) -> None:
        """Writes the masks of the next frame; smaller ones lie on top."""
        numbers = np.zeros(item.segments.size, np.uint8)
        for place in np.argsort(-item.segments.areas, kind="stable").tolist():
            mask = item.segments.masks[place]
            x0, y0, x1, y1 = mask.box
            numbers[y0:y1, x0:x1][mask.crop()] = self._places[int(item.segments.object_ids[place])]
        picture = Image.fromarray(numbers).convert("P")
        picture.putpalette(self._colours)
        self.write(item.number, picture)


class AlphaWriter(_PicturesWriter):
    """RGBA PNG, one for each frame."""

    ending, help = "_alpha", "a PNG of each frame with the objects alone, transparent elsewhere"

    def add(self, item: TrackedFrame) -> None:
        """Writes the objects of the next frame."""
        from promptseg.video.writing.films import cut

        self.write(item.number, Image.fromarray(cut(item)))

"""Standard input and output in place of files, where a path is written as -."""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from promptseg.errors import ImageError, InputError

if TYPE_CHECKING:
    from promptseg.images import Image
    from promptseg.images.bands import ReadingOptions

STREAM = "-"
_NAME = "stdin"


def open_picture(source: str, reading: "ReadingOptions") -> "Image":
    """Opens the picture of a path, or of standard input.

    Raises:
        ImageError: it cannot be read.
    """
    from promptseg.images import Image, ImageLimits

    given: str | bytes = source
    if source == STREAM:
        given = sys.stdin.buffer.read(ImageLimits().max_bytes + 1)
        if not given:
            raise ImageError("There is no picture on standard input: it is empty.")
    page, channels, levels = reading.page, reading.channels, reading.levels
    return Image.open(given, name=picture_name(source), page=page, channels=channels, levels=levels)


def picture_name(source: str) -> str:
    """Returns the file name of a picture; one from standard input is called "stdin"."""
    return _NAME if source == STREAM else Path(source).name


def picture_stem(source: str) -> str:
    """Returns the beginning of the names of files about a picture."""
    return Path(picture_name(source)).stem


def results(output: Path, write: Callable[[Path], Sequence[Path]]) -> None:
    """Writes results into a folder and prints their paths; for - the only file goes to standard output instead.

    Raises:
        InputError: there is not exactly one file for standard output.
    """
    if str(output) != STREAM:
        for path in write(output):
            print(path)
        return
    with tempfile.TemporaryDirectory(prefix="promptseg-") as folder:
        paths = write(Path(folder))
        if len(paths) != 1:
            raise InputError(
                f"-o - writes one file to standard output, here there are {len(paths)}. Choose one format that is one "
                "file, such as -f coco, -f index or -f overlay, or give a folder."
            )
        sys.stdout.flush()
        stream = _standard_output()
        stream.write(paths[0].read_bytes())
        stream.flush()


def _standard_output() -> BinaryIO:
    return sys.stdout.buffer

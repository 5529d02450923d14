"""YOLO segmentation text: one file per picture, one line "class x y x y ..." per mask.

Coordinates are shares of the width and height of the picture. A line holds one ring, so the parts of a mask and their
holes are joined by bridges without width, as the trainers of the field do with COCO's polygons. Empty masks have no
line.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.errors import FormatError, shorten
from promptseg.files import write_bytes
from promptseg.formats.classes import class_name, class_names
from promptseg.formats.reading import Extent, read_text
from promptseg.formats.reading import size as read_size
from promptseg.geometry import Size
from promptseg.masks.bridge import join_parts
from promptseg.masks.polygons import trace_polygons
from promptseg.masks.records import HALF_A_PIXEL, ring_to_rle
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.notes import note

_FARTHEST_SHARE = 1e4
_HIGHEST_CLASS = 10**6
_BOX_WORDS = 5


def yolo_lines(segments: Segments, names: Sequence[str], tolerance: float = HALF_A_PIXEL) -> str:
    """Returns the text of one picture.

    Args:
        segments: the masks.
        names: the classes; a label's place in the list is its number.
        tolerance: how many pixels outlines may be simplified by; 0 is exact.
    """
    numbers = {name: number for number, name in enumerate(names)}
    scale = np.array([segments.size.width, segments.size.height], np.float64)
    lines: list[str] = []
    for mask, label in zip(segments.masks, segments.labels, strict=True):
        if mask.area:
            shares = (join_parts(trace_polygons(mask, tolerance)) / scale).ravel().tolist()
            lines.append(" ".join([str(numbers[class_name(label)]), *(f"{share:.7g}" for share in shares)]))
    return "".join(f"{line}\n" for line in lines)


def write_yolo(
    path: str | os.PathLike[str],
    segments: Segments,
    names: Sequence[str] | None = None,
    tolerance: float = HALF_A_PIXEL,
) -> list[str]:
    """Writes the text file of one picture (see `yolo_lines`).

    Returns:
        The class names: the given ones, and after them labels that were not among them.

    Raises:
        OutputError: the file cannot be written.
    """
    all_names = class_names([segments], names or ())
    write_bytes(path, yolo_lines(segments, all_names, tolerance).encode())
    return all_names


def read_yolo(path: str | os.PathLike[str], size: tuple[int, int], names: Sequence[str] | None = None) -> Segments:
    """Reads the text file of one picture; every line becomes a mask, one of detection (class, box) its rectangle.

    Args:
        path: the file.
        size: height and width of the picture, which the format does not hold.
        names: the classes; without them masks have no labels.

    Raises:
        FormatError: the file is malformed.
    """
    return _segments(read_text(path), Size(*size), names, str(path))


def segments_from_yolo(record: Any) -> Segments:
    """Reads {"text", "imageHeight", "imageWidth"} and perhaps {"names"}; without names classes go by their numbers.

    Raises:
        FormatError: it is malformed.
    """
    size = read_size(record.get("imageHeight"), record.get("imageWidth"), "The picture of a YOLO file")
    names = record.get("names")
    if names is not None and (not isinstance(names, list) or not all(isinstance(name, str) for name in names)):
        raise FormatError(f"The names of a YOLO file must be a list of texts, got {shorten(names)}.")
    text = record.get("text")
    if not isinstance(text, str):
        raise FormatError(f'A YOLO file needs {{"text": "0 0.1 0.2 ..."}}, got {shorten(text)}.')
    return _segments(text, size, names, "The YOLO file", numbered=True)


def yolo_extent(record: Any) -> Extent:
    """Returns how much there is to paint in a value that `segments_from_yolo` reads."""
    lines = sum(1 for line in str(record.get("text", "")).splitlines() if line.strip())
    return Extent((record.get("imageHeight"), record.get("imageWidth")), lines, lines)


def _segments(text: str, size: Size, names: Sequence[str] | None, what: str, *, numbered: bool = False) -> Segments:
    masks: list[RLE] = []
    labels: list[str | None] = []
    boxes = 0
    for place, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        number, ring = _read_line(words, f"{what}, line {place}")
        if names is not None and number >= len(names):
            raise FormatError(f"{what}, line {place}: class {number}, but there are {len(names)} names.")
        boxes += len(words) == _BOX_WORDS
        masks.append(ring_to_rle(ring * (size[1], size[0]), size))
        labels.append(names[number] if names is not None else f"class {number}" if numbered else None)
    if boxes:
        note(
            f"{boxes:,} of {len(masks):,} lines of {what} are boxes without an outline: each is read as its rectangle."
        )
    return Segments(size, tuple(masks), labels=tuple(labels))


def _read_line(words: list[str], where: str) -> tuple[int, npt.NDArray[np.float64]]:
    if not (words[0].isascii() and words[0].isdigit()) or len(words[0]) > 7 or int(words[0]) > _HIGHEST_CLASS:
        raise FormatError(f"{where}: a class number comes first, got {shorten(words[0])}.")
    if len(words) != _BOX_WORDS and (len(words) < 7 or len(words) % 2 == 0):
        raise FormatError(f"{where}: at least three x y pairs must follow the class, got {len(words) - 1} numbers.")
    try:
        shares = np.array([float(word) for word in words[1:]])
    except ValueError as error:
        raise FormatError(f"{where}: {error}.") from error
    if not (np.abs(shares) <= _FARTHEST_SHARE).all():
        raise FormatError(f"{where}: coordinates are shares of the picture, from 0 to 1.")
    if len(words) == _BOX_WORDS:
        x, y, width, height = shares / (1, 1, 2, 2)
        shares = np.array([x - width, y - height, x + width, y - height, x + width, y + height, x - width, y + height])
    return int(words[0]), shares.reshape(-1, 2)

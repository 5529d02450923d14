"""Counting the parts that a picture file is made of, before Pillow takes them up one by one.

Pillow's readers take microseconds for each marker, chunk and block, and for each scan as long as for the whole picture.
A file may hold millions of them and show 8 x 8 pixels. Here a file is walked along its lengths only, and refused when
it has many more parts than programs write.
"""

import re
import struct
from collections.abc import Callable, Mapping

from promptseg.errors import ImageError
from promptseg.images.limits import ImageLimits

MOST_PARTS = 20_000
"""Markers, chunks or blocks of a file, besides one for each `_PART_BYTES` of it."""

MOST_SCANS = 500
"""Scans of a progressive JPEG file; programs write about ten. Each takes as long as its picture is large."""

_SCANNED_AT_MOST = 25
"""Pixels of all scans together, times `max_pixels`."""

MOST_EXIF = 2**20
"""Bytes of EXIF data in a JPEG file, which Pillow puts together piece by piece."""

MOST_RLE = 2 * 2**20
"""Bytes of a run-length encoded BMP file, which Pillow reads in Python."""

MOST_TAG_VALUES = 2**20
"""Values of a tag of TIFF, other than those that say where strips and tiles are."""

_PART_BYTES = 1024
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))
"""JPEG markers without a length."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that tell the size."""

# Bytes of one value of each type of TIFF.
_TIFF_TYPES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TIFF_BYTES = (1, 2, 6, 7)
_WHERE = (273, 279, 324, 325)
"""Tags with one number for each strip or tile."""


def check_parts(kind: str, data: bytes, what: str, limits: ImageLimits) -> None:
    """Refuses a file of too many parts; damaged ones are left to their readers.

    Raises:
        ImageError: it has too many.
    """
    if kind == "JPEG":
        _jpeg(data, what, limits)
    elif kind in _WALKS:
        _WALKS[kind](data, what)


def _check(count: int, data: bytes, what: str, name: str) -> None:
    most = MOST_PARTS + len(data) // _PART_BYTES
    if count > most:
        raise ImageError(
            f"{what} has more than {most:,} {name}, far more than pictures have. Save it anew with another program."
        )


def _jpeg(data: bytes, what: str, limits: ImageLimits) -> None:
    place, count, scans, exif, pixels = 2, 0, 0, 0, 0
    while (found := _next_marker(data, place, what)) is not None:
        place, marker = found
        if marker == _END_OF_IMAGE:
            return
        count += 1
        _check(count, data, what, "markers")
        if marker in _BARE:
            continue
        if place + 2 > len(data):
            return
        (length,) = struct.unpack_from(">H", data, place)
        exif += length if marker == 0xE1 and data[place + 2 : place + 6] == b"Exif" else 0
        if exif > MOST_EXIF:
            raise ImageError(f"{what} has more than {MOST_EXIF:,} bytes of EXIF data. Save it without.")
        if marker in _FRAMES and place + 7 <= len(data):
            height, width = struct.unpack_from(">HH", data, place + 3)
            pixels = height * width
        place += max(length, 2)
        if marker == _START_OF_SCAN:
            scans += 1
            if scans > MOST_SCANS or (scans > 1 and scans * pixels > _SCANNED_AT_MOST * limits.max_pixels):
                raise ImageError(f"{what} has {scans} scans or more. Save it anew, not progressive.")
            after = _MARKER.search(data, place)
            place = len(data) if after is None else after.start()


def _next_marker(data: bytes, place: int, what: str) -> tuple[int, int] | None:
    """Returns the place after the next marker, and the marker; what lies before it is junk, and may not be long."""
    after = _MARKER.search(data, place)
    if after is None:
        _check(len(data) - place, data, what, "bytes without a marker")
        return None
    _check(after.start() - place, data, what, "bytes without a marker")
    return after.end(), data[after.end() - 1]


def _png(data: bytes, what: str) -> None:
    place, count = 8, 0
    while place + 8 <= len(data):
        count += 1
        _check(count, data, what, "chunks")
        (length,) = struct.unpack_from(">I", data, place)
        if data[place + 4 : place + 8] == b"IEND":
            return
        place += 12 + length


def _gif(data: bytes, what: str) -> None:
    """Counts blocks up to and between frames; the blocks of pixels are read in C, and as long as files are."""
    place, count = 13, 0
    if len(data) > 10 and data[10] & 0x80:
        place += 3 << ((data[10] & 7) + 1)
    while place < len(data):
        if data[place] == 0x21:
            place += 2
        elif data[place] == 0x2C:
            colours = data[place + 9] if place + 9 < len(data) else 0
            place += 11 + (3 << ((colours & 7) + 1) if colours & 0x80 else 0)
        elif data[place] == 0x3B:
            return
        else:
            place += 1  # as Pillow skips it
            count += 1
            _check(count, data, what, "bytes between blocks")
            continue
        while place < len(data) and data[place]:
            count += data[place] < 128
            _check(count, data, what, "small blocks")
            place += data[place] + 1
        place += 1


def _webp(data: bytes, what: str) -> None:
    place, count = 12, 0
    while place + 8 <= len(data):
        count += 1
        _check(count, data, what, "chunks")
        (length,) = struct.unpack_from("<I", data, place + 4)
        place += 8 + length + length % 2


def _bmp(data: bytes, what: str) -> None:
    if len(data) < 34:
        return
    head, compression = struct.unpack_from("<I", data, 14)[0], struct.unpack_from("<I", data, 30)[0]
    if head >= 40 and compression in (1, 2) and len(data) > MOST_RLE:
        raise ImageError(f"{what} is run-length encoded and has more than {MOST_RLE:,} bytes. Save it as PNG.")


_WALKS: Mapping[str, Callable[[bytes, str], None]] = {"PNG": _png, "GIF": _gif, "WebP": _webp, "BMP": _bmp}


def check_tags(data: bytes, offset: int, what: str) -> None:
    """Refuses a directory of a TIFF file whose tags claim more than the file and the picture can hold.

    Raises:
        ImageError: they do.
    """
    order, big = ("<" if data[:2] == b"II" else ">"), data[2:4] in (b"+\0", b"\0+")
    entry, number, word = (20, "Q", 8) if big else (12, "I", 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, offset)
    first = offset + (8 if big else 2)
    values: dict[int, int] = {}
    counts: dict[int, int] = {}
    total = 0
    for place in range(first, min(first + count * entry, len(data) - entry + 1), entry):
        tag, form, many = struct.unpack_from(f"{order}HH{number}", data, place)
        size = many * _TIFF_TYPES.get(form, 1)
        total += size if size > word else 0
        counts[tag] = max(many, counts.get(tag, 0)) if form not in _TIFF_BYTES else 1
        if form in (3, 4):
            values[tag] = struct.unpack_from(order + ("H" if form == 3 else "I"), data, place + entry - word)[0]
    if total > 2 * len(data):
        raise ImageError(f"{what} is a damaged TIFF picture: its tags claim {total:,} bytes.")
    width, height, samples = (values.get(tag, 1) for tag in (256, 257, 277))
    rows, columns = values.get(323, 16) or 16, values.get(322, 16) or 16
    parts = max(1, height, -(-width // columns) * -(-height // rows)) * max(1, samples)
    for tag, many in counts.items():
        if many > (2 * parts + 16 if tag in _WHERE else MOST_TAG_VALUES):
            raise ImageError(f"{what} is a damaged TIFF picture: its tag {tag} has {many:,} values.")

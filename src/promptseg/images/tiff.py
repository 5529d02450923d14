"""TIFF files as Pillow's reader does not take them: any depth, layout and number of bands, and the pages of a stack.

Pillow reads the tags, and its libtiff undoes compression; here the numbers are put in their places. Pillow alone would
shuffle planes of 16 bits, drop low bytes of colours, forget that 0 is white, and refuse more bands than four. tifffile
would do as much only with imagecodecs beside it (LZW, GDAL's favourite), which is many times as large as promptseg.
What has no plain numbers (JPEG, palettes, fewer than 8 bits, YCbCr, Lab) is left to Pillow.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import TiffImagePlugin

from promptseg.errors import ImageError
from promptseg.images.bands import Alpha, Bands, check_channels
from promptseg.images.limits import ImageLimits
from promptseg.images.parts import check_tags

MOST_PAGES = 10_000
"""Pages beyond are not counted: a file of nothing but empty directories must not keep a reader busy."""

_RAW, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS, _LZMA, _ZSTD = 1, 5, 8, 32946, 32773, 34925, 50000
_LOSSLESS = (_RAW, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS, _LZMA, _ZSTD)
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_REDUCED_OR_MASK = 0b101
_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
_ALPHAS: dict[Any, Alpha] = {1: "premultiplied", 2: "straight"}
_PACKED_BITS = (10, 12, 14)
_TILED_PIXELS, _TILED_BYTES = 2**24, 2**26


class TiffPage(NamedTuple):
    """One page of a file: its tags, and the file as one whose first page it is."""

    tags: Any
    data: bytes


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a page stores its numbers."""

    height: int
    width: int
    samples: int
    bits: int
    kind: str
    order: str
    planar: bool
    tiled: bool
    compression: int
    predictor: int
    fill: int
    piece: tuple[int, int]
    """Rows and columns of a strip or tile."""
    offsets: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(f"{self.order}{self.kind}{(self.bits + 7) // 8}")

    @property
    def across(self) -> int:
        return -(-self.width // self.piece[1])

    @property
    def down(self) -> int:
        return -(-self.height // self.piece[0])

    @property
    def together(self) -> int:
        """How many bands lie together in a piece."""
        return 1 if self.planar else self.samples

    def row_bytes(self) -> int:
        return (self.piece[1] * self.together * self.bits + 7) // 8


def pages(data: bytes) -> list[int]:
    """Returns where the pages begin, at most `MOST_PAGES`; smaller copies and masks of pages are none."""
    found, others = list[int](), list[int]()
    for offset, kind in _directories(data):
        (others if kind & _REDUCED_OR_MASK else found).append(offset)
    return found or others


def _directories(data: bytes) -> Iterator[tuple[int, int]]:
    """Yields (offset, NewSubfileType) of every directory in the chain."""
    order, big = ("<" if data[:2] == b"II" else ">"), data[2:4] in (b"+\0", b"\0+")
    entry, number, word = (20, order + "Q", 8) if big else (12, order + "I", 4)
    count_form, count_bytes = (order + "Q", 8) if big else (order + "H", 2)
    seen: set[int] = set()
    place = 8 if big else 4
    while len(seen) < MOST_PAGES and place + word <= len(data):
        (offset,) = struct.unpack_from(number, data, place)
        if offset in seen or not 8 <= offset <= len(data) - count_bytes:
            return
        seen.add(offset)
        (count,) = struct.unpack_from(count_form, data, offset)
        first, place = offset + count_bytes, offset + count_bytes + count * entry
        if place > len(data):
            return
        kind = 0
        for at in range(first, min(place, first + 64 * entry), entry):
            tag, form = struct.unpack_from(order + "HH", data, at)
            if tag >= 254:  # tags are sorted
                value = at + entry - word
                kind = struct.unpack_from(order + ("H" if form == 3 else "I"), data, value)[0] if tag == 254 else 0
                break
        yield offset, kind


def open_page(data: bytes, number: int, what: str, found: list[int]) -> TiffPage:
    """Returns a page, counted from 0.

    Raises:
        ImageError: the file has none.
    """
    if not found:
        raise ImageError(f"{what} is a damaged TIFF picture: it has no pages.")
    big = data[2:4] in (b"+\0", b"\0+")
    form, head = ("<" if data[:2] == b"II" else ">") + "IQ"[big], 8 if big else 4
    if found[number] != struct.unpack_from(form, data, head)[0]:
        data = data[:head] + struct.pack(form, found[number]) + data[head + struct.calcsize(form) :]
    backward = data[:4] == b"MM\0+"  # which Pillow does not know for a big TIFF
    tags: Any = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if big and not backward else 8])
    tags._bigtiff = big
    check_tags(data, found[number], what)
    file = io.BytesIO(data)
    file.seek(found[number])
    tags.load(file)
    return TiffPage(tags, data)


def read_bands(page: TiffPage, what: str, limits: ImageLimits, channels: tuple[int, ...] | None) -> Bands | None:
    """Reads the numbers of a page; None where Pillow's own reader is the right one.

    Only the bands that are needed are kept.

    Raises:
        ImageError: it is damaged, too large, or lacks the channels.
    """
    tags = page.tags
    layout = _layout(tags, len(page.data), what, limits)
    photometric = tags.get(262, _WHITE_IS_ZERO)
    if layout is None or photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK):
        return None
    if photometric == _CMYK and ((layout.bits == 8 and not layout.planar) or layout.samples < 4):
        return None
    colours = 3 if photometric == _RGB or (photometric <= 1 and layout.samples >= 3) else 1
    colours = 4 if photometric == _CMYK else colours
    if layout.samples < colours:
        raise ImageError(f"{what} is a damaged TIFF picture: {layout.samples} bands cannot be its colours.")
    alpha: Alpha = ""
    extras = tags.get(338, ())
    if layout.samples > colours and extras:
        alpha = _ALPHAS.get(extras[0], "")
    wanted = range(colours + bool(alpha))
    if channels is not None:
        check_channels(channels, layout.samples, what)
        wanted, colours, alpha = tuple(number - 1 for number in channels), len(channels), ""
    values = _read(page.data, layout, tuple(wanted), what, limits)
    bands = Bands(
        values,
        colours,
        alpha,
        bits=layout.bits,
        inverted=photometric == _WHITE_IS_ZERO,
        nodata=_nodata(tags),
        orientation=_orientation(tags),
        total=layout.samples,
    )
    return without_false_alpha(bands, tags)


def without_false_alpha(bands: Bands, tags: Any) -> Bands:
    """Returns the bands without one that is marked as alpha and is none: GDAL and tifffile mark any fourth band so.

    Alpha is clear or opaque in half of the picture at least; colours multiplied by it are nowhere above it. In a file
    of a measuring program (GeoTIFF, GDAL, tifffile, ImageJ, OME) it hides nothing but one colour, too.
    """
    if not bands.alpha:
        return bands
    colours, band = bands.values[:, :, : bands.colours], bands.values[:, :, bands.colours]
    opaque = 1.0 if band.dtype.kind == "f" else 2.0**bands.bits - 1
    clear = band == 0
    ends = np.count_nonzero(clear) + np.count_nonzero(band == opaque)
    true = 2 * ends >= band.size
    if bands.alpha == "premultiplied":
        true = true and bool((colours.max(axis=2) <= band).all())
    elif _is_measured(tags) and clear.any():
        hidden = colours[clear]
        true = true and bool((hidden == hidden[0]).all())
    return bands if true else replace(bands, values=colours, alpha="", total=max(bands.total, bands.values.shape[2]))


def _is_measured(tags: Any) -> bool:
    """Tells whether a program of science wrote the file, which has bands rather than colours."""
    if any(tag in tags for tag in (33550, 33922, 34264, 34735, 42112, 42113)):
        return True
    words = f"{tags.get(305, '')} {tags.get(270, '')}"
    return any(name in words for name in ("tifffile", "ImageJ", "OME", '{"shape"'))


def _nodata(tags: Any) -> float | None:
    try:
        return float(str(tags.get(42113, "")).strip(" \0"))
    except ValueError:
        return None


def _orientation(tags: Any) -> int:
    value = tags.get(274, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _layout(tags: Any, length: int, what: str, limits: ImageLimits) -> _Layout | None:
    """Reads how numbers lie; None where they are not plain numbers."""
    width, height = tags.get(256), tags.get(257)
    if not isinstance(width, int) or not isinstance(height, int):
        raise ImageError(f"{what} is a damaged TIFF picture: it does not say its size.")
    limits.check_size(width, height, what)
    samples, depths, kinds = tags.get(277, 1), _several(tags.get(258, 1)), _several(tags.get(339, 1))
    bits, kind = depths[0], _KINDS.get(kinds[0])
    if 322 in tags or 323 in tags:
        _check_tiles(tags, width * height, max(1, samples) * bits if isinstance(samples, int) else bits, what)
    compression, predictor, fill = tags.get(259, 1), tags.get(317, 1), tags.get(266, 1)
    plain = bits in (8, 16, 32, 64) or (bits in _PACKED_BITS and kind == "u" and predictor == 1)
    if not plain or kind is None or (kind == "f" and bits == 8) or len({*depths}) > 1 or len({*kinds}) > 1:
        return None
    if compression not in _LOSSLESS or predictor not in (1, 2, 3) or not isinstance(samples, int):
        return None
    if fill != 1 and (compression == _RAW or bits > 8):
        return None
    tiled = 324 in tags
    piece = (tags.get(323, 0), tags.get(322, 0)) if tiled else (min(tags.get(278, height), height), width)
    offsets, counts = (_several(tags.get(tag, ())) for tag in ((324, 325) if tiled else (273, 279)))
    if samples < 1 or min(piece) < 1 or not offsets:
        raise ImageError(f"{what} is a damaged TIFF picture: its tags do not say where its pixels are.")
    order = "<" if tags.prefix == b"II" else ">"
    layout = _Layout(
        height,
        width,
        samples,
        bits,
        kind,
        order,
        tags.get(284, 1) == 2 and samples > 1,
        tiled,
        compression,
        predictor,
        fill,
        piece,
        offsets,
        counts,
    )
    needed = layout.across * layout.down * (samples if layout.planar else 1)
    if len(offsets) < needed or (len(counts) < needed and compression != _RAW):
        raise ImageError(f"{what} is a damaged TIFF picture: {len(offsets)} of {needed} parts are there.")
    if layout.row_bytes() * piece[0] > 8 * limits.max_pixels:
        raise ImageError(f"{what} holds parts of {layout.row_bytes() * piece[0]:,} bytes, which is too much.")
    return layout


def _check_tiles(tags: Any, pixels: int, bits: int, what: str) -> None:
    """Refuses tiles far larger than the picture, whoever reads it: each is held whole."""
    columns, rows = tags.get(322), tags.get(323)
    if not isinstance(columns, int) or not isinstance(rows, int):
        raise ImageError(f"{what} is a damaged TIFF picture: it does not say how large its tiles are.")
    if columns * rows > max(pixels, _TILED_PIXELS) or columns * rows * bits > max(pixels * bits, 8 * _TILED_BYTES):
        raise ImageError(f"{what} is a damaged TIFF picture: tiles of {columns} x {rows} pixels.")


def _several(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _read(data: bytes, layout: _Layout, wanted: tuple[int, ...], what: str, limits: ImageLimits) -> npt.NDArray[Any]:
    """Puts the wanted bands together."""
    if layout.height * layout.width * len(wanted) * layout.dtype.itemsize > 8 * limits.max_pixels:
        raise ImageError(
            f"{what} is {layout.width} x {layout.height} pixels of {len(wanted)} x {layout.bits} bits: "
            "too much. Choose fewer channels, or make it smaller."
        )
    result = np.zeros((layout.height, layout.width, len(wanted)), layout.dtype.newbyteorder("="))
    for plane in sorted({*wanted}) if layout.planar else (0,):
        places = [place for place, band in enumerate(wanted) if band == plane]
        for row in range(layout.down):
            top = row * layout.piece[0]
            for column in range(layout.across):
                left = column * layout.piece[1]
                part = _piece(data, layout, (plane * layout.down + row) * layout.across + column, row, what)
                part = part[: layout.height - top, : layout.width - left]
                target = result[top : top + part.shape[0], left : left + part.shape[1]]
                if layout.planar:
                    target[:, :, places] = part
                else:
                    target[...] = part[:, :, wanted]
    return result


def _piece(data: bytes, layout: _Layout, number: int, row: int, what: str) -> npt.NDArray[Any]:
    """Returns the numbers of one strip or tile, (rows, columns, bands)."""
    (rows, columns), top = layout.piece, row * layout.piece[0]
    if not layout.tiled:
        rows = min(rows, layout.height - top)
    offset, expected = layout.offsets[number], layout.row_bytes() * rows
    length = layout.counts[number] if number < len(layout.counts) else expected
    content = _unpacked(data[offset : offset + length], layout, rows)
    if len(content) < expected:
        raise ImageError(
            f"{what} is a damaged TIFF picture: {expected - len(content):,} bytes of its pixels are missing."
        )
    raw = np.frombuffer(content, np.uint8, expected).reshape(rows, -1)
    if layout.bits in _PACKED_BITS:
        return _spread(raw, columns * layout.together, layout.bits).reshape(rows, columns, -1)
    if layout.predictor == 3:
        return _floats_summed(raw, layout).reshape(rows, columns, -1)
    numbers = raw.view(layout.dtype).reshape(rows, columns, -1)
    if layout.predictor == 2:
        native = numbers.view(np.dtype(f"{layout.order}u{numbers.itemsize}")).astype(f"=u{numbers.itemsize}")
        return np.cumsum(native, axis=1, dtype=native.dtype).view(layout.dtype.newbyteorder("="))
    return numbers


def _floats_summed(raw: npt.NDArray[np.uint8], layout: _Layout) -> npt.NDArray[Any]:
    """Undoes the predictor of floats: bytes of one rank lie together, each row as differences."""
    rows, size = raw.shape[0], layout.dtype.itemsize
    summed = np.cumsum(raw.reshape(rows, -1, layout.together), axis=1, dtype=np.uint8).reshape(rows, size, -1)
    return np.ascontiguousarray(summed.transpose(0, 2, 1)).view(f">{layout.kind}{size}")


def _spread(raw: npt.NDArray[np.uint8], count: int, bits: int) -> npt.NDArray[np.uint16]:
    """Returns numbers that are packed without gaps, the highest bit first, rows beginning with a byte."""
    result = np.empty((raw.shape[0], count), np.uint16)
    weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint16)
    for row, packed in zip(result, raw, strict=True):
        row[:] = np.unpackbits(packed)[: count * bits].reshape(count, bits) @ weights
    return result


def _unpacked(content: bytes, layout: _Layout, rows: int) -> bytes:
    """Undoes the compression of one strip or tile."""
    expected = layout.row_bytes() * rows
    if layout.compression == _RAW:
        return content
    if layout.compression in (_DEFLATE, _OLD_DEFLATE):
        return zlib.decompressobj().decompress(content, expected)
    # As a grey picture of one strip: so libtiff gives the bytes as they are.
    tags = ((256, layout.row_bytes()), (257, rows), (258, 8), (259, layout.compression), (262, 1), (266, layout.fill))
    tags += ((273, 8), (277, 1), (278, rows), (279, len(content)))
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    place = 8 + len(content) + len(content) % 2
    file = struct.pack("<2sHI", b"II", 42, place) + content.ljust(place - 8, b"\0") + directory + bytes(4)
    picture = TiffImagePlugin.TiffImageFile(io.BytesIO(file))
    picture.load()
    return picture.tobytes()

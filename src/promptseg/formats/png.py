"""PNG: one binary picture per mask, one map of instance numbers, or transparent cut-outs.

The class of a mask stands in the file as its Title; a map of numbers describes them as JSON in its Description.
"""

import io
import json
import os
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from promptseg.errors import FormatError, ImageError, InputError
from promptseg.files import atomic_write
from promptseg.formats.reading import read_bytes
from promptseg.geometry import Size
from promptseg.images import mask_pictures as masks
from promptseg.images.quiet import quiet_pillow
from promptseg.masks.numbered import masks_by_number
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.stopping import check_stop

_MOST_INSTANCES = 65_535
_MOST_PIXELS = 2**28


def write_picture(path: str | os.PathLike[str], picture: Image.Image, **texts: str | None) -> None:
    """Writes a PIL picture as PNG.

    Args:
        path: the file.
        picture: the pixels.
        texts: what is written into the file by keyword, such as Title.

    Raises:
        OutputError: the file cannot be written.
    """
    notes = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        if text:
            notes.add_itxt(keyword, text.replace("\0", "").encode("utf-8", "replace").decode())
    with atomic_write(path) as file:
        picture.save(file, format="PNG", pnginfo=notes)


def write_mask(path: str | os.PathLike[str], mask: RLE, label: str | None = None) -> None:
    """Writes a mask as an 8-bit grey PNG, 255 inside and 0 outside; the label is its Title.

    Raises:
        OutputError: the file cannot be written.
    """
    write_picture(path, Image.fromarray(mask.dense().astype(np.uint8) * 255), Title=label)


def index_map(segments: Segments) -> npt.NDArray[np.uint16]:
    """Returns (H, W) uint16 numbers: 0 for background, n for mask n-1; smaller masks lie on top of larger.

    Raises:
        InputError: there are more masks than 16 bits can number.
    """
    if len(segments) > _MOST_INSTANCES:
        raise InputError(f"A 16-bit map numbers at most {_MOST_INSTANCES} masks, got {len(segments)}.")
    numbers = np.zeros(segments.size, np.uint16)
    for index in np.argsort(-segments.areas, kind="stable").tolist():
        check_stop()
        mask = segments.masks[index]
        x0, y0, x1, y1 = mask.box
        numbers[y0:y1, x0:x1][mask.crop()] = index + 1
    return numbers


def write_index(path: str | os.PathLike[str], segments: Segments) -> None:
    """Writes the instance numbers as a 16-bit grey PNG (see `index_map`); label and colour of each are described.

    Raises:
        InputError: there are more masks than 16 bits can number.
        OutputError: the file cannot be written.
    """
    rows = zip(segments.labels, segments.palette(), strict=True)
    entries = [
        {"value": number, "label": label, "colour": "#{:02x}{:02x}{:02x}".format(*colour)}
        for number, (label, colour) in enumerate(rows, start=1)
    ]
    write_picture(path, Image.fromarray(index_map(segments)), Description=json.dumps(entries, ensure_ascii=False))


def write_cutout(path: str | os.PathLike[str], segments: Segments, index: int = 0, image: Any = None) -> None:
    """Writes one object as a full-size RGBA PNG, transparent elsewhere.

    Raises:
        InputError: there is no picture to cut from, or no such mask.
        OutputError: the file cannot be written.
    """
    write_picture(path, segments.cutout(index, image), Title=segments.labels[index])


def read_mask(path: str | os.PathLike[str]) -> RLE:
    """Reads a mask picture (see `promptseg.images.mask_pictures`), perhaps one number of it: `mask.png@3`.

    Raises:
        FormatError: the file is not a readable picture.
    """
    place, choice = masks.split_choice(os.fspath(path))
    data = read_bytes(place)
    try:
        picture = masks.open_mask(data, place)
        return RLE.encode(picture.inside() if choice is None else picture.only(choice))
    except ImageError as error:
        raise FormatError(str(error)) from error


def read_index(path: str | os.PathLike[str]) -> Segments:
    """Reads a PNG of instance numbers; every number other than 0 becomes a mask, in rising order.

    Raises:
        FormatError: the file is not a readable PNG of one channel.
    """
    numbers = _decode(read_bytes(path), str(path))
    if numbers.ndim != 2:
        raise FormatError(f"{path} has colours; a map of instance numbers has one channel.")
    height, width = numbers.shape
    return Segments(Size(height, width), tuple(masks_by_number(numbers).values()))


def read_pixels(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Returns the pixels of a PNG as they are stored, (H, W) or (H, W, channels).

    Raises:
        FormatError: the file is not a readable PNG.
    """
    return _decode(read_bytes(path), str(path))


def decode_mask(data: bytes, what: str) -> npt.NDArray[np.bool_]:
    """Returns where the mask in a picture file is; `what` names it in messages.

    Raises:
        FormatError: it is not a readable picture.
    """
    try:
        return masks.open_mask(data, what).inside()
    except ImageError as error:
        raise FormatError(str(error)) from error


def _decode(data: bytes, what: str) -> npt.NDArray[Any]:
    """Decodes with Pillow's PNG reader alone; palettes stay numbers, as label maps use them."""
    with quiet_pillow():
        try:
            picture = PngImagePlugin.PngImageFile(io.BytesIO(data))
            if picture.width * picture.height > _MOST_PIXELS:
                raise FormatError(f"{what} has too many pixels: {picture.width} x {picture.height}.")
            if picture.mode in ("LA", "PA"):
                return np.asarray(picture.getchannel(0))
            return np.asarray(picture)
        except (OSError, ValueError, SyntaxError, EOFError, MemoryError, OverflowError, IndexError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"{what} is not a readable PNG: {error}.") from error

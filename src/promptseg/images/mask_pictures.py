"""Pictures that are masks: one reader for prompts, label files and datasets.

What is inside, by one rule:
- where pixels are transparent, they are outside; the rest is inside, unless it holds black besides other greys;
- else black, or number 0, is outside and everything else inside, however dark: 0/1, 0/2, 0/255, one bit, 16 bits,
  palettes, colours;
- a picture with soft edges (many greys that pass into one another, or a lossy file) is cut at one half;
- a picture of several numbers or colours is taken whole, with a note; `mask.png@3` and `mask.png@#ff0000` choose one.
  In a palette of several numbers 255 is void, as VOC has it.
"""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from promptseg.arrays import BoolArray
from promptseg.errors import ImageError
from promptseg.images.bands import Bands, ReadingOptions
from promptseg.images.decode import guarded, opener, orientation_of
from promptseg.images.limits import ImageLimits
from promptseg.images.pixels import as_stored, bands_of
from promptseg.images.tiff import without_false_alpha
from promptseg.notes import note

VOID = 255
_CHOICE = re.compile(r"(.+)@(\d{1,9}|#[0-9a-fA-F]{6})", re.DOTALL)
_MANY, _NEAR = 32, 8


@dataclass(frozen=True, slots=True, eq=False)
class MaskPicture:
    """A mask as its picture holds it.

    Attributes:
        what: its name, for messages.
        values: (H, W) numbers, none negative: of grey, of a palette, or of colours as 0xRRGGBB.
        opaque: where it is not transparent; None: everywhere.
        coloured: whether the numbers are colours.
        palette: whether the numbers are those of a palette.
        lossy: whether the numbers are only near to what they were.
        full: the greatest number that the file can hold.
    """

    what: str
    values: npt.NDArray[Any]
    opaque: BoolArray | None = None
    coloured: bool = False
    palette: bool = False
    lossy: bool = False
    full: float = 255

    def present(self) -> npt.NDArray[Any]:
        """Returns the different numbers, ascending."""
        if self.values.dtype.kind in "bu" and self.values.dtype.itemsize <= 2:
            return np.flatnonzero(np.bincount(self.values.ravel()))
        return np.unique(self.values)

    def only(self, choice: str) -> BoolArray:
        """Returns where one number, "3", or one colour, "#ff0000", is.

        Raises:
            ImageError: it is nowhere.
        """
        number = int(choice[1:], 16) if choice.startswith("#") else int(choice)
        if choice.startswith("#") and not self.coloured:
            number = number & 0xFF if not self.palette else -1
        found = self.values == number
        if self.opaque is not None:
            found = found & self.opaque
        if not found.any():
            raise ImageError(f"{self.what} holds {self._spell(self.present())}; there is no {choice}.")
        return found

    def inside(self, *, quiet: bool = False) -> BoolArray:
        """Returns where the object is; notes when the picture holds several, unless `quiet`."""
        if self.opaque is not None and (self.coloured or not _has_black(self.values[self.opaque])):
            return self.opaque
        present = self.present()
        bright = self._brightness() if self.lossy or self.is_soft(present) else None
        if bright is not None:
            greatest = float(bright.max())
            found = bright > (self.full / 2 if greatest > self.full / 2 else greatest / 2)
        else:
            found = self._beyond_black(present, quiet)
        return found if self.opaque is None else found & self.opaque

    def _brightness(self) -> npt.NDArray[Any]:
        if not self.coloured:
            return self.values
        return np.maximum(np.maximum(self.values >> 16, self.values >> 8 & 255), self.values & 255)

    def _beyond_black(self, present: npt.NDArray[Any], quiet: bool) -> BoolArray:
        if present.size == 2 and 0 not in present and not self.coloured and not self.palette:
            return self.values == present[1]
        several = np.setdiff1d(present, [0])
        found = self.values != 0
        if several.size > 1 and not quiet:
            name = Path(self.what).name
            one = self._spell(several[:1]).split()[-1]
            note(
                f"{self.what} holds {self._spell(present)}: all but 0 is taken as the mask"
                f"{', and 255 as void' if self.palette and VOID in several else ''}. Choose one, like {name}@{one}."
            )
        if several.size > 1 and self.palette:
            found = found & (self.values != VOID)
        return found

    def is_soft(self, present: npt.NDArray[Any]) -> bool:
        """Tells whether the greys between the least and the greatest are those of soft edges, not of regions."""
        if present.size <= 2 or self.palette or self.coloured:
            return False
        if self.values.dtype.kind == "f":
            return True
        values = self.values
        if present[-1] < self.full / 4:  # numbers of objects
            return False
        between = (values != 0) & (values != present[-1])
        padded = np.pad(values, 1, mode="edge")
        level = between.copy()
        for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
            level &= padded[rows : rows + values.shape[0], columns : columns + values.shape[1]] == values
        if np.count_nonzero(level) < 0.2 * np.count_nonzero(between):
            return True
        steps = np.abs(np.diff(values.astype(np.int64), axis=1))
        steps = steps[steps > 0]
        return present.size > _MANY and bool(np.count_nonzero(steps <= _NEAR) > 0.9 * steps.size)

    def _spell(self, values: npt.NDArray[Any]) -> str:
        shown = ", ".join(f"#{value:06x}" if self.coloured else f"{value:g}" for value in values[:8].tolist())
        return f"the {'colours' if self.coloured else 'numbers'} {shown}{', ...' if values.size > 8 else ''}"


def _has_black(values: npt.NDArray[Any]) -> bool:
    return bool(0 < np.count_nonzero(values) < values.size)


def split_choice(text: str) -> tuple[str, str | None]:
    """Returns the path of a mask, and the number or colour chosen behind an @; a file of that very name goes first."""
    found = None if os.path.lexists(text) else _CHOICE.fullmatch(text)
    return (found[1], found[2]) if found else (text, None)


def read_mask(text: str) -> BoolArray:
    """Reads a mask from a path, perhaps with a choice: `mask.png`, `mask.png@3`.

    Raises:
        ImageError: it cannot be read, or does not hold what is chosen.
    """
    path, choice = split_choice(text)
    picture = open_mask(path)
    return picture.inside() if choice is None else picture.only(choice)


def open_mask(
    source: "str | os.PathLike[str] | bytes",
    what: str = "",
    *,
    numbered: bool = False,
    limits: ImageLimits | None = None,
) -> MaskPicture:
    """Reads a mask picture from a path or the bytes of a file.

    Args:
        source: the path or the bytes.
        what: a name for messages.
        numbered: whether a palette's numbers count even where black is not its number 0, as in maps of classes.
        limits: the largest picture accepted.

    Raises:
        ImageError: it cannot be read, is damaged, or is too large.
    """
    from promptseg.images.picture import read_file

    limits, what = limits or ImageLimits(), what or str(source)
    data = source if isinstance(source, bytes) else read_file(source, limits)
    kind, opened = opener(data, what, limits, ReadingOptions())
    with guarded(what, kind):
        found = opened()
        picture = _of_bands(found, what) if isinstance(found, Bands) else _of_pillow(found, what, limits, numbered)
        lossy = kind == "JPEG" or (kind == "WebP" and b"VP8 " in data[12:64])
        return replace(picture, lossy=lossy)


def _of_pillow(picture: Pillow.Image, what: str, limits: ImageLimits, numbered: bool) -> MaskPicture:
    limits.check_size(*picture.size, what)
    picture.load()
    orientation = orientation_of(picture)
    if picture.mode in ("P", "PA") and (numbers := _palette_numbers(picture, numbered)) is not None:
        values, opaque = numbers
        return MaskPicture(what, _turned(values, orientation), _turned(opaque, orientation), palette=True)
    bands = bands_of(picture, orientation)
    if picture.format == "TIFF":
        bands = without_false_alpha(bands, getattr(picture, "tag_v2", {}))
    return _of_bands(bands, what)


def _palette_numbers(picture: Pillow.Image, numbered: bool) -> tuple[npt.NDArray[Any], BoolArray | None] | None:
    """Returns the numbers of a palette; None where its colours count, for black is not its number 0."""
    values = np.asarray(picture if picture.mode == "P" else picture.getchannel(0))
    used = np.flatnonzero(np.bincount(values.ravel(), minlength=256))
    colours = np.zeros((256, 3), np.uint8)
    given = np.asarray(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)[:256]
    colours[: len(given)] = given
    black = (colours[used] == 0).all(axis=1)
    if not numbered and colours[0].any() and black.any():
        return None
    clear = picture.info.get("transparency")
    if picture.mode == "PA":
        alpha = np.asarray(picture.getchannel("A"))
    elif isinstance(clear, bytes):
        table = np.full(256, 255, np.uint8)
        table[: len(clear)] = list(clear[:256])
        alpha = table[values]
    elif isinstance(clear, int):
        alpha = np.where(values == clear, 0, 255)
    else:
        return values, None
    opaque = _opaque(alpha)
    # A transparent number 0 says nothing new, and a palette of several numbers stays one.
    return values, None if opaque is None or np.array_equal(opaque, values != 0) else opaque


def _of_bands(bands: Bands, what: str) -> MaskPicture:
    values, opaque = bands.values[:, :, : bands.colours], None
    if bands.alpha:
        opaque = _opaque(bands.values[:, :, bands.colours])
    if bands.colours == 4:
        values = np.asarray(Pillow.fromarray(np.ascontiguousarray(values), "CMYK").convert("RGB"))
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).clip(0)
        full = 1.0 if values.max(initial=0) <= 1 else 255.0
    else:
        full = float(2**bands.bits - 1)
        values = np.clip(values, 0, None) if values.dtype.kind == "i" else values
    if bands.nodata is not None:
        values = np.where(values == bands.nodata, 0, values)
    if bands.inverted and values.dtype.kind == "u":
        values = values.dtype.type(2**bands.bits - 1) - values
    coloured = values.shape[2] >= 3 and bool((values != values[:, :, :1]).any())
    if coloured:
        bytes_ = values if values.dtype == np.uint8 else values // max(1, int(full) // 255)
        red, green, blue = (bytes_[:, :, band].astype(np.int32) for band in range(3))
        code, full = red << 16 | green << 8 | blue, 255.0
    else:
        code = values[:, :, 0]
    return MaskPicture(
        what, _turned(code, bands.orientation), _turned(opaque, bands.orientation), coloured=coloured, full=full
    )


def _opaque(alpha: npt.NDArray[Any]) -> BoolArray | None:
    """Returns where a mask is opaque; None where it is everywhere, or nowhere, so that its colours count."""
    opaque = alpha > alpha.max() / 2 if alpha.any() else np.zeros(alpha.shape, np.bool_)
    return None if opaque.all() or not opaque.any() else opaque


def _turned(stored: Any, orientation: int) -> Any:
    if stored is None or orientation == 1:
        return stored
    height, width = stored.shape
    upright = np.empty((width, height) if orientation >= 5 else (height, width), stored.dtype)
    as_stored(upright, orientation)[...] = stored
    return upright

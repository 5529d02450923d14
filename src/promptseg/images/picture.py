"""`Image`: a decoded picture as an immutable value."""

import functools
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from promptseg.errors import ImageError
from promptseg.geometry import Size
from promptseg.images.bands import ReadingOptions
from promptseg.images.decode import decode, guarded, loaded_to_rgb
from promptseg.images.limits import ImageLimits
from promptseg.images.pixels import array_to_rgb

ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | Pillow.Image | npt.NDArray[Any] | Image"
"""What `Image.open` takes: a path, the bytes of a file, a Pillow picture, a NumPy array, or an Image."""


@dataclass(frozen=True, eq=False)
class Image:
    """A picture: upright RGB pixels that nobody can change, and where they came from.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, contiguous and read-only. A writable array is copied.
        name: the file name, when there is one.

    Raises:
        ImageError: `pixels` is not (H, W, 3) uint8 with at least one pixel.
    """

    pixels: npt.NDArray[np.uint8]
    name: str | None = None

    def __post_init__(self) -> None:
        pixels: Any = self.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[2:] != (3,):
            raise ImageError(f"Image holds (H, W, 3) uint8 pixels, got {_form(pixels)}. Use Image.open for the rest.")
        if pixels.size == 0:
            raise ImageError(f"A picture needs at least one pixel, got {_form(pixels)}.")
        if pixels.flags.writeable or not pixels.flags.c_contiguous:
            pixels = np.array(pixels, order="C")
            pixels.flags.writeable = False
            object.__setattr__(self, "pixels", pixels)

    @classmethod
    def open(
        cls,
        source: ImageSource,
        *,
        name: str | None = None,
        limits: ImageLimits | None = None,
        page: int | None = None,
        channels: Sequence[int] | None = None,
        levels: str | tuple[float, float] = "auto",
    ) -> "Image":
        """Reads a picture, turns it upright by its EXIF orientation, and makes it RGB.

        Files may be JPEG, PNG, WebP, TIFF, BMP or GIF; the content decides, not the extension. How grey, deep,
        transparent and CMYK pictures become RGB: see `promptseg.images.pixels`. What is good to know of the file
        without being an error, such as further pages, is a warning, `promptseg.notes.Note`.

        Args:
            source: a path, the bytes of a file, a Pillow picture, or a NumPy array: (H, W, 3) RGB, (H, W, 4)
                RGBA, (H, W) or (H, W, 1) grey, of uint8, uint16, bool or float in [0, 1].
            name: a name for it; a path brings its own.
            limits: the largest picture accepted; by default 256 MiB and 250 million pixels.
            page: which page or frame of a file, from 1; by default the first.
            channels: which channels become red, green and blue, or which one becomes grey, counted from 1: (4, 3, 2).
            levels: how numbers of more than 8 bits become 256 levels: "auto" (the fewest of 8, 10, 12, 14 or 16 bits
                that hold them all), "full" (all bits), "stretch" (1st to 99th percentile), or the two numbers that
                become black and white; see `promptseg.images.levels`.

        Raises:
            ImageError: it cannot be read, is damaged, or is too large.
        """
        limits = limits or ImageLimits()
        options = ReadingOptions(page, None if channels is None else tuple(channels), levels)
        if isinstance(source, Image) and not options.plain:
            source = source.pixels
        if isinstance(source, Image):
            limits.check_size(source.size.width, source.size.height, "The picture")
            return source if name is None else cls(source.pixels, name)
        if isinstance(source, str | os.PathLike):
            name = name or Path(source).name
        pixels = _read(source, name, limits, options)
        pixels.flags.writeable = False
        return cls(pixels, name)

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return Size(self.pixels.shape[0], self.pixels.shape[1])

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the size and the pixels: the same for the same picture, whatever its file."""
        digest = hashlib.sha256(f"{self.size.height}x{self.size.width}x3:".encode())
        digest.update(self.pixels.data)
        return digest.hexdigest()

    def crop(self, box: tuple[int, int, int, int]) -> "Image":
        """Returns the part inside `box` = (x0, y0, x1, y1), whole pixels, x1 and y1 not included.

        Raises:
            ImageError: the box is empty, leaves the picture, or is not made of whole numbers.
        """
        height, width = self.size
        try:
            x0, y0, x1, y1 = (int(value) for value in box)
            whole = (x0, y0, x1, y1) == tuple(box)
        except (TypeError, ValueError, OverflowError) as error:
            raise ImageError(f"A crop needs four whole numbers (x0, y0, x1, y1), got {box!r}.") from error
        if not (whole and 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ImageError(f"A crop must be whole pixels (x0, y0, x1, y1) within {width} x {height}, got {box!r}.")
        return Image(self.pixels[y0:y1, x0:x1], self.name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Image):
            return NotImplemented
        return self is other or np.array_equal(self.pixels, other.pixels)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Image({self.size.width} x {self.size.height}{f', {self.name!r}' if self.name else ''})"


def _read(source: Any, name: str | None, limits: ImageLimits, options: ReadingOptions) -> npt.NDArray[np.uint8]:
    what = name or "The picture"
    if isinstance(source, str | os.PathLike):
        return decode(read_file(source, limits), str(source), limits, options)
    if isinstance(source, bytes | bytearray | memoryview):
        return decode(bytes(source), what, limits, options)
    if isinstance(source, Pillow.Image):
        with guarded(what, source.format or "Pillow"):
            if options.page is not None:
                source.seek(options.page - 1)
            return loaded_to_rgb(source, what, limits, options)
    if isinstance(source, np.ndarray):
        if source.ndim >= 2 and source.size:
            limits.check_size(source.shape[1], source.shape[0], "The array")
        if options.page not in (None, 1):
            raise ImageError(f"An array has one page, there is no page {options.page}.")
        return array_to_rgb(source, options)
    raise ImageError(
        f"Got {_form(source)}. A picture is a path, the bytes of a file, a Pillow picture or a NumPy array."
    )


def read_file(path: Any, limits: ImageLimits) -> bytes:
    """Reads a regular file; devices and pipes, which never end, are refused."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{path} is a folder. Give a picture file.")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{path} is not a regular file. Give a picture file.")
        limits.check_bytes(status.st_size, str(path))
        with open(path, "rb") as file:
            return file.read(limits.max_bytes + 1)
    except FileNotFoundError as error:
        hint = " Addresses are not fetched; download it first." if "://" in str(path) else " Check the path."
        raise ImageError(f"There is no file {path}.{hint}") from error
    except PermissionError as error:
        raise ImageError(f"{path} may not be read: permission denied.") from error
    except MemoryError as error:
        raise ImageError(f"{path} does not fit into memory.") from error
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{path!r} cannot be read: {error}.") from error


def _form(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    return f"a {type(value).__name__}"

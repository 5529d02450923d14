"""Bytes of a picture file to RGB pixels: content decides, sizes come first, failures are ImageErrors."""

import io
import struct
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL import Image as Pillow

from promptseg.errors import ImageError
from promptseg.images.limits import ImageLimits
from promptseg.images.pixels import to_rgb
from promptseg.images.quiet import quiet_pillow

READS = "promptseg reads JPEG, PNG, WebP, TIFF, BMP and GIF"
_ORIENTATION = 0x0112

_Reader = type[ImageFile.ImageFile]

# These readers and no others. They are called directly, not through PIL.Image.open, whose only limit is the
# process-wide MAX_IMAGE_PIXELS: ours comes with each call, and nobody's settings are touched.
_READERS: tuple[tuple[str, tuple[bytes, ...], _Reader], ...] = (
    ("JPEG", (b"\xff\xd8\xff",), JpegImagePlugin.JpegImageFile),
    ("PNG", (b"\x89PNG\r\n\x1a\n",), PngImagePlugin.PngImageFile),
    ("TIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImagePlugin.TiffImageFile),
    ("GIF", (b"GIF87a", b"GIF89a"), GifImagePlugin.GifImageFile),
    ("BMP", (b"BM",), BmpImagePlugin.BmpImageFile),
)
_STRANGERS = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "an EPS or PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "an EPS file"),
    (b"8BPS", "a Photoshop file"),
    (b"\x00\x00\x01\x00", "an icon (ICO)"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xffO\xffQ", "a JPEG 2000 picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x93NUMPY", "a NumPy file; load it with numpy.load and give the array"),
)


def decode(data: bytes, what: str, limits: ImageLimits) -> npt.NDArray[np.uint8]:
    """Decodes the first picture in `data` to upright (H, W, 3) RGB; `what` names it in messages.

    Raises:
        ImageError: it is not a picture that promptseg reads, is damaged, or breaks a limit.
    """
    limits.check_bytes(len(data), what)
    kind, reader = _recognise(data, what)
    if kind == "WebP" and (canvas := _webp_canvas(data)):
        limits.check_size(*canvas, what)  # the reader allocates the canvas as soon as it opens the file

    def opened() -> Pillow.Image:
        return reader(io.BytesIO(data))

    return guarded(opened, what, kind, limits)


def guarded(opened: Callable[[], Pillow.Image], what: str, kind: str, limits: ImageLimits) -> npt.NDArray[np.uint8]:
    """Runs Pillow on the picture that `opened` gives: size check, decoding, orientation, RGB.

    Raises:
        ImageError: whatever goes wrong; Pillow's readers raise nearly anything on damaged files.
    """
    try:
        with quiet_pillow():
            picture = opened()
            limits.check_size(*picture.size, what)
            picture.load()
            # Asked after loading: the TIFF reader turns the picture itself and then forgets the tag.
            return to_rgb(picture, _orientation(picture))
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{what} does not fit into memory. Make it smaller.") from error
    except Pillow.DecompressionBombError as error:
        raise ImageError(f"{what} has too many pixels for Pillow's {kind} reader.") from error
    except Exception as error:
        detail = str(error) or type(error).__name__
        raise ImageError(f"{what} is a damaged or unsupported {kind} picture: {detail}.") from error


def _orientation(picture: Pillow.Image) -> int:
    """Returns the EXIF orientation 1..8; damaged EXIF data must not spoil a good picture."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _recognise(data: bytes, what: str) -> tuple[str, _Reader]:
    if not data:
        raise ImageError(f"{what} is empty: it has no bytes. {READS}.")
    for kind, prefixes, reader in _READERS:
        if data.startswith(prefixes):
            return kind, reader
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP", WebPImagePlugin.WebPImageFile
    raise ImageError(f"{what} is {_describe(data)}. {READS}.")


def _describe(data: bytes) -> str:
    for prefix, name in _STRANGERS:
        if data.startswith(prefix):
            return name
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        return "an AVIF picture" if brand in (b"avif", b"avis") else "a HEIC picture or a video (ISO media file)"
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if b"<svg" in head:
        return "an SVG drawing"
    return "not a picture that is known here"


def _webp_canvas(data: bytes) -> tuple[int, int] | None:
    """Returns (width, height) of an extended WebP file, whose canvas may be absurd; simple ones cannot."""
    if data[12:16] != b"VP8X" or len(data) < 30:
        return None
    width, height = (struct.unpack("<I", data[at : at + 3] + b"\0")[0] + 1 for at in (24, 27))
    return width, height

"""Bytes of a picture file to RGB pixels: content decides, sizes come first, failures are ImageErrors."""

import contextlib
import io
import struct
from collections.abc import Callable, Generator
from dataclasses import replace

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
from promptseg.images import deep_png, tiff
from promptseg.images.bands import Bands, ReadingOptions
from promptseg.images.limits import ImageLimits
from promptseg.images.parts import check_parts
from promptseg.images.pixels import bands_of, bands_to_rgb, to_rgb
from promptseg.images.quiet import quiet_pillow
from promptseg.notes import Note, note

READS = "promptseg reads JPEG, PNG, WebP, TIFF, BMP and GIF"
_ORIENTATION = 0x0112
_FRAMES_AT_MOST = 16  # times max_pixels

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


def decode(data: bytes, what: str, limits: ImageLimits, options: ReadingOptions) -> npt.NDArray[np.uint8]:
    """Decodes a picture in `data` to upright (H, W, 3) RGB; `what` names it in messages.

    Raises:
        ImageError: it is not a picture that promptseg reads, is damaged, or breaks a limit.
    """
    kind, opened = opener(data, what, limits, options)
    with guarded(what, kind):
        found = opened()
        if isinstance(found, Bands):
            return bands_to_rgb(found, what, options)
        return loaded_to_rgb(found, what, limits, options)


def opener(
    data: bytes, what: str, limits: ImageLimits, options: ReadingOptions
) -> tuple[str, Callable[[], Bands | Pillow.Image]]:
    """Returns the kind of a file, and what opens the page of it that is asked for; to be called within `guarded`.

    Raises:
        ImageError: it is not a picture that promptseg reads, or too large.
    """
    limits.check_bytes(len(data), what)
    kind, reader = _recognise(data, what)
    if kind == "WebP" and (canvas := _webp_canvas(data)):
        limits.check_size(*canvas, what)  # the reader allocates the canvas as soon as it opens the file
    check_parts(kind, data, what, limits)

    def opened() -> Bands | Pillow.Image:
        if kind == "TIFF":
            found = tiff.pages(data)
            page = tiff.open_page(data, _page(len(found), what, options), what, found)
            bands = tiff.read_bands(page, what, limits, options.channels)
            return reader(io.BytesIO(page.data)) if bands is None else bands
        picture = reader(io.BytesIO(data))
        limits.check_size(*picture.size, what)
        if number := _page(_frames(picture), what, options):
            pixels = (number + 1) * picture.width * picture.height
            if pixels > _FRAMES_AT_MOST * limits.max_pixels:  # each frame is drawn upon the one before
                raise ImageError(f"{what} has {pixels:,} pixels up to page {number + 1:,}. Save that page by itself.")
            try:
                picture.seek(number)
            except EOFError:
                raise ImageError(f"{what} has fewer pages: there is no page {number + 1:,}.") from None
        elif kind == "PNG" and deep_png.is_deep(data):
            return replace(deep_png.read_bands(data), orientation=orientation_of(picture))
        return picture

    return kind, opened


def _frames(picture: Pillow.Image) -> int:
    """Returns how many frames there are; a GIF, which would have to be read for it, has one or many."""
    if isinstance(picture, GifImagePlugin.GifImageFile):
        return tiff.MOST_PAGES if picture.is_animated else 1
    return getattr(picture, "n_frames", 1)


def _page(count: int, what: str, options: ReadingOptions) -> int:
    """Returns which page to read, from 0; notes that there are more.

    Raises:
        ImageError: there are fewer.
    """
    if options.page is None and count > 1:
        many = f"{count:,}" if count < tiff.MOST_PAGES else "several"
        note(f"{what} has {many} pages or frames; the first was read. Choose another with page (--page 2).")
    wanted = options.page or 1
    if wanted > max(count, 1):
        raise ImageError(f"{what} has {count:,} page{'s' if count > 1 else ''}: there is no page {wanted:,}.")
    return wanted - 1


@contextlib.contextmanager
def guarded(what: str, kind: str) -> Generator[None]:
    """Runs Pillow without its warnings, and makes whatever goes wrong an ImageError.

    Raises:
        ImageError: Pillow's readers raise nearly anything on damaged files.
    """
    try:
        with quiet_pillow():
            yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{what} does not fit into memory. Make it smaller.") from error
    except Pillow.DecompressionBombError as error:
        raise ImageError(f"{what} has too many pixels for Pillow's {kind} reader.") from error
    except Note:
        raise
    except Exception as error:
        detail = str(error) or type(error).__name__
        raise ImageError(f"{what} is a damaged or unsupported {kind} picture: {detail}.") from error


def loaded_to_rgb(
    picture: Pillow.Image, what: str, limits: ImageLimits, options: ReadingOptions
) -> npt.NDArray[np.uint8]:
    """Loads an opened picture, after its size was checked, and makes it upright RGB; call it within `guarded`."""
    limits.check_size(*picture.size, what)
    picture.load()
    # Asked after loading: the TIFF reader turns the picture itself and then forgets the tag.
    orientation = orientation_of(picture)
    if picture.format == "TIFF" and picture.mode in ("LA", "RGBA"):
        tags = getattr(picture, "tag_v2", {})
        return bands_to_rgb(tiff.without_false_alpha(bands_of(picture, orientation), tags), what, options)
    return to_rgb(picture, what, options, orientation)


def orientation_of(picture: Pillow.Image) -> int:
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
    """Returns (width, height) of a WebP file by its first chunk."""
    first, body = data[12:16], data[20:30]
    if first == b"VP8X" and len(body) == 10:
        width, height = (struct.unpack("<I", body[at : at + 3] + b"\0")[0] + 1 for at in (4, 7))
        return width, height
    if first == b"VP8L" and len(body) >= 5:
        (bits,) = struct.unpack_from("<I", body, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if first == b"VP8 " and len(body) == 10:
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    return None

"""Any Pillow mode, any bands of a file and any sensible array to (H, W, 3) uint8 RGB.

Rules, stated once:
- numbers of more than 8 bits become 256 levels as `promptseg.images.levels` says; in arrays, floats must lie in 0..1
  unless levels are chosen;
- transparency is laid over white; of a picture that is wholly transparent, the colours are taken;
- a TIFF's band that is marked as alpha counts as such when most of it is clear or opaque, else it is left out, and so
  are bands beyond the colours: the first three, or the first of two;
- where a TIFF says that 0 is white, levels are turned round;
- CMYK, YCbCr and HSV use Pillow's conversion, LAB its colour engine. Embedded ICC profiles are ignored, as
  in the official SAM code.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from promptseg.errors import ImageError
from promptseg.images.bands import Bands, ReadingOptions
from promptseg.images.levels import say_if_dim, to_bytes
from promptseg.notes import note

Pixels = npt.NDArray[np.uint8]
_Converter = Callable[[Pillow.Image], Pixels]
_STRIP_PIXELS = 2**22  # pictures are converted in strips, so that a large one is never held three times
_DEEP_MODES = {"I;16", "I;16L", "I;16B", "I;16N", "I", "F"}
_ALPHA_MODES = {"LA", "La", "PA", "RGBA", "RGBa"}
_BARELY = 15  # a picture nowhere more opaque is as good as transparent
_ARRAYS = "Expected (H, W, 3) RGB, (H, W, 4) RGBA, (H, W) or (H, W, 1) grey, of uint8, uint16, bool or float in [0, 1]"


def to_rgb(picture: Pillow.Image, what: str, options: ReadingOptions, orientation: int = 1) -> Pixels:
    """Returns the loaded `picture` as upright (H, W, 3) RGB; `orientation` is EXIF's number, 1 to 8."""
    if options.channels or options.levels not in ("auto", "full") or picture.mode in _DEEP_MODES:
        return bands_to_rgb(bands_of(picture, orientation), what, options)
    width, height = picture.size
    upright = np.empty((width, height, 3) if orientation >= 5 else (height, width, 3), np.uint8)
    stored = as_stored(upright, orientation)
    convert = _strip_converter(picture, what)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        stored[top:bottom] = convert(picture.crop((0, top, width, bottom)))
    say_if_dim(upright, what)
    return upright


def bands_of(picture: Pillow.Image, orientation: int = 1) -> Bands:
    """Returns what a loaded picture holds; palettes and other systems of colours become RGB, all but CMYK."""
    key = picture.info.get("transparency")
    if picture.mode in _DEEP_MODES:
        values = np.asarray(picture)[:, :, None]
        bits = 16 if picture.mode.startswith("I;16") else 32
        if bits == 16 and isinstance(key, int):
            clear = np.where(values == key, 0, 65535).astype(values.dtype)
            return Bands(np.concatenate([values, clear], axis=2), 1, "straight", 16, orientation=orientation)
        return Bands(values, 1, bits=bits, orientation=orientation)
    if picture.mode in _ALPHA_MODES or _has_colour_key(picture):
        grey = picture.mode.upper() == "LA"
        if picture.mode == "La":
            picture = picture.convert("LA")
        picture = picture.convert("LA" if grey else "RGBA")
    elif picture.mode == "LAB":
        return Bands(_lab(picture), 3, orientation=orientation)
    elif picture.mode in ("1", "L"):
        picture = picture.convert("L")
    elif picture.mode not in ("CMYK", "RGBX"):
        picture = picture.convert("RGB")
    values = np.asarray(picture)
    values = values[:, :, None] if values.ndim == 2 else values
    colours = {"L": 1, "LA": 1, "CMYK": 4}.get(picture.mode, 3)
    return Bands(values, colours, "straight" if picture.mode.endswith("A") else "", orientation=orientation)


def bands_to_rgb(bands: Bands, what: str, options: ReadingOptions) -> Pixels:
    """Returns the bands that are asked for as upright (H, W, 3) RGB.

    Raises:
        ImageError: there are no such bands.
    """
    beyond = (bands.total or bands.values.shape[2]) - bands.colours - bool(bands.alpha)
    if beyond > 0 and options.channels is None:
        read = "1, 2 and 3 were read as red, green and blue" if bands.colours == 3 else "the first was read"
        note(f"{what} has {beyond + bands.colours} channels; {read}. Choose others with channels (--channels 4,3,2).")
    if bands.total == 0:
        bands = bands.only(options.channels, what)
    given = bands.values[:, :, : bands.colours]
    colours = to_bytes(given, options.levels, bits=bands.bits, nodata=bands.nodata, what=what)
    if bands.inverted:
        colours = ~colours
    if bands.alpha:
        colours = _over_page(colours, bands, what)
    if bands.colours == 4:
        colours = np.asarray(Pillow.fromarray(np.ascontiguousarray(colours), "CMYK").convert("RGB"))
    height, width = colours.shape[:2]
    turned = bands.orientation >= 5
    upright = np.empty((width, height, 3) if turned else (height, width, 3), np.uint8)
    as_stored(upright, bands.orientation)[...] = colours
    if given.dtype == np.uint8:
        say_if_dim(upright, what)
    return upright


def _over_page(colours: Pixels, bands: Bands, what: str) -> Pixels:
    """Lays colours over white by the band of alpha behind them."""
    alpha = bands.values[:, :, bands.colours : bands.colours + 1]
    share = alpha.astype(np.float32) / np.float32(1 if alpha.dtype.kind == "f" else 2**bands.bits - 1)
    share = np.nan_to_num(share).clip(0, 1)
    if _unseen(float(share.max()), what):
        return colours
    own = colours.astype(np.float32) * (1 if bands.alpha == "premultiplied" else share)
    return np.rint(own + 255 * (1 - share)).clip(0, 255).astype(np.uint8)


def _unseen(most: float, what: str) -> bool:
    """Tells whether nothing would be seen of a picture that is nowhere more opaque than `most`, and says so."""
    if most <= _BARELY / 255:
        note(f"{what} is wholly transparent: its colours were read as if it were opaque.")
        return True
    return False


def array_to_rgb(array: npt.NDArray[Any], options: ReadingOptions) -> Pixels:
    """Returns a fresh (H, W, 3) uint8 copy of an array of one of the accepted forms.

    Raises:
        ImageError: the shape, the type or the range is another.
    """
    given = f"Got an array of shape {array.shape} and type {array.dtype}"
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or (channels not in (1, 3, 4) and options.channels is None):
        raise ImageError(f"{given}. {_ARRAYS}.")
    if array.size == 0:
        raise ImageError(f"{given}, which has no pixels. {_ARRAYS}.")
    _check_numbers(array, given, options)
    values = array.astype(np.uint8) * np.uint8(255) if array.dtype == np.bool_ else array
    values = values.reshape(*array.shape[:2], channels)
    bits = 8 * values.dtype.itemsize
    bands = Bands(values, 3 if channels >= 3 else 1, "straight" if channels == 4 else "", bits)
    if values.dtype == np.uint8 and options.levels in ("auto", "full"):  # nothing to say of an array as it is
        chosen = bands.only(options.channels, "The array")
        colours = chosen.values[:, :, : chosen.colours]
        colours = _over_page(colours, chosen, "The array") if chosen.alpha else colours
        return np.array(np.broadcast_to(colours, (*colours.shape[:2], 3)), order="C")
    return bands_to_rgb(bands, "The array", options)


def _check_numbers(array: npt.NDArray[Any], given: str, options: ReadingOptions) -> None:
    kind = array.dtype.kind
    if kind not in "buif":
        raise ImageError(f"{given}. {_ARRAYS}.")
    if kind == "b" or (kind == "u" and array.dtype.itemsize <= 2) or options.levels not in ("auto", "full"):
        return
    if kind != "f":
        raise ImageError(f"{given}. {_ARRAYS}; convert it with .astype(numpy.uint8) if its values are 0 to 255.")
    least, greatest = float(array.min()), float(array.max())
    if not (least >= 0 and greatest <= 1):
        raise ImageError(
            f"{given} with values from {least:g} to {greatest:g}. Floats must lie in [0, 1]; "
            'divide by 255, convert to uint8, or choose levels="stretch".'
        )


def as_stored(upright: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Returns a view of `upright` in the order in which the file stores its pixels."""
    views: dict[int, Callable[[], npt.NDArray[Any]]] = {
        2: lambda: upright[:, ::-1],
        3: lambda: upright[::-1, ::-1],
        4: lambda: upright[::-1],
        5: lambda: upright.swapaxes(0, 1),
        6: lambda: np.rot90(upright),
        7: lambda: upright[::-1, ::-1].swapaxes(0, 1),
        8: lambda: np.rot90(upright, -1),
    }
    return views[orientation]() if orientation in views else upright


def _strip_converter(picture: Pillow.Image, what: str) -> _Converter:
    mode = picture.mode
    if mode == "LAB":
        return _lab
    if mode in _ALPHA_MODES or _has_colour_key(picture):
        return _without_alpha if _unseen(_most_opaque(picture) / 255, what) else _over_white
    if mode in ("1", "L"):
        return lambda strip: np.asarray(strip.convert("L"))[:, :, None]
    return lambda strip: np.asarray(strip.convert("RGB"))


def _most_opaque(picture: Pillow.Image) -> int:
    """Returns the greatest alpha, 0 to 255; the first strip that is seen is enough."""
    width, height = picture.size
    rows, most = max(1, _STRIP_PIXELS // width), 0
    for top in range(0, height, rows):
        strip = _with_alpha(picture.crop((0, top, width, min(top + rows, height))))
        most = max(most, int(np.asarray(strip.getchannel("A")).max()))
        if most > _BARELY:
            break
    return most


def _has_colour_key(picture: Pillow.Image) -> bool:
    """Tells whether a PNG or GIF names a transparent colour that fits the decoded depth."""
    key = picture.info.get("transparency")
    if key is None or picture.mode not in ("1", "L", "P", "RGB"):
        return False
    values = key if isinstance(key, tuple) else () if isinstance(key, bytes) else (key,)
    return all(isinstance(value, int) and 0 <= value <= 255 for value in values)


def _over_white(strip: Pillow.Image) -> Pixels:
    clear = _with_alpha(strip)
    page = Pillow.new("RGB", strip.size, "white")
    page.paste(clear.convert("RGB"), mask=clear.getchannel("A"))
    return np.asarray(page)


def _without_alpha(strip: Pillow.Image) -> Pixels:
    return np.asarray(strip.convert("RGBA"))[:, :, :3] if strip.mode[-1] != "a" else np.asarray(strip)[:, :, :-1]


def _with_alpha(strip: Pillow.Image) -> Pillow.Image:
    return (strip.convert("LA") if strip.mode == "La" else strip).convert("RGBA")


def _lab(strip: Pillow.Image) -> Pixels:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
    converted = ImageCms.applyTransform(strip, transform)
    assert converted is not None  # noqa: S101 - only an in-place transform returns nothing
    return np.asarray(converted)

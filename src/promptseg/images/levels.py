"""Numbers of any depth to 256 levels of brightness: one rule, and a choice.

- "auto", the rule: integers count as the fewest of 8, 10, 12, 14 or 16 bits that hold them all, since cameras and
  microscopes put 10 to 14 bits into 16, and keep their highest 8 bits. Others (32 bits, below zero) are stretched: the
  least becomes black, the greatest white. Floats within 0..1 are scaled by 255, those within 0..255 kept, others
  stretched.
- "full": all bits that the file declares, whatever the numbers.
- "stretch": in each channel the 1st percentile becomes black and the 99th white.
- (low, high): these become black and white.

What stands for nothing counts nowhere and is black: not-a-number, the infinite, beyond 1e30, the file's own no-data
number (GDAL_NODATA), and, where numbers are stretched, one extreme number farther from all others than these lie from
one another.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray
from promptseg.notes import note

_DEPTHS = (8, 10, 12, 14, 16)
_BEYOND = 1e30
_PERCENTILES = (1, 99)
_STRIP, _SAMPLE = 2**22, 2**20
_FEW_PIXELS = 256
_STRAY = 0.001  # this share of the darkest and brightest numbers of a deep picture may be hot or dead pixels


def to_bytes(
    values: npt.NDArray[Any], levels: str | tuple[float, float], *, bits: int, nodata: float | None, what: str
) -> npt.NDArray[np.uint8]:
    """Returns (H, W, bands) numbers as bytes; notes when they use less than an eighth of the levels."""
    if values.dtype == np.uint8 and levels in ("auto", "full"):
        return values
    valid = _valid(values, nodata)
    result = np.zeros(values.shape, np.uint8)
    if isinstance(levels, str) and levels == "stretch":
        for band in range(values.shape[2]):
            kept = None if valid is None else valid[:, :, band : band + 1]
            low, high = _percentiles(values[:, :, band : band + 1], kept)
            _scale(values[:, :, band : band + 1], kept, low, high, result[:, :, band : band + 1])
    elif isinstance(levels, tuple):
        _scale(values, valid, *levels, result)
    else:
        _by_rule(values, valid, levels, bits, result)
    if values.dtype != np.uint8:
        say_if_dim(result, what, _STRAY)
    return result


def say_if_dim(pixels: npt.NDArray[np.uint8], what: str, stray: float = 0.0) -> None:
    """Notes when a picture uses less than an eighth of the 256 levels; one of a single colour is meant to be so."""
    height, width = pixels.shape[:2]
    if height * width < _FEW_PIXELS or not (pixels.max(axis=(0, 1)) > pixels.min(axis=(0, 1))).any():
        return
    flat = pixels.reshape(-1)
    if stray:
        counts = np.cumsum(np.bincount(flat[:: max(1, flat.size // _SAMPLE)], minlength=256))
        low, high = np.searchsorted(counts, np.array([stray, 1 - stray]) * counts[-1]).tolist()
    else:
        low, high = int(flat.min()), int(flat.max())
    if high - low < 32:
        note(
            f"{what} uses less than an eighth of its range of brightness, so its masks may be poor. "
            "Read it with levels stretch (--levels stretch)."
        )


def _valid(values: npt.NDArray[Any], nodata: float | None) -> BoolArray | None:
    """Returns which numbers stand for something; None: all of them."""
    valid: BoolArray | None = None
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            valid = np.abs(values) <= values.dtype.type(min(_BEYOND, float(np.finfo(values.dtype).max)))
    if nodata is not None and np.isfinite(nodata):
        with np.errstate(over="ignore", invalid="ignore"):
            other = values != (np.asarray(nodata).astype(values.dtype) if values.dtype.kind == "f" else nodata)
        valid = other if valid is None else valid & other
    return None if valid is None or valid.all() else valid


def _kept(values: npt.NDArray[Any], valid: BoolArray | None) -> npt.NDArray[Any]:
    return values.reshape(-1) if valid is None else values[valid]


def _percentiles(values: npt.NDArray[Any], valid: BoolArray | None) -> tuple[float, float]:
    kept = _kept(values, valid)
    if not kept.size:
        return 0.0, 0.0
    sample = kept[:: max(1, kept.size // _SAMPLE)].astype(np.float64)
    low, high = np.percentile(sample, _PERCENTILES).tolist()
    return (low, high) if high > low else (float(kept.min()), float(kept.max()))


def _by_rule(
    values: npt.NDArray[Any], valid: BoolArray | None, levels: str, bits: int, result: npt.NDArray[np.uint8]
) -> None:
    kept = _kept(values, valid)
    least, greatest = (float(kept.min()), float(kept.max())) if kept.size else (0.0, 0.0)
    if values.dtype.kind == "f":
        if least >= 0 and greatest <= 1:
            _scale(values, valid, 0.0, 1.0, result)
            return
        if least >= 0 and greatest <= 255 and levels == "auto":
            _scale(values, valid, 0.0, 255.0, result)
            return
    elif levels == "full":
        if values.dtype.kind == "i":
            _scale(values, valid, -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1, result)
        else:
            _highest_bits(values, valid, bits, result)
        return
    elif least >= 0 and greatest < 2**16:
        _highest_bits(values, valid, next(depth for depth in _DEPTHS if greatest < 2**depth), result)
        return
    low, high, data = _without_lone_extremes(kept)
    if data is not None:
        inside = (values >= low) & (values <= high)
        valid = inside if valid is None else valid & inside
    _scale(values, valid, low, high, result)


def _without_lone_extremes(kept: npt.NDArray[Any]) -> tuple[float, float, bool | None]:
    """Returns the least and greatest numbers that count, and True where some do not."""
    if not kept.size:
        return 0.0, 0.0, None
    least, greatest = kept.min(), kept.max()
    low, high = float(least), float(greatest)
    above, below = kept[kept > least], kept[kept < greatest]
    found = None
    if above.size and float(above.max()) > float(above.min()):
        second = float(above.min())
        if second - low > float(above.max()) - second and (low < 0 or second - low > 1e6):
            low, found = second, True
    if below.size and float(below.max()) > float(below.min()):
        second, bottom = float(below.max()), max(low, float(below.min()))
        if high - second > second - bottom and second > bottom and high - second > 1e6:
            high, found = second, True
    return low, high, found


def _highest_bits(values: npt.NDArray[Any], valid: BoolArray | None, bits: int, result: npt.NDArray[np.uint8]) -> None:
    for rows in _strips(values):
        result[rows] = (values[rows] >> (bits - 8)).astype(np.uint8)
    if valid is not None:
        result[~valid] = 0


def _scale(
    values: npt.NDArray[Any], valid: BoolArray | None, low: float, high: float, result: npt.NDArray[np.uint8]
) -> None:
    factor = 255 / (high - low) if high > low else 0.0
    for rows in _strips(values):
        numbers = values[rows].astype(np.float64)
        if valid is not None:
            numbers[~valid[rows]] = low
        numbers = np.nan_to_num((numbers - low) * factor, nan=0.0)
        result[rows] = np.rint(numbers).clip(0, 255).astype(np.uint8)
    if valid is not None:
        result[~valid] = 0


def _strips(values: npt.NDArray[Any]) -> list[slice]:
    rows = max(1, _STRIP // max(1, values.shape[1] * values.shape[2]))
    return [slice(top, top + rows) for top in range(0, values.shape[0], rows)]

"""seem-tiny in an engine: a picture to pixel vectors, phrases to class vectors."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32
from promptseg.models.seem_tiny.config import COARSE, GRID, PIXEL_MEAN, PIXEL_STD, SIDE
from promptseg.models.seem_tiny.weights import TinyNetwork
from promptseg.models.seem_tiny.wordpiece import wordpiece
from promptseg.runtimes.protocol import Graphs

_PHRASES = 64
"""Phrases read per call."""
_KEPT = 4096
"""Phrases remembered."""


class Classes(NamedTuple):
    """What phrases mean.

    Attributes:
        vectors: (P, D) of length 1, to compare with pixel vectors.
        leans: (P,) additions to the logit of each.
        names: (P, D) of length 1, to compare with region vectors.
    """

    vectors: Float32
    leans: Float32
    names: Float32


class Head(NamedTuple):
    """Numbers that turn cosines into logits: of pixels, and of regions among names that exclude one another."""

    scale: float
    bias: float
    name_scale: float


class CutOut(NamedTuple):
    """A square around a region, as the namer takes it.

    Attributes:
        pixels: (256, 256, 3) RGB.
        picture: (8, 8) share of each cell that lies in the picture.
        region: (8, 8) share of each cell that the region covers; not all zero.
    """

    pixels: npt.NDArray[np.uint8]
    picture: Float32
    region: Float32


_Meaning: TypeAlias = tuple[Float32, np.float32, Float32]


@dataclass(frozen=True, eq=False)
class TinyRuntime:
    """Runs seem-tiny. Safe to call from several threads.

    Attributes:
        engine: what computes.
        network: the tensors.
    """

    engine: Graphs
    network: TinyNetwork

    def __post_init__(self) -> None:
        object.__setattr__(self, "_read", {})
        object.__setattr__(self, "_lock", threading.Lock())

    @property
    def head(self) -> Head:
        """How cosines become logits."""
        number = self.network.number
        return Head(float(np.exp(number("log_scale"))), number("bias"), float(np.exp(number("log_name_scale"))))

    def see(self, pixels: npt.NDArray[np.uint8]) -> Float32:
        """Returns pixel vectors (D, 64, 64) of a picture.

        Args:
            pixels: (H, W, 3) RGB, its longer side 512.
        """
        height, width = pixels.shape[:2]
        image = np.zeros((1, 3, SIDE, SIDE), np.float32)
        image[0, :, :height, :width] = _normalised(pixels)
        inside = np.zeros((1, 1, SIDE // COARSE, SIDE // COARSE), np.float32)
        inside[..., : max(1, round(height / COARSE)), : max(1, round(width / COARSE))] = 1
        return self.engine.run("see", {"image": image, "inside": inside})[0].reshape(-1, GRID, GRID)

    def name(self, cut: CutOut) -> Float32:
        """Returns the vector (D,), of length 1, of a region."""
        feeds = {
            "image": _normalised(cut.pixels)[None],
            "picture": cut.picture[None, None],
            "region": cut.region[None, None],
        }
        return self.engine.run("name", feeds)[0][0]

    def read(self, phrases: Sequence[str]) -> Classes:
        """Returns what phrases mean."""
        known: dict[str, _Meaning] = self._read  # type: ignore[attr-defined]
        new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in known]
        found: dict[str, _Meaning] = {}
        new.sort(key=len)  # phrases of about the same length need little padding
        for start in range(0, len(new), _PHRASES):
            part = new[start : start + _PHRASES]
            ids, present = wordpiece()(part)
            rows = zip(*self.engine.run("read", {"ids": ids, "present": present}), strict=True)
            found.update(zip(part, rows, strict=True))
        vectors, leans, names = zip(
            *(found[phrase] if phrase in found else known[phrase] for phrase in phrases), strict=True
        )
        with self._lock:  # type: ignore[attr-defined]
            if len(known) + len(found) > _KEPT:
                known.clear()
            known.update(found)
        return Classes(np.stack(vectors), np.array(leans, np.float32), np.stack(names))


def _normalised(pixels: npt.NDArray[np.uint8]) -> Float32:
    """Returns (3, H, W) as the backbone was trained with."""
    scaled = (pixels.astype(np.float32) - np.float32(PIXEL_MEAN)) / np.float32(PIXEL_STD)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))

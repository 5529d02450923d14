"""Two classical edge detectors, to compare with."""

from typing import Protocol

import numpy as np

from promptseg.arrays import Float32, require_ndimage
from promptseg.images import Image
from promptseg.segment.everything.gradients import sobel, suppress

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


class EdgeDetector(Protocol):
    """Something that finds edges."""

    @property
    def name(self) -> str:
        """How the report calls it."""
        ...

    @property
    def settings(self) -> str:
        """What else decides about its results; stored results of other settings are not used again."""
        ...

    def __call__(self, image: Image) -> Float32:
        """Returns how strongly each pixel lies on an edge, (H, W) in [0, 1]."""
        ...


class Sobel:
    """Sobel's gradient of the grey picture, thinned across the edges. No smoothing."""

    name = "Sobel"
    settings = "grey, thinned"

    def __call__(self, image: Image) -> Float32:
        """Returns the edge map."""
        return _spread(_thinned_gradient(grey(image)))


class Canny:
    """Canny's detector for all thresholds at once.

    The grey picture is smoothed by a Gaussian; the thinned gradient is followed by hysteresis. An edge pixel's strength
    is the highest upper threshold that keeps it, the lower threshold being 0.4 of the upper one.

    Args:
        sigma: of the Gaussian, in pixels; with 2 the scores come out as published (benchmarks/edges.md).
        levels: upper thresholds that are tried.
    """

    name = "Canny"
    lower = 0.4

    def __init__(self, sigma: float = 2.0, levels: int = 99) -> None:
        self._sigma, self._levels = sigma, levels
        self.settings = f"sigma {sigma:.3g}, lower threshold {self.lower:g} of the upper, {levels} levels"

    def __call__(self, image: Image) -> Float32:
        """Returns the edge map."""
        ndimage = require_ndimage()
        gradient = _thinned_gradient(ndimage.gaussian_filter(grey(image), self._sigma, mode="nearest"))
        kept = np.zeros_like(gradient)
        for upper in np.linspace(0, 1, self._levels + 1)[1:] ** 2:
            regions, count = ndimage.label(gradient >= self.lower * upper, np.ones((3, 3), int))
            strong = np.zeros(count + 1, np.bool_)
            strong[regions[gradient >= upper]] = True
            strong[0] = False
            kept[strong[regions]] = upper
        return _spread(kept)


def grey(image: Image) -> Float32:
    """Returns the luma of a picture, (H, W) in [0, 1]."""
    return (image.pixels.astype(np.float32) * _LUMA).sum(axis=2) / 255


def _thinned_gradient(values: Float32) -> Float32:
    """Returns the thinned gradient; 1 is a step from black to white along an axis, more is cut off."""
    dx, dy = sobel(values)
    return suppress(np.minimum(np.hypot(dx, dy) / 4, 1), dx, dy)


def _spread(strength: Float32) -> Float32:
    """Takes the root: most gradients are small, and thresholds at equal steps shall tell them apart."""
    return np.sqrt(strength)

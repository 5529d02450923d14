"""Which of SAM's masks answers a click: small networks on how the masks look. NumPy alone.

SAM's own scores tell how well each mask is drawn, not which one a person means, and often prefer a background that
fills the picture. These networks were trained on what annotators marked (recipe choice). That for a single
click sees the three masks from the smallest to the largest, their shapes, how they overlap, and where in them the
click lies; that for the clicks after it is described in `promptseg.models.companions.correction`.

Shapes: M = 3 masks, H W the picture's part of the grid that masks are predicted on.
"""

import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, Float32, sigmoid
from promptseg.masks.distance import distance_transform
from promptseg.masks.overlap import stability
from promptseg.models.companions.correction import likeliest
from promptseg.models.companions.perceptron import Perceptron

FEATURES = 40
FINEST = 128
"""Depth inside a mask is measured on every second cell of a grid with more cells than this along its longer side."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What was learned for one model's masks.

    Attributes:
        first: of the three masks of a single click, from 40 features to 3 outputs.
        later: judges each candidate of a correcting click; see `promptseg.models.companions.correction`.
    """

    first: Perceptron
    later: Perceptron

    @classmethod
    def read(cls, path: Path) -> "Choice":
        """Reads its numbers."""
        record = json.loads(path.read_text("utf-8"))
        return cls(Perceptron.of(record["first"]), Perceptron.of(record["later"]))

    def best(self, logits: Float32, scores: Float32, click: tuple[float, float]) -> int:
        """Returns the index of the mask that most likely answers a single click.

        Args:
            logits: (3, H, W).
            scores: (3,) predicted IoU.
            click: x, y in cells of the grid.
        """
        return int(np.argmax(self.expected(logits, scores, click)))

    def expected(self, logits: Float32, scores: Float32, click: tuple[float, float]) -> Float32:
        """Returns the IoU (3,) that each mask probably has with what a single click means; arguments as for `best`."""
        order, x = features(logits, scores, click)
        found = np.empty(len(order), np.float32)
        found[order] = sigmoid(self.first(x))
        return found

    def correct(self, logits: Float32, scores: Float32, clicks: Float32, earlier: int, usual: int) -> int:
        """Returns the index of the candidate that answers a correcting click best; see `correction.likeliest`."""
        return likeliest(self.later, logits, scores, clicks, earlier, usual)


def features(logits: Float32, scores: Float32, click: tuple[float, float]) -> tuple[npt.NDArray[np.int64], Float32]:
    """Describes three masks: their order from small to large, and 12 numbers of each, 3 overlaps, and the aspect.

    Of each mask: its score, stability, mean certainty, share of the picture, its logarithm, height and width of its
    box, how much of the box it fills, how much of a border of the picture it takes at most and of all four together,
    how deep in it the click lies, and whether it does. See `Choice.best`.
    """
    masks = logits > 0
    height, width = masks.shape[1:]
    x, y = min(width - 1, int(click[0])), min(height - 1, int(click[1]))
    areas = masks.sum((1, 2))
    order = np.argsort(areas, kind="stable")
    looks = [value for i in order for value in (float(scores[i]), *_look(logits[i], masks[i], x, y))]
    overlaps = [float((a & b).sum() / max(1, (a | b).sum())) for a, b in combinations(masks[order], 2)]
    return order, np.array([*looks, *overlaps, height / width], np.float32)


def _look(logits: Float32, mask: BoolArray, x: int, y: int) -> list[float]:
    steady = stability(logits)
    area = int(mask.sum())
    if area == 0:
        return [steady, *[0.0] * 10]
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    tall, wide = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
    borders = [float(line.mean()) for line in (mask[0], mask[-1], mask[:, 0], mask[:, -1])]
    share = area / (height * width)
    certainty = float(np.abs(logits[mask]).mean()) / 10
    shape = [share, float(np.log(share)) / 5, tall / height, wide / width, area / (tall * wide)]
    return [steady, certainty, *shape, max(borders), sum(borders), _depth(mask, x, y), float(mask[y, x])]


def _depth(mask: BoolArray, x: int, y: int) -> float:
    """How deep the click lies, as a share of the deepest place; 0 outside."""
    step = 2 if max(mask.shape) > FINEST else 1
    coarse = mask[::step, ::step]
    if not coarse[y // step, x // step]:
        return 0.0
    depth = distance_transform(coarse)
    return float(depth[y // step, x // step] / max(1.0, depth.max()))

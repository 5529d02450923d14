"""The detector of "object" of stage 2: which of the masks that a search finds people would have drawn.

It is a logistic regression on what is known of a candidate: its scores, size and shape, and the picture's embedding
inside it. It learns from all accepted masks of finished pictures; every candidate that no accepted mask agrees with is
an example of what is not meant. The confidence threshold is chosen on the same masks, by cross-validation over
pictures.

Shapes: N candidates, F features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from promptseg.arrays import BoolArray, Float64
from promptseg.errors import InputError
from promptseg.masks.overlap import iou_matrix
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import downsample_mask
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.everything.options import EverythingOptions

LOOSE = EverythingOptions(points_per_side=16, pred_iou_thresh=0.7, stability_score_thresh=0.85)
"""How candidates are searched for: what SAM's own filters would drop may still be what people mean."""

GOOD, BAD = 0.8, 0.5
"""A candidate is right from this IoU with an accepted mask on, wrong below the other, and teaches nothing between."""

WANTED_PRECISION = 0.75
"""So large a share of the proposals shall be right."""

RIDGE, ROUNDS, FOLDS = 3.0, 25, 5
_SCALARS = 8
_NUMBERS = ("bias", "threshold", "precision", "recall", "pictures")


def describe(embedded: EmbeddedImage, found: Segments) -> Float64:
    """Returns what the detector looks at, (N, F): eight numbers of each mask, and the mean embedding inside it."""
    rows: list[Float64] = []
    height, width = found.size
    features = embedded.features[0]
    stability = found.stability_scores
    for place, mask in enumerate(found.masks):
        x0, y0, x1, y1 = mask.bbox
        share = max(1e-9, mask.area / (height * width))
        box = max(1.0, (x1 - x0) * (y1 - y0))
        edges = (x0 <= 1) + (y0 <= 1) + (x1 >= width - 1) + (y1 >= height - 1)
        numbers = [
            float(found.scores[place]),
            1.0 if stability is None else float(stability[place]),
            np.log(share),
            np.log(share) ** 2,
            mask.area / box,
            edges / 4,
            np.log(max(1.0, x1 - x0) / max(1.0, y1 - y0)),
            abs((x0 + x1) / width - 1) + abs((y0 + y1) / height - 1),
        ]
        cells = downsample_mask(mask.dense().astype(np.float32), embedded.frame, features.shape[1])
        inside = np.tensordot(features, cells, 2).astype(np.float64) / max(1e-6, float(cells.sum()))
        rows.append(np.concatenate([np.array(numbers, np.float64), inside]))
    return np.array(rows).reshape(len(rows), _SCALARS + features.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class CandidateExample:
    """The candidates of a finished picture.

    Attributes:
        features: (N, F), see `describe`.
        ious: (N,) the best IoU of each with an accepted mask.
    """

    features: Float64
    ious: Float64

    @classmethod
    def of(cls, embedded: EmbeddedImage, found: Segments, accepted: Sequence[RLE]) -> "CandidateExample":
        """Compares the candidates of a picture with its accepted masks."""
        table = iou_matrix(found.masks, accepted)
        best = table.max(axis=1) if len(accepted) else np.zeros(len(found))
        return cls(describe(embedded, found), best)


@dataclass(frozen=True, slots=True, eq=False)
class ObjectDetector:
    """Tells how probable it is that people would have drawn a candidate.

    Attributes:
        mean: (F,) of the features that it learned from.
        scale: (F,) their spread.
        weights: (F,)
        bias: of the logit.
        threshold: candidates from this probability on are proposed.
        precision: the share of proposals that were right in the cross-validation.
        recall: the share of right candidates that were proposed in it.
        pictures: how many it learned from.
    """

    mean: Float64
    scale: Float64
    weights: Float64
    bias: float
    threshold: float
    precision: float
    recall: float
    pictures: int

    @classmethod
    def learned(cls, examples: Sequence[CandidateExample], precision: float = WANTED_PRECISION) -> "ObjectDetector":
        """Learns from finished pictures, and chooses the threshold that gives the wanted precision on others.

        Args:
            examples: one per picture.
            precision: the share of proposals that shall be right.

        Raises:
            InputError: there are fewer than two pictures, or no right or no wrong candidate.
        """
        if len(examples) < 2:
            raise InputError(f"The detector learns from at least 2 finished pictures, there are {len(examples)}.")
        chances, right = _validated(examples)
        threshold, reached, recall = choose(chances, right, precision)
        mean, scale, weights, bias = _fit(examples)
        return cls(mean, scale, weights, bias, threshold, reached, recall, len(examples))

    def chances(self, features: Float64) -> Float64:
        """Returns the probability of each candidate, (N,)."""
        return _sigmoid((features - self.mean) / self.scale @ self.weights + self.bias)

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON."""
        arrays = {name: getattr(self, name).tolist() for name in ("mean", "scale", "weights")}
        return {**arrays, **{name: getattr(self, name) for name in _NUMBERS}}

    @classmethod
    def from_json(cls, record: Any) -> "ObjectDetector":
        """Reads what `to_json` wrote."""
        arrays = {name: np.array(record[name], np.float64) for name in ("mean", "scale", "weights")}
        numbers: dict[str, Any] = {name: record[name] for name in _NUMBERS}
        return cls(**arrays, **numbers)


def choose(chances: Float64, right: BoolArray, wanted: float) -> tuple[float, float, float]:
    """Chooses the lowest threshold at which enough of what passes is right.

    Where none is enough, it is the one with the largest share that lets at least a twentieth of the right ones pass.

    Returns:
        (threshold, share of right ones among those that pass, share of right ones that pass).
    """
    order = np.argsort(-chances, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(order) + 1)
    recall = hits / max(1, int(right.sum()))
    ends = np.append(np.diff(chances[order]) != 0, True)  # equal chances pass together
    good = np.flatnonzero(ends & (precision >= wanted) & (hits > 0))
    if len(good) == 0:
        fair = np.flatnonzero(ends & (recall >= 0.05))
        place = int(fair[precision[fair].argmax()])
    else:
        place = int(good[-1])
    return float(chances[order][place]), float(precision[place]), float(recall[place])


def _validated(examples: Sequence[CandidateExample]) -> tuple[Float64, BoolArray]:
    """Returns the chance of every candidate from a fit without its picture's fold, and whether it is right."""
    folds = min(FOLDS, len(examples))
    chances: list[Float64] = []
    right: list[BoolArray] = []
    for fold in range(folds):
        mean, scale, weights, bias = _fit([each for place, each in enumerate(examples) if place % folds != fold])
        for example in examples[fold::folds]:
            counts = (example.ious >= GOOD) | (example.ious < BAD)
            chances.append(_sigmoid((example.features[counts] - mean) / scale @ weights + bias))
            right.append(example.ious[counts] >= GOOD)
    return np.concatenate(chances), np.concatenate(right)


def _fit(examples: Sequence[CandidateExample]) -> tuple[Float64, Float64, Float64, float]:
    """Fits the regression by Newton's method."""
    features = np.concatenate([example.features for example in examples])
    ious = np.concatenate([example.ious for example in examples])
    counts = (ious >= GOOD) | (ious < BAD)
    features, right = features[counts], ious[counts] >= GOOD
    if not right.any() or right.all():
        raise InputError(
            "The detector needs candidates that agree with accepted masks, and others: label more pictures first."
        )
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    table = np.hstack([(features - mean) / scale, np.ones((len(features), 1))])
    solution = np.zeros(table.shape[1])
    ridge = np.full(len(solution), RIDGE)
    ridge[-1] = 1e-6
    for _ in range(ROUNDS):
        chances = _sigmoid(table @ solution)
        slope = table.T @ (chances - right) + ridge * solution
        curve = (table * (chances * (1 - chances))[:, None]).T @ table + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        solution -= step
        if np.abs(step).max() < 1e-6:
            break
    return mean, scale, solution[:-1], float(solution[-1])


def _sigmoid(logits: Float64) -> Float64:
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))

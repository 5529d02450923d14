"""From matched pixels to ODS, OIS, AP and R50, as the Berkeley benchmark defines them.

Shapes: K thresholds, ascending. A tally holds four counts per threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, Float64, Int64
from promptseg.errors import InputError
from promptseg.evaluate.edges.matching import match
from promptseg.evaluate.edges.thinning import thin

TOLERANCE = 0.0075
"""The largest distance of a pair as a share of the picture's diagonal."""

_RECALL_STEPS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """The counts of one picture, or sums of them.

    Attributes:
        recalled: (K,) true pixels with a partner, added up over the annotators.
        wanted: (K,) true pixels, added up over the annotators; the same for every threshold.
        correct: (K,) predicted pixels with a partner in any annotator's truth.
        predicted: (K,) predicted pixels.
    """

    recalled: Int64
    wanted: Int64
    correct: Int64
    predicted: Int64

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.recalled + other.recalled,
            self.wanted + other.wanted,
            self.correct + other.correct,
            self.predicted + other.predicted,
        )

    def precision(self) -> Float64:
        """(K,) share of the predicted pixels that are correct; 0 when nothing is predicted."""
        return self.correct / np.maximum(1, self.predicted)

    def recall(self) -> Float64:
        """(K,) share of the true pixels that are found; 0 when there are none."""
        return self.recalled / np.maximum(1, self.wanted)

    def at(self, index: int) -> "Tally":
        """Returns the counts of one threshold (K = 1)."""
        one = slice(index, index + 1)
        return Tally(self.recalled[one], self.wanted[one], self.correct[one], self.predicted[one])


@dataclass(frozen=True, slots=True)
class EdgeScores:
    """The outcome over a dataset, each in [0, 1].

    Attributes:
        ods: best F-measure with one threshold for the whole dataset.
        ods_threshold: that threshold.
        ods_precision: precision there.
        ods_recall: recall there.
        ois: F-measure when every picture has the threshold that is best for it.
        ap: area under the curve of precision over recall.
        r50: recall at a precision of one half.
    """

    ods: float
    ods_threshold: float
    ods_precision: float
    ods_recall: float
    ois: float
    ap: float
    r50: float


def thresholds(count: int) -> Float64:
    """Returns (K,) thresholds that divide (0, 1) evenly.

    Raises:
        InputError: the number is not positive.
    """
    if count < 1:
        raise InputError(f"At least one threshold is needed, got {count}.")
    return np.linspace(0, 1, count + 2)[1:-1]


def tally(
    strength: npt.NDArray[np.float32],
    truths: Sequence[BoolArray],
    levels: npt.ArrayLike,
    *,
    tolerance: float = TOLERANCE,
) -> Tally:
    """Compares one edge map with what the annotators drew, at each threshold.

    Args:
        strength: (H, W) in [0, 1]; pixels of at least the threshold are edges, and are thinned.
        truths: (H, W) outlines, one per annotator.
        levels: (K,) thresholds.
        tolerance: the largest distance of a pair as a share of the diagonal.

    Raises:
        InputError: the sizes differ.
        UnavailableError: SciPy is not installed.
    """
    for truth in truths:
        if truth.shape != strength.shape:
            raise InputError(f"An edge map of shape {strength.shape} cannot be compared with {truth.shape}.")
    reach = tolerance * float(np.hypot(*strength.shape))
    wanted = sum(int(np.count_nonzero(truth)) for truth in truths)
    rows: list[tuple[int, int, int, int]] = []
    count = -1
    for level in np.asarray(levels, np.float64).tolist():
        edges = strength >= level
        before, count = count, int(np.count_nonzero(edges))
        if count == before:  # the same pixels again: thresholds only take away
            rows.append(rows[-1])
            continue
        lines = thin(edges)
        correct = np.zeros(lines.size, np.bool_)
        recalled = 0
        for truth in truths:
            found, partners = match(lines, truth, reach)
            correct[found] = True
            recalled += len(partners)
        rows.append((recalled, wanted, int(np.count_nonzero(correct)), int(np.count_nonzero(lines))))
    return Tally(*np.array(rows, np.int64).reshape(-1, 4).T)


def score(tallies: Sequence[Tally], levels: npt.ArrayLike) -> EdgeScores:
    """Sums pictures up.

    Args:
        tallies: one per picture, all at the same thresholds.
        levels: (K,) those thresholds, ascending.

    Raises:
        InputError: there is no picture.
    """
    if not tallies:
        raise InputError("Scores need at least one picture.")
    at = np.asarray(levels, np.float64)
    total = summed(tallies)
    threshold, ods, precision, recall = _best(at, total)
    best = summed([item.at(int(np.argmax(f_measure(item.precision(), item.recall())))) for item in tallies])
    ois = float(f_measure(best.precision(), best.recall())[0])
    return EdgeScores(ods, threshold, precision, recall, ois, _area(total), _recall_at_half(total))


def part(name: str, total: Tally, levels: Float64) -> float:
    """Returns "ods", "ap" or "r50" of summed counts alone."""
    if name == "ods":
        return _best(levels, total)[1]
    return _area(total) if name == "ap" else _recall_at_half(total)


def f_measure(precision: Float64, recall: Float64) -> Float64:
    """Harmonic mean of precision and recall; 0 when both are."""
    return 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)


def summed(tallies: Sequence[Tally]) -> Tally:
    """Adds up the counts of pictures."""
    total = tallies[0]
    for item in tallies[1:]:
        total = total + item
    return total


def _best(levels: Float64, total: Tally) -> tuple[float, float, float, float]:
    """Returns threshold, F, precision and recall of the best threshold, looked for between the measured ones too."""
    shares = np.linspace(0, 1, 101)
    marks = np.arange(len(levels))
    between = np.unique(np.clip((marks[:, None] + shares).ravel(), 0, len(levels) - 1))
    precision = np.interp(between, marks, total.precision())
    recall = np.interp(between, marks, total.recall())
    values = f_measure(precision, recall)
    best = int(np.argmax(values))
    threshold = float(np.interp(between[best], marks, levels))
    return threshold, float(values[best]), float(precision[best]), float(recall[best])


def _curve(total: Tally) -> tuple[Float64, Float64]:
    """Returns recall, rising without repetition, and precision there."""
    recall, first = np.unique(total.recall(), return_index=True)
    return recall, total.precision()[first]


def _area(total: Tally) -> float:
    """Area under precision over recall in steps of one hundredth; recalls that were never reached add nothing."""
    recall, precision = _curve(total)
    if len(recall) < 2:
        return 0.0
    return float(np.interp(_RECALL_STEPS, recall, precision, left=0, right=0).sum() * 0.01)


def _recall_at_half(total: Tally) -> float:
    """The largest recall at which precision is one half, between measured points by straight lines."""
    recall, precision = _curve(total)
    fine = np.linspace(recall[0], recall[-1], 2001)
    enough = fine[np.interp(fine, recall, precision) >= 0.5]
    return float(enough.max()) if len(enough) else 0.0

"""Which mask answers a correcting click: what the decoder draws, its other proposals, or the mask so far. NumPy alone.

SAM now and then answers a click that adds a missing wheel by dropping the car, and its own scores do not tell. This
network was trained on dialogues about what annotators marked (recipe correction): it sees how each candidate
differs from the mask so far, in which direction, and which of the clicks it obeys, and foretells its IoU; a candidate
that would fall below the mask so far is marked down by as much again.

Shapes: M = 6 candidates (the four masks of the decoder, the first of them without what goes against the click, and the
mask so far), H W the picture's part of the grid that masks are predicted on, C clicks.
"""

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, Float32, sigmoid
from promptseg.masks.overlap import stability
from promptseg.models.companions.perceptron import Perceptron

CANDIDATES, FEATURES = 6, 28
DRAWN, FOLLOWED, BEFORE = 0, 4, 5
"""The single-mask output, the same without what goes against the click, and the mask so far."""
MARGIN = 0.02
"""Another candidate answers only if it is worth so much more than the usual one (chosen on held-out pictures)."""


STAYING = 0.03
"""What the mask so far pays for staying (chosen likewise). It stays only while it obeys all clicks but the newest: not
twice in a row: a dialogue must go on."""


def likeliest(network: Perceptron, logits: Float32, scores: Float32, clicks: Float32, earlier: int, usual: int) -> int:
    """Returns the index of the candidate that answers best.

    Args:
        network: trained for the model's masks.
        logits: (6, H, W).
        scores: (6,) predicted IoU; the fifth has that of the first.
        clicks: (C, 3) x, y in cells of the grid, and 1 on the object or 0 beside it; the newest last.
        earlier: how many clicks there were before.
        usual: the candidate that answers unless another is clearly better.
    """
    worth = sigmoid(network(features(logits, scores, clicks, earlier))[:, 0])
    ignored = not _obeyed(logits[BEFORE:] > 0, clicks[:-1]).all()
    worth[BEFORE] = 0 if ignored else worth[BEFORE] - STAYING
    best = int(np.argmax(worth))
    return best if worth[best] > worth[usual] + MARGIN else usual


def features(logits: Float32, scores: Float32, clicks: Float32, earlier: int) -> Float32:
    """Describes the candidates, (6, 28); see `likeliest`.

    Of each: its score, stability, mean certainty, logarithm of its share of the picture, IoU with the mask so far, what
    changed in the direction of the newest click and against it, whether that click is obeyed, which share of the
    clicks on the object and beside it is, its area beside that of the mask so far, IoU with the single-mask output and
    with the nearest of the other three, how much its score is higher, height and width of its box. The same for all:
    how many clicks there were, the newest click's sign, the share of clicks on the object, the mask so far (share,
    score), the score of the single-mask output. Last, which of the six it is.
    """
    masks = logits > 0
    height, width = masks.shape[1:]
    flat = masks.reshape(CANDIDATES, -1).astype(np.float32)
    both = flat @ flat.T
    areas = both.diagonal()
    overlap = both / np.maximum(1, areas[:, None] + areas[None] - both)
    before = max(1.0, float(areas[BEFORE]))
    added, removed = areas - both[BEFORE], areas[BEFORE] - both[BEFORE]
    signs = clicks[:, 2] > 0
    obeyed = _obeyed(masks, clicks)
    right, wrong = (added, removed) if signs[-1] else (removed, added)
    looks = np.stack(
        [
            scores,
            [stability(one) for one in logits],
            np.where(masks, logits, 0).sum((1, 2)) / np.maximum(1, areas) / 10,
            np.log(np.maximum(1, areas) / (height * width)) / 5,
            overlap[BEFORE],
            np.log1p(right / before),
            np.log1p(wrong / before),
            obeyed[:, -1],
            _share(obeyed[:, signs]),
            _share(obeyed[:, ~signs]),
            np.minimum(2, areas / before),
            overlap[DRAWN],
            [max(overlap[row, other] for other in (1, 2, 3) if other != row) for row in range(CANDIDATES)],
            scores - scores[BEFORE],
            _extent(masks.max(2)) / height,
            _extent(masks.max(1)) / width,
        ],
        axis=1,
    )
    share = np.log(before / (height * width)) / 5
    known = [earlier / 8, signs[-1], signs.mean(), share, scores[BEFORE], scores[DRAWN]]
    rows = [looks, np.tile(np.array(known), (CANDIDATES, 1)), np.eye(CANDIDATES)]
    return np.concatenate(rows, axis=1).astype(np.float32)


def _obeyed(masks: BoolArray, clicks: Float32) -> BoolArray:
    """Returns which masks (M, H, W) obey which clicks, (M, C)."""
    height, width = masks.shape[1:]
    xs = np.clip(clicks[:, 0].astype(np.int64), 0, width - 1)
    ys = np.clip(clicks[:, 1].astype(np.int64), 0, height - 1)
    return np.equal(masks[:, ys, xs], clicks[:, 2] > 0)


def _share(obeyed: BoolArray) -> npt.NDArray[np.float64]:
    return obeyed.mean(1) if obeyed.shape[1] else np.ones(len(obeyed))


def _extent(lines: BoolArray) -> npt.NDArray[np.int64]:
    """Returns how many steps lie between the first and the last line that a mask touches; 0 for an empty one."""
    last = lines.shape[1] - 1 - lines[:, ::-1].argmax(1)
    return np.where(lines.any(1), last - lines.argmax(1), 0)

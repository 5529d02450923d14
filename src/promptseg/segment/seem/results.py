"""From the queries of SEEM to results: panoptic, instances, semantic map, all that fit a phrase.

Pure functions of arrays (specification B4). Q queries each propose one mask and say for each of C classes, and for "no
object" in the last place, how well it fits.

Shapes: class logits (Q, C + 1), mask logits (Q, h, w) on the low-resolution grid, results (H, W) on the picture, on
which the `Enlargement` lays that grid.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32, sigmoid
from promptseg.errors import InputError
from promptseg.masks.overlap import union
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.resample import Enlargement
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.vocabulary import Vocabulary

PANOPTIC_SCORE = 0.8
"""A query below this class probability is no segment in evaluation; on the official demo page it is 0.4."""

OVERLAP = 0.8
"""A segment of whose mask the others leave less than this share is dropped."""

TOP = 100
"""How many pairs of query and class are instances at most."""


def panoptic(
    class_logits: Float32,
    mask_logits: Float32,
    enlargement: Enlargement,
    vocabulary: Vocabulary,
    *,
    score: float = PANOPTIC_SCORE,
    overlap: float = OVERLAP,
) -> PanopticSegments:
    """Cuts the picture into segments that do not overlap; stuff of one class is one segment.

    Each pixel goes to the query with the highest product of class probability and mask probability. Queries need a
    class probability above `score`, and to keep the share `overlap` of their mask.

    Raises:
        InputError: the arrays do not fit together or the vocabulary.
    """
    _check(class_logits, mask_logits, vocabulary)
    probabilities = _softmax(class_logits)
    classes, scores = probabilities.argmax(axis=1), probabilities.max(axis=1)
    kept = np.flatnonzero((classes < len(vocabulary)) & (scores > score)).tolist()
    best = np.full(enlargement.picture, -1, np.float32)
    owner = np.full(enlargement.picture, -1, np.int32)
    inside: list[RLE] = []
    for query in kept:
        probability = sigmoid(enlargement.logits(mask_logits[query]))
        inside.append(RLE.encode(probability >= 0.5))
        probability *= scores[query]
        wins = probability > best
        best[wins], owner[wins] = probability[wins], query
    parts: dict[int | str, list[tuple[int, RLE]]] = {}
    for query, mask in zip(kept, inside, strict=True):
        mine = owner == query
        seen = RLE.encode(mine & mask.dense())
        if seen.area and np.count_nonzero(mine) / mask.area >= overlap:
            chosen = int(classes[query])
            key = query if vocabulary.things[chosen] else f"stuff {chosen}"
            parts.setdefault(key, []).append((query, seen))
    owners = [[query for query, _ in part] for part in parts.values()]
    chosen = [int(classes[queries[0]]) for queries in owners]
    segments = Segments(
        size=enlargement.picture,
        masks=tuple(union([mask for _, mask in part], enlargement.picture) for part in parts.values()),
        scores=np.array([scores[queries].max() for queries in owners], np.float32),
        labels=tuple(vocabulary.labels[number] for number in chosen),
    )
    return PanopticSegments(segments, tuple(vocabulary.categories[number] for number in chosen))


def instances(
    class_logits: Float32,
    mask_logits: Float32,
    enlargement: Enlargement,
    vocabulary: Vocabulary,
    *,
    top: int = TOP,
    things_only: bool = True,
) -> Segments:
    """Returns the best pairs of query and class, best first; masks may overlap, and one query may come twice.

    The score is the class probability times the mean mask probability inside the mask. Pairs whose mask is empty are
    left out. The `top` likeliest pairs are looked at; `things_only` then drops stuff.

    Raises:
        InputError: the arrays do not fit together or the vocabulary.
    """
    _check(class_logits, mask_logits, vocabulary)
    flat = _softmax(class_logits)[:, :-1].ravel()
    pairs = np.argsort(-flat, kind="stable")[:top]
    queries, classes = np.divmod(pairs, len(vocabulary))
    if things_only:
        things = np.array(vocabulary.things)[classes]
        pairs, queries, classes = pairs[things], queries[things], classes[things]
    looked = {query: _mask_and_quality(mask_logits[query], enlargement) for query in dict.fromkeys(queries.tolist())}
    found = [place for place, query in enumerate(queries.tolist()) if looked[query][0].area]
    quality = np.array([looked[query][1] for query in queries.tolist()], np.float32)
    scores = flat[pairs] * quality
    found.sort(key=lambda place: -float(scores[place]))
    return Segments(
        size=enlargement.picture,
        masks=tuple(looked[int(queries[place])][0] for place in found),
        scores=scores[found].astype(np.float32),
        labels=tuple(vocabulary.labels[int(classes[place])] for place in found),
    )


def semantic_map(class_logits: Float32, mask_logits: Float32, enlargement: Enlargement) -> npt.NDArray[np.int32]:
    """Returns the class of every pixel, (H, W): the one with the highest sum over queries of class times mask.

    Raises:
        InputError: the arrays do not fit together.
    """
    result = np.empty(enlargement.picture, np.int32)
    first = 0
    for band in semantic_bands(class_logits, mask_logits, enlargement):
        result[first : first + band.shape[1]] = band.argmax(axis=0)
        first += band.shape[1]
    return result


def semantic_bands(class_logits: Float32, mask_logits: Float32, enlargement: Enlargement) -> Iterator[Float32]:
    """Yields the sums behind `semantic_map`, (C, rows, W), some rows at a time from the top."""
    _check(class_logits, mask_logits)
    weights = _softmax(class_logits)[:, :-1].T
    for _, rows in enlargement.bands(mask_logits):
        count, height, width = rows.shape
        sums = weights @ sigmoid(rows).reshape(count, height * width)
        yield sums.reshape(-1, height, width)


def semantic(
    class_logits: Float32, mask_logits: Float32, enlargement: Enlargement, vocabulary: Vocabulary
) -> PanopticSegments:
    """Returns one segment for each class that some pixel has (see `semantic_map`), the largest first.

    Raises:
        InputError: the arrays do not fit together or the vocabulary.
    """
    _check(class_logits, mask_logits, vocabulary)
    numbers = semantic_map(class_logits, mask_logits, enlargement)
    present, counts = np.unique(numbers, return_counts=True)
    order = present[np.argsort(-counts, kind="stable")].tolist()
    segments = Segments(
        size=enlargement.picture,
        masks=tuple(RLE.encode(numbers == number) for number in order),
        labels=tuple(vocabulary.labels[number] for number in order),
    )
    return PanopticSegments(segments, tuple(vocabulary.categories[number] for number in order))


def matching(
    scores: npt.ArrayLike,
    mask_logits: Float32,
    enlargement: Enlargement,
    label: str | None = None,
    *,
    threshold: float,
    iou: float = 0.7,
) -> Segments:
    """Returns every query that fits a phrase well enough, best first, without near duplicates.

    This goes beyond the official recipe, which takes the one best query. The scores (Q,) are of any scale that rises
    with the fit; of two masks that overlap by more than `iou`, the worse is dropped.

    Returns:
        The masks, with score times mean mask probability inside, and their low-resolution logits; all answer object 0.

    Raises:
        InputError: the arrays do not fit together.
    """
    values = np.asarray(scores, np.float32)
    if mask_logits.ndim != 3 or values.shape != mask_logits.shape[:1]:
        raise InputError(f"Scores {values.shape} and mask logits {mask_logits.shape} do not fit together.")
    masks: list[RLE] = []
    kept: list[int] = []
    qualities: list[float] = []
    for query in np.flatnonzero(values >= threshold).tolist():
        mask, quality = _mask_and_quality(mask_logits[query], enlargement)
        if mask.area:
            masks.append(mask)
            kept.append(query)
            qualities.append(quality)
    count = len(kept)
    segments = Segments(
        size=enlargement.picture,
        masks=tuple(masks),
        scores=(values[kept] * np.array(qualities, np.float32)).astype(np.float32),
        labels=(label,) * count,
        object_ids=np.zeros(count, np.int64),
        low_res_logits=mask_logits[kept].astype(np.float32),
    )
    return segments.nms(iou)


def _mask_and_quality(low: Float32, enlargement: Enlargement) -> tuple[RLE, float]:
    """Returns the mask, and the mean mask probability inside it."""
    logits = enlargement.logits(low)
    inside = logits > 0
    count = np.count_nonzero(inside)
    return RLE.encode(inside), float(sigmoid(logits[inside]).sum(dtype=np.float64) / (count + 1e-6))


def _softmax(logits: Float32) -> Float32:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float32)
    return powers / powers.sum(axis=1, keepdims=True)


def _check(class_logits: Float32, mask_logits: Float32, vocabulary: Vocabulary | None = None) -> None:
    if class_logits.ndim != 2 or mask_logits.ndim != 3 or len(class_logits) != len(mask_logits):
        raise InputError(
            f"Class logits {class_logits.shape} and mask logits {mask_logits.shape} do not fit together: "
            "(Q, C + 1) and (Q, h, w) are expected."
        )
    if vocabulary is not None and class_logits.shape[1] != len(vocabulary) + 1:
        raise InputError(
            f"A vocabulary of {len(vocabulary)} classes needs {len(vocabulary) + 1} class logits with the background, "
            f"got {class_logits.shape[1]}."
        )

"""Object proposals as in SAM's paper (7.3 and appendix D.3; specification A5.4): many masks, the likeliest first."""

import numpy as np
import numpy.typing as npt

from promptseg.errors import InputError
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import upsample_to_rle
from promptseg.progress import Progress
from promptseg.prompts.types import Point
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.everything.generate import once
from promptseg.segment.everything.sweep import sweep

POINTS_PER_SIDE = 64
NMS = 0.9
TOP = 1000


def proposals(
    runtime: Runtime,
    embedded: EmbeddedImage,
    *,
    top: int = TOP,
    points_per_side: int = POINTS_PER_SIDE,
    nms: float = NMS,
    on_progress: Progress | None = None,
) -> Segments:
    """Proposes masks of everything that may be an object.

    SAM is asked at a dense grid of points, three masks each, without crops and without any filter by score or
    stability; box NMS with a high threshold drops near duplicates.

    The arguments and the result are those of `Segmenter.proposals`, and `nms` is the box IoU above which the worse of
    two masks is dropped. Stability is that of the low-resolution logits; the order is that of `ranking`.
    """
    if top < 1:
        raise InputError(f"At least one proposal must be asked for, got top={top}.")
    found = sweep(runtime, embedded, points_per_side=points_per_side, nms=nms, on_progress=on_progress)
    means = np.array([(mask.score + mask.stability) / 2 for mask in found])
    best = [found[index] for index in np.argsort(-means, kind="stable")[:top].tolist()]
    proposed = Segments(
        size=embedded.size,
        masks=tuple(upsample_to_rle(mask.held.whole(), embedded.frame) for mask in best),
        scores=np.array([mask.score for mask in best], np.float32),
        prompts=tuple((Point(*mask.point),) for mask in best),
        image=embedded.image.pixels,
        stability_scores=np.array([mask.stability for mask in best], np.float32),
    )
    return once(proposed, set())


def ranking(segments: Segments) -> npt.NDArray[np.float64]:
    """Returns (N,) how good each mask is: the mean of predicted IoU and stability, as far as they are known."""
    scores = segments.scores.astype(np.float64)
    return scores if segments.stability_scores is None else (scores + segments.stability_scores) / 2

"""The exact mode: the official automatic mask generator, step by step (SAM paper, appendix B; specification A3.7).

For every crop: decode each point of the grid, keep masks by predicted IoU and by stability, drop those that the crop
cuts off, and let boxes compete. What happens between crops and afterwards is in `contest`.

Full-size logits are never held: one mask at a time goes straight to run lengths.
"""

from collections.abc import Iterator

import numpy as np

from promptseg.arrays import Float64
from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.overlap import box_nms
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import upsample_with_stability
from promptseg.progress import Progress
from promptseg.runtimes.protocol import DecoderInputs, Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.everything.contest import Advance, Survivor, cut_off, inclusive_box, iter_crops
from promptseg.segment.everything.grid import Crop
from promptseg.segment.everything.options import EverythingOptions
from promptseg.segment.places.predictor import CHUNK


def iter_exact(
    runtime: Runtime, embedded: EmbeddedImage, options: EverythingOptions, on_progress: Progress | None
) -> Iterator[Segments]:
    """Yields the masks of the official generator in its order, one part per crop.

    Raises:
        InputError: the engine does not compute in float32.
    """
    if runtime.precision != "float32":
        raise InputError(
            f"The exact mode computes in float32, and this engine computes in {runtime.precision}. Make it with "
            'precision="float32" (on the command line --precision float32), or use mode="fast".'
        )

    def search(part: EmbeddedImage, size: Size, crop: Crop, advance: Advance) -> list[Survivor]:
        found: list[Survivor] = []
        for start in range(0, len(crop.points), CHUNK):
            points = crop.points[start : start + CHUNK]
            found += _decode(runtime, part, size, crop, points, options)
            if not advance(len(points)):
                break
        kept = box_nms([item.box for item in found], [item.score for item in found], options.box_nms_thresh)
        return [found[index] for index in kept.tolist()]

    yield from iter_crops(runtime, embedded, options, on_progress, search)


def _decode(
    runtime: Runtime, part: EmbeddedImage, size: Size, crop: Crop, points: Float64, options: EverythingOptions
) -> Iterator[Survivor]:
    """Yields the masks of a few points that pass the filters of predicted IoU, stability and crop borders."""
    answer = runtime.decode(part.features, DecoderInputs.clicks(part.frame.to_model(points)), official=True)
    x, y = crop.box[:2]
    least_score = np.float32(options.pred_iou_thresh or -np.inf)  # 0 switches a filter off
    least_stability = np.float32(options.stability_score_thresh)
    for row, point in enumerate(points.tolist()):
        for token in (1, 2, 3):
            score = answer.scores[row, token]
            if not score > least_score:
                continue
            mask, stability = upsample_with_stability(
                answer.logits[row, token], part.frame, 0.0, options.stability_score_offset
            )
            # Nothing over nothing is not a number, and that fails any threshold.
            if least_stability > 0 and not np.float32(stability) >= least_stability:
                continue
            box = inclusive_box(mask, (x, y))
            if not cut_off(box, crop.box, size):
                mask = mask.moved(x, y, size)
                yield Survivor(mask, box, float(score), stability, (point[0] + x, point[1] + y), crop.box)

"""`Segments` to the JSON of answers."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image as Pillow

from promptseg.geometry import MaskGrid, ResizeFrame
from promptseg.masks.overlap import stability
from promptseg.masks.polygons import trace_polygons
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.server.store import Picture
from promptseg.stopping import check_stop


def image_size(picture: Picture) -> dict[str, Any]:
    """Returns which picture an answer speaks of."""
    return {"id": picture.id, "width": picture.width, "height": picture.height}


def masks_json(segments: Segments, form: str, tolerance: float = 0.0) -> list[dict[str, Any]]:
    """Returns one record per mask.

    Args:
        segments: the masks.
        form: "rle", "polygons", "png" or "none".
        tolerance: how many pixels polygons may be simplified by.
    """
    stabilities = _stabilities(segments)
    return [
        {
            "object_id": int(segments.object_ids[index]),
            "score": float(segments.scores[index]),
            "stability_score": stabilities[index],
            "granularity": segments.granularities[index],
            "margin": None if segments.margins is None else float(segments.margins[index]),
            "label": segments.labels[index],
            "area": mask.area,
            "box": list(mask.bbox),
            **written(mask, form, tolerance),
        }
        for index, mask in enumerate(segments.masks)
    ]


def found_json(segments: Segments, form: str, tolerance: float = 0.0) -> list[dict[str, Any]]:
    """Returns the records of automatic masks: `masks_json`, with the points and crops that they were found with."""
    records = masks_json(segments, form, tolerance)
    crops = segments.crop_boxes
    for index, record in enumerate(records):
        prompts = segments.prompts[index] or ()
        record["points"] = [[prompt.x, prompt.y] for prompt in prompts if prompt.kind == "point"]
        record["crop_box"] = None if crops is None else crops[index].tolist()
    return records


def written(mask: RLE, form: str, tolerance: float) -> dict[str, Any]:
    """Returns the field that holds a mask itself."""
    check_stop()
    if form == "rle":
        return {"segmentation": mask.to_coco()}
    if form == "polygons":
        parts = trace_polygons(mask, tolerance)
        return {"polygons": [[ring.tolist() for ring in part.rings] for part in parts]}
    if form == "png":
        file = io.BytesIO()
        Pillow.fromarray(mask.dense().astype(np.uint8) * 255).save(file, format="PNG", compress_level=3)
        return {"png": base64.b64encode(file.getvalue()).decode()}
    return {}


def _stabilities(segments: Segments) -> list[float | None]:
    """Returns how little each mask depends on the threshold (specification A3.7), from its low-resolution logits."""
    if segments.stability_scores is not None:
        return [float(score) for score in segments.stability_scores]
    logits = segments.low_res_logits
    if logits is None or logits.shape[1:] != (MaskGrid.SIDE, MaskGrid.SIDE):
        return [None] * len(segments)
    height, width = MaskGrid.of(ResizeFrame.fit(segments.size))
    return [stability(one) for one in logits[:, :height, :width]]

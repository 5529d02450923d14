"""Between Label Studio's results, in per cent of the picture, and prompts and masks in pixels."""

import math
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from promptseg.errors import FormatError, PromptError
from promptseg.masks.bridge import bridge_holes
from promptseg.masks.polygons import trace_polygons
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.prompts.types import Box, Point, Polygon, Prompt
from promptseg.server.labelling.brush import brush_rle
from promptseg.server.labelling.config import LabelConfig

TOLERANCE = 0.5
"""Pixels by which polygons may be simplified: people edit them by hand."""


def prompts_of(results: Sequence[Any], width: int, height: int) -> tuple[list[Prompt], str | None]:
    """Returns what a person has clicked and drawn, as prompts of one object, and the label chosen last.

    Key points, rectangles (turned ones, too) and polygons are read; other results are passed over.

    Raises:
        PromptError: a result is malformed.
    """
    prompts: list[Prompt] = []
    label: str | None = None
    for result in results:
        try:
            kind, value = result["type"], result["value"]
            positive = result.get("is_positive", True)
            prompt = _prompt(kind, value, width, height, bool(positive) if positive is not None else True)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            if isinstance(error, PromptError):
                raise
            raise PromptError(f"A Label Studio result lacks a field or has a wrong one: {error}.") from error
        if prompt is not None:
            prompts.append(prompt)
            chosen = value.get(kind)
            label = str(chosen[0]) if isinstance(chosen, list) and chosen else label
    return prompts, label


def _prompt(kind: str, value: Mapping[str, Any], width: int, height: int, positive: bool) -> Prompt | None:
    across, down = width / 100, height / 100
    if kind in ("keypointlabels", "keypoint"):
        x, y = value["x"] * across, value["y"] * down
        return Point(min(max(x, 0), width), min(max(y, 0), height), positive)
    if kind in ("rectanglelabels", "rectangle"):
        x, y = value["x"] * across, value["y"] * down
        w, h = value["width"] * across, value["height"] * down
        turn = math.radians(value.get("rotation") or 0)
        if not turn:
            return Box(x, y, x + w, y + h, positive)
        # Label Studio turns a rectangle around its top-left corner.
        right, below = (math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))
        corners = [
            (x + a * right[0] + b * below[0], y + a * right[1] + b * below[1])
            for a, b in ((0, 0), (w, 0), (w, h), (0, h))
        ]
        return Polygon(tuple(corners), positive)
    if kind in ("polygonlabels", "polygon"):
        return Polygon(tuple((x * across, y * down) for x, y in value["points"]), positive)
    return None


def results_of(segments: Segments, config: LabelConfig, label: str | None = None) -> list[dict[str, Any]]:
    """Returns masks as results for a labelling interface.

    Args:
        segments: the masks; a mask's own label counts, else `label`, else the first of the tag.
        config: the interface.
        label: what the person has chosen.
    """
    results: list[dict[str, Any]] = []
    for index, mask in enumerate(segments.masks):
        wanted = segments.labels[index] or label
        tag = config.tag_for(wanted)
        names = [wanted if wanted in tag.labels else tag.labels[0]] if tag.labels else []
        for value in _values(mask, tag.kind):
            kind = tag.kind.lower()
            results.append(
                {
                    "id": secrets.token_hex(5),
                    "from_name": tag.name,
                    "to_name": config.image,
                    "original_width": segments.size.width,
                    "original_height": segments.size.height,
                    "image_rotation": 0,
                    "type": kind,
                    "value": {**value, kind: names},
                    "score": float(segments.scores[index]),
                    "readonly": False,
                }
            )
    return results


def _values(mask: RLE, kind: str) -> list[dict[str, Any]]:
    """Returns a mask as brush strokes, or as one polygon for each of its parts."""
    if not mask.area:
        return []
    if kind == "BrushLabels":
        return [{"format": "rle", "rle": brush_rle(mask)}]
    height, width = mask.size
    return [
        {"points": [[x * 100 / width, y * 100 / height] for x, y in bridge_holes(part).tolist()], "closed": True}
        for part in trace_polygons(mask, TOLERANCE)
    ]


def prediction(segments: Segments, config: LabelConfig, version: str, label: str | None = None) -> dict[str, Any]:
    """Returns the prediction for one task."""
    scores = segments.scores.tolist()
    return {
        "result": results_of(segments, config, label),
        "score": sum(scores) / len(scores) if scores else 0.0,
        "model_version": version,
    }


def size_in(results: Sequence[Any]) -> tuple[int, int] | None:
    """Returns width and height of the picture as Label Studio knows it, to be compared with ours.

    Raises:
        FormatError: they are no numbers.
    """
    for result in results:
        if isinstance(result, Mapping) and "original_width" in result:
            try:
                return int(result["original_width"]), int(result["original_height"])
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise FormatError(f"A Label Studio result has a wrong picture size: {error}.") from error
    return None

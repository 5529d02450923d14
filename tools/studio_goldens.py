"""Writes what the studio's TypeScript must reproduce: web/src/goldens.json, computed by the Python package.

python tools/studio_goldens.py
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from promptseg.geometry import ResizeFrame, Size
from promptseg.masks.polygons import polygon_to_rle, stroke_to_mask, trace_polygons
from promptseg.masks.regions import components
from promptseg.masks.rle import RLE
from promptseg.masks.upsample import upsample_to_rle
from promptseg.models.companions import correction, retouch
from promptseg.models.companions.choice import Choice, features
from promptseg.models.registry import companions_of, loaded
from promptseg.prompts.encode import encode_object
from promptseg.prompts.types import Point, prompt_from_json
from promptseg.segment.places.predictor import Candidates, choose
from promptseg.segment.places.tidy import tidied

TARGET = Path(__file__).parents[1] / "web/src/goldens.json"

SIZES = [(300, 451), (512, 512), (427, 640), (1500, 1000), (37, 2000)]
"""Heights and widths: landscape, square, portrait, larger than the frame, and a strip."""

PROMPTS: list[list[dict[str, Any]]] = [
    [{"type": "point", "x": 120.5, "y": 80, "positive": True}],
    [
        {"type": "point", "x": 120.5, "y": 80, "positive": True},
        {"type": "point", "x": 300, "y": 200, "positive": False},
    ],
    [{"type": "box", "box": [30, 40, 250, 260], "positive": True}],
    [{"type": "box", "box": [-20, 40, 250, 900], "positive": True}, {"type": "point", "x": 9, "y": 99}],
    [
        {"type": "box", "box": [30, 40, 250, 260], "positive": True},
        {"type": "box", "box": [100, 100, 160, 190], "positive": False},
    ],
    [{"type": "polygon", "points": [[60, 40], [310, 70], [220, 250], [120, 280]], "positive": True}],
    [{"type": "scribble", "points": [[60, 40], [180, 90], [200, 240]], "width": 9, "positive": True}],
    [
        {"type": "scribble", "points": [[60, 40], [180, 90]], "width": 9, "positive": True},
        {"type": "scribble", "points": [[300, 200], [330, 230], [350, 220]], "width": 4, "positive": False},
    ],
    [{"type": "polygon", "points": [[60, 40], [60.2, 40], [60.2, 40.1]], "positive": True}],
]


def waves(shift: float = 0.0, side: int = 256) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Logits that both languages can compute: hills and valleys with holes and islands."""
    y, x = np.mgrid[:side, :side].astype(np.float64)
    hills = np.sin((x + shift) / 11) * np.cos(y / 17) * 6
    return (hills + 3 - ((x - 90) ** 2 + (y - 70 - shift) ** 2) / 2500).astype(np.float32)


def goldens() -> dict[str, Any]:
    """Returns all cases."""
    return {
        "upsample": [upsampling(size) for size in SIZES],
        "encode": [encoding(prompts) for prompts in PROMPTS],
        "choose": [choosing(size) for size in SIZES[:3]],
        "choice": [learned(size) for size in SIZES[:3]],
        "correction": [corrected(size) for size in SIZES[:3]],
        "retouch": [retouching(size) for size in SIZES[:3]],
        "tidy": [tidying(size) for size in SIZES[:3]],
        "paint": painting(),
        "outline": [outlining(size) for size in SIZES[:2]],
    }


def upsampling(size: tuple[int, int]) -> dict[str, Any]:
    """Returns the mask of logits on a picture of this size."""
    mask = upsample_to_rle(waves(), ResizeFrame.fit(size))
    return {"size": size, "segmentation": mask.to_coco(), "area": mask.area, "box": mask.box}


def encoding(prompts: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the tokens of prompts."""
    frame = ResizeFrame.fit((300, 451))
    item = encode_object(tuple(prompt_from_json(prompt) for prompt in prompts), frame)
    return {
        "prompts": prompts,
        "points": item.points.tolist(),
        "labels": item.labels.tolist(),
        "ambiguous": item.ambiguous,
        "again": item.again,
        "masked": None if item.mask_logits is None else int((item.mask_logits > 0).sum()),
    }


def choosing(size: tuple[int, int]) -> dict[str, Any]:
    """Returns which mask each granularity chooses."""
    frame = ResizeFrame.fit(size)
    logits = np.stack([waves(shift) - cut for shift, cut in ((0, 0), (5, 1), (20, 5), (40, -2))])
    found = Candidates(logits, np.array([0.9, 0.93, 0.8, 0.95], np.float32))
    chosen = {name: choose(found, True, name, frame)[0][0] for name in ("auto", "part", "object", "whole")}
    return {"size": size, "chosen": chosen}


def learned(size: tuple[int, int]) -> dict[str, Any]:
    """Returns what the network that chooses for a click sees and says."""
    height, width = (-(-side // 4) for side in ResizeFrame.fit(size).resized)
    logits = np.stack([waves(shift) - cut for shift, cut in ((5, 1), (20, 5), (40, -2))])
    click = (100.7, 60.2)
    inside = logits[:, :height, :width]
    scores = np.array([0.93, 0.8, 0.95], np.float32)
    order, values = features(inside, scores, click)
    choice = loaded(Choice.read, companions_of("mobile-sam-clicks").choice)
    assert choice is not None  # noqa: S101 - the file is in the package
    return {
        "size": size,
        "click": click,
        "order": order.tolist(),
        "values": [round(float(value), 6) for value in values],
        "best": choice.best(inside, scores, click),
    }


def corrected(size: tuple[int, int]) -> dict[str, Any]:
    """Returns what the network that chooses the answer to a correction sees and says."""
    height, width = (-(-side // 4) for side in ResizeFrame.fit(size).resized)
    shifts = ((0, 0), (5, 1), (20, 5), (40, -2), (9, 2), (2, -1))
    logits = np.stack([waves(shift) - cut for shift, cut in shifts])[:, :height, :width]
    scores = np.array([0.9, 0.93, 0.8, 0.95, 0.9, 0.7], np.float32)
    clicks = np.array([(100.7, 60.2, 1), (20, 9.5, 0), (60.1, 30, 0), (300, 300, 1)], np.float32)
    choice = loaded(Choice.read, companions_of("mobile-sam-clicks").choice)
    assert choice is not None  # noqa: S101 - the file is in the package
    return {
        "size": size,
        "clicks": clicks.tolist(),
        "values": np.round(correction.features(logits, scores, clicks, 3), 6).tolist(),
        "best": [choice.correct(logits, scores, clicks, 3, usual) for usual in (0, 4)],
    }


def retouching(size: tuple[int, int]) -> dict[str, Any]:
    """Returns the window around two masks and clicks, and samples of what the retouching network sees of it."""
    height, width = (-(-side // 4) for side in ResizeFrame.fit(size).resized)
    logits, before = (waves(shift)[:height, :width] - 2 for shift in (0, 7))
    clicks = np.array([(100.7, 60.2, 1), (20, 9.5, 0), (130.1, 90, 1)], np.float32)
    y, x, colour = np.ogrid[: 2 * height, : 2 * width, :3]
    shades = ((3 * x + 5 * y + 70 * colour) % 256).astype(np.uint8)
    channel, row, column = np.ogrid[:4, :64, :64]
    embedding = (channel * 4096 + row * 64 + column).astype(np.float32)[None]
    place = retouch.window(logits, before, clicks)
    seen = retouch.retouch_inputs(shades, logits, before, clicks, embedding, place)
    rows, columns = place
    return {
        "size": size,
        "clicks": clicks.tolist(),
        "window": [rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start],
        "pixels": np.round(seen.pixels[0, :, ::41, ::31], 5).ravel().tolist(),
        "maps": np.round(seen.maps[0, :, ::41, ::31], 5).ravel().tolist(),
        "embedding": seen.embedding[0, :, ::5, ::7].ravel().tolist(),
    }


def tidying(size: tuple[int, int]) -> dict[str, Any]:
    """Returns a mask with specks and pinholes, some of them clicked, before and after."""
    frame = ResizeFrame.fit(size)
    random = np.random.default_rng(0)
    pixels = np.zeros(size, np.bool_)
    height, width = size
    pixels[height // 8 : height // 2, width // 8 : width // 2] = True
    pixels[height // 8 : height // 3, width * 3 // 4 : width * 7 // 8] = True
    pixels ^= random.random(size) < 0.004
    speck, hole = (width - 3.5, height - 2.5), (width // 3 + 0.2, height // 3 + 0.8)
    pixels[height - 3, width - 4], pixels[height // 3, width // 3] = True, False
    pixels[height // 2 : height // 2 + 2, width // 2] = (False, True)
    item = encode_object((Point(*speck), Point(*hole, positive=False)), frame)
    mask = RLE.encode(pixels)
    return {
        "size": size,
        "mask": mask.to_coco(),
        "points": item.points.tolist(),
        "labels": item.labels.tolist(),
        "tidied": tidied(mask, item, frame).to_coco(),
    }


def painting() -> dict[str, Any]:
    """Returns a filled ring and a drawn stroke."""
    size = Size(90, 120)
    ring = [(10.2, 5.5), (100.7, 12.1), (60.0, 80.0), (40.0, 30.5), (20.9, 70.0)]
    stroke = [(-5.0, 20.0), (50.3, 40.2), (110.0, 88.0)]
    return {
        "size": size,
        "ring": ring,
        "polygon": polygon_to_rle(ring, size).to_coco(),
        "stroke": stroke,
        "width": 7.5,
        "line": RLE.encode(stroke_to_mask(stroke, 7.5, size)).to_coco(),
    }


def outlining(size: tuple[int, int]) -> dict[str, Any]:
    """Returns how many rings, corners and regions a mask has."""
    mask = upsample_to_rle(waves(), ResizeFrame.fit(size))
    rings = [ring for polygon in trace_polygons(mask) for ring in polygon.rings]
    return {
        "size": size,
        "rings": len(rings),
        "corners": sum(len(ring) for ring in rings),
        "regions": sorted((part.area for part in components(mask, 4)), reverse=True),
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(goldens(), indent=1) + "\n")
    print(f"Wrote {TARGET}.")

"""Pictures of the best, median and worst cases: the mask tinted, the truth outlined, clicks and boxes drawn."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image as PIL
from PIL import ImageDraw

from promptseg.datasets.samples import Dataset
from promptseg.errors import PromptsegError
from promptseg.evaluate.rows import Row
from promptseg.images import Image
from promptseg.masks.polygons import trace_polygons
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments

EACH = 3
"""So many cases of each kind are shown."""

_SIDE = 360
_TRUTH = (255, 255, 255)
_CLICKS = {True: (34, 197, 94), False: (239, 68, 68)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case with its picture.

    Attributes:
        kind: "best", "median" or "worst".
        title: which picture and item, and the score.
        jpeg: the picture, JPEG in base64.
    """

    kind: str
    title: str
    jpeg: str


def cases(rows: Sequence[Row], dataset: Dataset, each: int = EACH) -> list[Case]:
    """Returns pictures of the best, the median and the worst rows; none when rows have no score or no masks."""
    scored = sorted((row for row in rows if row.score is not None and row.shown), key=lambda row: -(row.score or 0))
    if not scored:
        return []
    count = len(scored)
    middle = max(0, count // 2 - each // 2)
    chosen = {"best": scored[:each], "median": scored[middle : middle + each], "worst": scored[-each:][::-1]}
    places = {sample.name: sample.picture for sample in dataset.samples}
    found: list[Case] = []
    for kind, some in chosen.items():
        for row in some:
            name = str(row.shown.get("frame", row.picture))
            try:
                drawn = draw(Image.open(places[name]), row.shown)
            except (PromptsegError, KeyError):
                continue  # the picture is gone since; the numbers are still good
            title = f"{row.picture} · {row.item} · {row.score:.3f}"
            found.append(Case(kind=kind, title=title, jpeg=_encoded(drawn)))
    return found


def draw(image: Image, shown: Mapping[str, Any]) -> PIL.Image:
    """Draws a case: masks tinted, true outlines in white over black, clicks as dots, boxes as frames, words above."""
    masks = tuple(RLE.from_coco(mask) for mask in shown.get("masks", ()))
    segments = Segments(image.size, tuple(mask for mask in masks if mask.size == image.size))
    scale = min(1.0, _SIDE / max(image.size))
    width, height = round(image.size.width * scale), round(image.size.height * scale)
    picture = segments.draw(image.pixels, outline=False, labels=False).convert("RGB")
    picture = picture.resize((max(1, width), max(1, height)), PIL.Resampling.LANCZOS)
    pen = ImageDraw.Draw(picture)
    for truth in shown.get("truths", ()):
        for polygon in trace_polygons(RLE.from_coco(truth), 0.5 / scale):
            for ring in polygon.rings:
                line = [(float(x) * scale, float(y) * scale) for x, y in (*ring, ring[0])]
                pen.line(line, (0, 0, 0), 3)
                pen.line(line, _TRUTH, 1)
    for x0, y0, x1, y1 in shown.get("boxes", ()):
        pen.rectangle(tuple(value * scale for value in (x0, y0, x1, y1)), outline=(250, 204, 21), width=2)
    for number, (x, y, positive) in enumerate(shown.get("clicks", ()), start=1):
        _dot(pen, (x + 0.5) * scale, (y + 0.5) * scale, bool(positive), number)
    return _captioned(picture, str(shown.get("words", "")))


def _dot(pen: ImageDraw.ImageDraw, x: float, y: float, positive: bool, number: int) -> None:
    radius = 5
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_CLICKS[positive], outline=(0, 0, 0))
    pen.text((x + radius + 1, y - radius - 3), str(number), fill=(255, 255, 255), stroke_width=1, stroke_fill=(0, 0, 0))


def _captioned(picture: PIL.Image, words: str) -> PIL.Image:
    if not words:
        return picture
    wide = PIL.new("RGB", (picture.width, picture.height + 18), (255, 255, 255))
    wide.paste(picture, (0, 18))
    ImageDraw.Draw(wide).text((4, 3), words[: picture.width // 6], fill=(0, 0, 0))
    return wide


def _encoded(picture: PIL.Image) -> str:
    file = io.BytesIO()
    PIL.fromarray(np.asarray(picture)).save(file, "JPEG", quality=82)
    return base64.b64encode(file.getvalue()).decode()

"""labelme JSON: one file per picture, a list of labelled shapes.

A mask is written as one polygon: its parts and their holes are joined by bridges without width. labelme could hold the
parts as shapes of one `group_id`, but most of what reads its files takes each shape for an object. Pictures are not
embedded.
"""

import base64
import binascii
import json
import os
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.errors import FormatError, shorten
from promptseg.files import write_bytes
from promptseg.formats.png import decode_mask
from promptseg.formats.reading import Extent, entries, mapping, points, read_json
from promptseg.formats.reading import size as read_size
from promptseg.geometry import Size
from promptseg.masks.bridge import join_parts
from promptseg.masks.overlap import union
from promptseg.masks.polygons import trace_polygons
from promptseg.masks.records import HALF_A_PIXEL, UNLABELLED, note_skipped, ring_to_rle
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments

Corners: TypeAlias = npt.NDArray[np.float64]

VERSION = "5.5.0"
"""The labelme release whose form is written."""

_WITHOUT_AREA = ("point", "points")
_LINE_WIDTH = 10
"""How wide labelme's own reader draws lines, in pixels."""


def labelme_record(segments: Segments, image_path: str = "", tolerance: float = HALF_A_PIXEL) -> dict[str, Any]:
    """Returns the labelme value of one picture.

    Args:
        segments: the masks; empty ones leave no shape.
        image_path: the picture, as seen from the JSON file.
        tolerance: how many pixels outlines may be simplified by; 0 is exact.
    """
    shapes = [
        {
            "label": label or UNLABELLED,
            "points": join_parts(trace_polygons(mask, tolerance)).tolist(),
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
            "mask": None,
        }
        for mask, label in zip(segments.masks, segments.labels, strict=True)
        if mask.area
    ]
    return {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": segments.size.height,
        "imageWidth": segments.size.width,
    }


def write_labelme(
    path: str | os.PathLike[str], segments: Segments, image_path: str = "", tolerance: float = HALF_A_PIXEL
) -> None:
    """Writes a labelme file (see `labelme_record`).

    Raises:
        OutputError: the file cannot be written.
    """
    record = labelme_record(segments, image_path, tolerance)
    write_bytes(path, json.dumps(record, ensure_ascii=False, indent=2).encode("utf-8", "replace"))


def read_labelme(path: str | os.PathLike[str]) -> Segments:
    """Reads a labelme file; shapes with one label and one `group_id` become one mask.

    Rectangles are given by two opposite corners or by all four, turned ones (`rotation`) by four; lines are as wide as
    labelme itself draws them. Points, which have no area, and shapes that are not finished are passed over with a note.

    Raises:
        FormatError: the file is malformed.
    """
    return segments_from_labelme(read_json(path))


def segments_from_labelme(record: Any) -> Segments:
    """Reads a labelme value (see `read_labelme`).

    Raises:
        FormatError: it is malformed.
    """
    fields = mapping(record, "A labelme file")
    size = read_size(fields.get("imageHeight"), fields.get("imageWidth"), "A labelme picture")
    shapes = fields.get("shapes")
    if not isinstance(shapes, list):
        raise FormatError(f"A labelme file needs a list of shapes, got {shorten(shapes)}.")
    groups: dict[Any, list[RLE]] = {}
    skipped: list[str] = []
    labels: dict[Any, str | None] = {}
    for place, given in enumerate(shapes):
        shape = mapping(given, "A labelme shape")
        mask, label, group = _read_shape(shape, size, skipped), shape.get("label"), shape.get("group_id")
        if label is not None and not isinstance(label, str):
            raise FormatError(f"A labelme label must be text, got {shorten(label)}.")
        if group is not None and not isinstance(group, int):
            raise FormatError(f"A labelme group_id must be an integer or null, got {shorten(group)}.")
        key = (place,) if group is None else (label, group)
        if mask is not None:
            groups.setdefault(key, []).append(mask)
            labels[key] = label
    note_skipped(skipped, len(shapes), "shapes")
    masks = tuple(union(parts, size) if len(parts) > 1 else parts[0] for parts in groups.values())
    return Segments(size, masks, labels=tuple(labels.values()))


def labelme_extent(record: Any) -> Extent:
    """Returns how much there is to paint in a labelme value.

    Raises:
        FormatError: it has no shapes.
    """
    count = len(entries(record, "shapes"))
    return Extent((record.get("imageHeight"), record.get("imageWidth")), count, count)


def _read_shape(shape: Mapping[str, Any], size: Size, skipped: list[str]) -> RLE | None:
    kind = shape.get("shape_type") or "polygon"
    if kind in _WITHOUT_AREA:
        skipped.append(f"a {kind} has no area")
        return None
    reader, least = _SHAPES.get(kind, (None, 0)) if isinstance(kind, str) else (None, 0)
    if reader is None:
        known = ", ".join([*_SHAPES, *_WITHOUT_AREA])
        raise FormatError(f"Unknown labelme shape_type {shorten(kind)}: expected one of {known}.")
    corners = points(shape.get("points"), f"The points of a labelme {kind}", 0)
    if len(corners) < least:
        skipped.append(f"a {kind} has {len(corners)} points")
        return None
    return reader(shape, corners, size)


def _polygon(shape: Mapping[str, Any], corners: Corners, size: Size) -> RLE:
    return ring_to_rle(corners, size)


def _rectangle(shape: Mapping[str, Any], corners: Corners, size: Size) -> RLE:
    if len(corners) == 4:  # X-AnyLabeling's, perhaps turned
        return ring_to_rle(corners, size)
    (x0, y0), (x1, y1) = corners[:2]
    return ring_to_rle(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), size)


def _circle(shape: Mapping[str, Any], corners: Corners, size: Size) -> RLE:
    centre, rim = corners[:2]
    angles = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    radius = np.hypot(*(rim - centre))
    return ring_to_rle(centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), size)


def _line(shape: Mapping[str, Any], corners: Corners, size: Size) -> RLE:
    """Draws a line of several points as the strips around its parts, with round joints."""
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    joint = _LINE_WIDTH / 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    parts = [ring_to_rle(corner + joint, size) for corner in corners[1:-1]]
    for start, end in pairwise(corners):
        along = end - start
        if length := float(np.hypot(*along)):
            aside = np.array([-along[1], along[0]]) * (_LINE_WIDTH / 2 / length)
            parts.append(ring_to_rle(np.array([start + aside, end + aside, end - aside, start - aside]), size))
    return union(parts, size)


def _mask(shape: Mapping[str, Any], corners: Corners, size: Size) -> RLE:
    text = shape.get("mask")
    if not isinstance(text, str):
        raise FormatError(f"A labelme mask shape needs a PNG in base64, got {shorten(text)}.")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(f"A labelme mask is not base64: {error}.") from error
    crop = decode_mask(data, "A labelme mask")
    x, y = (int(value) for value in np.floor(corners[0]))
    if x < 0 or y < 0 or x + crop.shape[1] > size.width or y + crop.shape[0] > size.height:
        raise FormatError(f"A labelme mask of shape {crop.shape} at {x}, {y} reaches out of its picture.")
    return RLE.encode_crop(crop, (x, y), size)


_SHAPES: dict[str, tuple[Callable[[Mapping[str, Any], Corners, Size], RLE], int]] = {
    "polygon": (_polygon, 3),
    "rectangle": (_rectangle, 2),
    "rotation": (_polygon, 3),
    "quadrilateral": (_polygon, 3),
    "circle": (_circle, 2),
    "line": (_line, 2),
    "linestrip": (_line, 2),
    "mask": (_mask, 1),
}
"""How each type is read, and how many points it needs."""

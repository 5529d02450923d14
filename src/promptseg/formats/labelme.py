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
from typing import Any

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
from promptseg.masks.records import HALF_A_PIXEL, UNLABELLED, ring_to_rle
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments

VERSION = "5.5.0"
"""The labelme release whose form is written."""

_WITHOUT_AREA = ("point", "points", "line", "linestrip")


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

    Polygons, rectangles, circles and masks are read; points and lines have no area and are passed over.

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
    labels: dict[Any, str | None] = {}
    for place, given in enumerate(shapes):
        shape = mapping(given, "A labelme shape")
        mask, label, group = _read_shape(shape, size), shape.get("label"), shape.get("group_id")
        if label is not None and not isinstance(label, str):
            raise FormatError(f"A labelme label must be text, got {shorten(label)}.")
        if group is not None and not isinstance(group, int):
            raise FormatError(f"A labelme group_id must be an integer or null, got {shorten(group)}.")
        key = (place,) if group is None else (label, group)
        if mask is not None:
            groups.setdefault(key, []).append(mask)
            labels[key] = label
    masks = tuple(union(parts, size) if len(parts) > 1 else parts[0] for parts in groups.values())
    return Segments(size, masks, labels=tuple(labels.values()))


def labelme_extent(record: Any) -> Extent:
    """Returns how much there is to paint in a labelme value.

    Raises:
        FormatError: it has no shapes.
    """
    count = len(entries(record, "shapes"))
    return Extent((record.get("imageHeight"), record.get("imageWidth")), count, count)


def _read_shape(shape: Mapping[str, Any], size: Size) -> RLE | None:
    kind = shape.get("shape_type", "polygon")
    if kind in _WITHOUT_AREA:
        return None
    reader = _SHAPES.get(kind) if isinstance(kind, str) else None
    if reader is None:
        known = ", ".join([*_SHAPES, *_WITHOUT_AREA])
        raise FormatError(f"Unknown labelme shape_type {shorten(kind)}: expected one of {known}.")
    return reader(shape, size)


def _polygon(shape: Mapping[str, Any], size: Size) -> RLE:
    return ring_to_rle(points(shape.get("points"), "The points of a labelme polygon", 3), size)


def _corners(shape: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    return points(shape.get("points"), "The points of a labelme shape", 2)[:2]


def _rectangle(shape: Mapping[str, Any], size: Size) -> RLE:
    (x0, y0), (x1, y1) = _corners(shape)
    return ring_to_rle(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), size)


def _circle(shape: Mapping[str, Any], size: Size) -> RLE:
    centre, rim = _corners(shape)
    angles = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    radius = np.hypot(*(rim - centre))
    return ring_to_rle(centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), size)


def _mask(shape: Mapping[str, Any], size: Size) -> RLE:
    text = shape.get("mask")
    if not isinstance(text, str):
        raise FormatError(f"A labelme mask shape needs a PNG in base64, got {shorten(text)}.")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(f"A labelme mask is not base64: {error}.") from error
    crop = decode_mask(data, "A labelme mask")
    x, y = (int(value) for value in np.floor(_corners(shape)[0]))
    if x < 0 or y < 0 or x + crop.shape[1] > size.width or y + crop.shape[0] > size.height:
        raise FormatError(f"A labelme mask of shape {crop.shape} at {x}, {y} reaches out of its picture.")
    return RLE.encode_crop(crop, (x, y), size)


_SHAPES: dict[str, Callable[[Mapping[str, Any], Size], RLE]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "circle": _circle,
    "mask": _mask,
}

"""COCO instances JSON: many pictures in one file, masks as RLE or as polygons."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptseg.errors import FormatError
from promptseg.files import write_bytes
from promptseg.formats.reading import Extent, entries, read_json
from promptseg.masks.bridge import bridge_holes
from promptseg.masks.polygons import trace_polygons
from promptseg.masks.records import coco_instances
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments


def coco_record(
    results: Mapping[str, Segments], polygons: float | None = None, categories: Sequence[str] = ()
) -> dict[str, Any]:
    """Returns one COCO instances record of several pictures.

    Args:
        results: masks by file name.
        polygons: None writes run lengths, which are exact. A number writes polygons simplified by at most so
            many pixels (0 is exact, too); holes are bridged into the outline, parts are polygons of one annotation.
        categories: names that have the first numbers, so that files of several runs agree.
    """
    pictures = {
        image_id: segments.coco_picture(file_name)
        for image_id, (file_name, segments) in enumerate(results.items(), start=1)
    }
    if polygons is None:
        return coco_instances(pictures, categories=categories)
    return coco_instances(pictures, lambda mask: polygon_segmentation(mask, polygons), categories)


def polygon_segmentation(mask: RLE, tolerance: float = 0.0) -> list[list[float]]:
    """Returns COCO polygons, one flat list of x, y, x, y, ... per part."""
    return [bridge_holes(polygon).ravel().tolist() for polygon in trace_polygons(mask, tolerance)]


def write_coco(
    path: str | os.PathLike[str],
    results: Mapping[str, Segments],
    polygons: float | None = None,
    categories: Sequence[str] = (),
) -> None:
    """Writes a COCO instances file (see `coco_record`).

    Raises:
        OutputError: the file cannot be written.
    """
    record = coco_record(results, polygons, categories)
    write_bytes(path, json.dumps(record, ensure_ascii=False).encode("utf-8", "replace"))


def read_coco(path: str | os.PathLike[str]) -> dict[str, Segments]:
    """Reads a COCO instances file.

    Returns:
        Masks by file name, in the order of the file; a picture without a name goes by its id.

    Raises:
        FormatError: the file is malformed, or two pictures have one name.
    """
    results: dict[str, Segments] = {}
    for image_id, (file_name, segments) in Segments.all_from_coco(read_json(path)).items():
        name = file_name or str(image_id)
        if name in results:
            raise FormatError(f"{path} has two images named {name!r}.")
        results[name] = segments
    return results


def one_picture(record: Any, file_name: str | None, name: str) -> Any:
    """Returns a record with nothing but the one picture that is meant, so that only its masks are painted.

    Args:
        record: the parsed JSON.
        file_name: which picture, if that was said.
        name: what the picture is called otherwise; not needed where there is only one.

    Raises:
        FormatError: there is no such picture, or more than one.
    """
    images, annotations = entries(record, "images"), entries(record, "annotations")
    wanted = file_name or name
    found = [entry for entry in images if wanted and Path(str(entry.get("file_name"))).name == wanted]
    if len(found) != 1 and len(images) == 1 and file_name is None:
        found = images
    if len(found) != 1:
        raise FormatError(
            f"The COCO file has {len(images)} pictures, and {len(found)} of them are called {wanted!r}. "
            "Say which with file_name."
        )
    mine = [entry for entry in annotations if entry.get("image_id") == found[0].get("id")]
    return {**record, "images": found, "annotations": mine}


def coco_extent(record: Any) -> Extent:
    """Returns how much there is to paint in a record of one picture.

    Raises:
        FormatError: it has no annotations.
    """
    annotations = entries(record, "annotations")
    (image,) = record["images"]
    outlines = [entry.get("segmentation") for entry in annotations]
    parts = sum(len(outline) for outline in outlines if isinstance(outline, list))
    return Extent((image.get("height"), image.get("width")), len(annotations), parts)

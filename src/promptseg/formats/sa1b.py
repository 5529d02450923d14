"""SA-1B: one JSON file per picture, as the Segment Anything dataset has them (specification A4).

The shape is told to other programs by `schemas/sa1b.schema.json`, and checked by `check_sa1b`. Boxes are x, y, width,
height; as in the records of the official automatic generator, `bbox` counts from the first pixel to the last.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from promptseg.errors import FormatError, InputError, shorten
from promptseg.files import write_bytes
from promptseg.formats import reading
from promptseg.geometry import Size
from promptseg.masks.records import FARTHEST
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.prompts.types import Point

_IMAGE_BITS, _MASK_BITS = 39, 14
"""A mask's id is its picture's id and its number: 53 bits together, which every reader of JSON holds exactly."""

_HIGHEST_ID = 2**53 - 1
_COUNTS = re.compile("^[0-o]+$")
_ENTRY = ("id", "segmentation", "bbox", "area", "predicted_iou", "stability_score", "crop_box", "point_coords")

_OFFICIAL_NAME = re.compile(r"sa_(\d{1,11})")


class SA1BPicture(NamedTuple):
    """What an SA-1B file holds.

    Attributes:
        image_id: the picture's number.
        file_name: the picture's file.
        segments: its masks, with `stability_scores`, `crop_boxes` and the points as prompts.
    """

    image_id: int
    file_name: str
    segments: Segments


def image_id_of(name: str) -> int:
    """Returns the number of a picture: that of SA-1B in `sa_<number>.jpg`, else one made from the name.

    The same name always gives the same number. Two of a million names share one with a probability of about two in
    three; whoever merges so many records into one file should number them anew.
    """
    official = _OFFICIAL_NAME.fullmatch(PurePath(name).stem)
    if official:
        return int(official[1])
    return int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()) % 2**_IMAGE_BITS


def sa1b_record(segments: Segments, file_name: str, image_id: int | None = None) -> dict[str, Any]:
    """Returns the SA-1B record of one picture.

    Args:
        segments: masks with stability scores, each with the points that it was found with as prompts.
        file_name: the picture's file.
        image_id: its number; by default `image_id_of(file_name)`. Mask ids follow from it, so that they are unique
            as long as the numbers are.

    Raises:
        InputError: the masks lack what a record needs, or the number is too large.
    """
    number = image_id_of(file_name) if image_id is None else image_id
    if not 0 <= number < 2**_IMAGE_BITS:
        raise InputError(f"image_id must be from 0 to {2**_IMAGE_BITS - 1}, got {image_id}.")
    annotations = [
        _annotation(entry, (number << _MASK_BITS) + position)
        for position, entry in enumerate(segments.to_records("coco_rle"))
    ]
    height, width = segments.size
    image = {"image_id": number, "width": width, "height": height, "file_name": file_name}
    return {"image": image, "annotations": annotations}


def sa1b_text(segments: Segments, file_name: str, image_id: int | None = None) -> str:
    """Returns `sa1b_record` as JSON text, in ASCII.

    Raises:
        InputError: as `sa1b_record`, or a score is not finite.
    """
    record = sa1b_record(segments, file_name, image_id)
    try:
        return json.dumps(record, allow_nan=False)
    except ValueError as error:
        raise InputError(f"The masks of {file_name} have a score that is not a finite number.") from error


def write_sa1b(path: str | os.PathLike[str], segments: Segments, file_name: str, image_id: int | None = None) -> None:
    """Writes an SA-1B file (see `sa1b_record`).

    Raises:
        InputError: the masks lack what a record needs.
        OutputError: the file cannot be written.
    """
    write_bytes(path, sa1b_text(segments, file_name, image_id).encode())


def read_sa1b(path: str | os.PathLike[str]) -> SA1BPicture:
    """Reads an SA-1B file.

    Raises:
        FormatError: it cannot be read or is malformed.
    """
    try:
        return picture_from_sa1b(reading.read_json(path))
    except FormatError as error:
        raise error if str(path) in str(error) else FormatError(f"{path}: {error}") from error


def picture_from_sa1b(record: Any) -> SA1BPicture:
    """Reads a parsed SA-1B record, and checks its shape, and that masks, areas and ids are consistent.

    Raises:
        FormatError: it is malformed.
    """
    check_sa1b(record)
    image, entries = record["image"], record["annotations"]
    size = reading.size(int(image["height"]), int(image["width"]), "An SA-1B image")
    ids = [int(entry["id"]) for entry in entries]
    if len(set(ids)) < len(ids):
        raise FormatError("Two annotations of an SA-1B record have the same id.")
    segments = Segments(
        size,
        tuple(_mask(entry, size) for entry in entries),
        scores=np.array([entry["predicted_iou"] for entry in entries], np.float32),
        prompts=tuple(tuple(Point(x, y) for x, y in entry["point_coords"]) for entry in entries),
        stability_scores=np.array([entry["stability_score"] for entry in entries], np.float32),
        crop_boxes=np.array([_corners(*entry["crop_box"]) for entry in entries], np.float32).reshape(-1, 4),
    )
    return SA1BPicture(int(image["image_id"]), image["file_name"], segments)


def sa1b_extent(record: Any) -> reading.Extent:
    """Returns how much there is to paint in a parsed record.

    Raises:
        FormatError: it has no annotations.
    """
    count, image = len(reading.entries(record, "annotations")), record.get("image")
    size = (image.get("height"), image.get("width")) if isinstance(image, dict) else (None, None)
    return reading.Extent(size, count, count)


def check_sa1b(record: Any) -> None:
    """Checks that a parsed record has the fields and types of SA-1B.

    Raises:
        FormatError: it has not; the message says where, what was given and what was expected.
    """
    fields = reading.fields(record, "the record", "image", "annotations")
    image = reading.fields(fields["image"], "image", "image_id", "width", "height", "file_name")
    reading.integer(image["image_id"], "image.image_id", 0, _HIGHEST_ID)
    for side in ("width", "height"):
        reading.integer(image[side], f"image.{side}", 1)
    reading.text(image["file_name"], "image.file_name")
    for index, entry in enumerate(reading.items(fields["annotations"], "annotations")):
        _check_annotation(entry, f"annotations[{index}]")


def _check_annotation(entry: Any, where: str) -> None:
    fields = reading.fields(entry, where, *_ENTRY)
    reading.integer(fields["id"], f"{where}.id", 0, _HIGHEST_ID)
    mask = reading.fields(fields["segmentation"], f"{where}.segmentation", "size", "counts")
    for side in reading.items(mask["size"], f"{where}.segmentation.size", 2, 2):
        reading.integer(side, f"{where}.segmentation.size", 1)
    counts = reading.text(mask["counts"], f"{where}.segmentation.counts")
    if not _COUNTS.search(counts):
        raise FormatError(f"{where}.segmentation.counts must match {_COUNTS.pattern}, got {shorten(counts)}.")
    for box, most in (("bbox", math.inf), ("crop_box", FARTHEST)):
        for place, value in enumerate(reading.items(fields[box], f"{where}.{box}", 4, 4)):
            reading.number(value, f"{where}.{box}[{place}]", 0, most)
    reading.integer(fields["area"], f"{where}.area")
    reading.number(fields["predicted_iou"], f"{where}.predicted_iou")
    reading.number(fields["stability_score"], f"{where}.stability_score", 0, 1)
    for place, point in enumerate(reading.items(fields["point_coords"], f"{where}.point_coords", 1)):
        for value in reading.items(point, f"{where}.point_coords[{place}]", 2, 2):
            reading.number(value, f"{where}.point_coords[{place}]")


def _annotation(entry: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Puts a generator's record into SA-1B's order and types: only ids and areas are integers."""
    if entry["stability_score"] is None or not entry["point_coords"]:
        raise InputError(
            "SA-1B records need a stability score and the point of each mask: "
            "they hold automatic masks (promptseg everything). For other masks write COCO."
        )
    return {
        "id": number,
        "segmentation": entry["segmentation"],
        "bbox": [float(value) for value in entry["bbox"]],
        "area": entry["area"],
        "predicted_iou": entry["predicted_iou"],
        "stability_score": entry["stability_score"],
        "crop_box": [float(value) for value in entry["crop_box"]],
        "point_coords": [[float(x), float(y)] for x, y in entry["point_coords"]],
    }


def _mask(entry: Mapping[str, Any], size: Size) -> RLE:
    mask = RLE.from_coco(entry["segmentation"])
    if mask.size != size:
        raise FormatError(f"A mask of size {tuple(mask.size)} does not fit its SA-1B image of size {tuple(size)}.")
    if mask.area != entry["area"]:
        raise FormatError(f"Annotation {entry['id']} says area {entry['area']}, its mask has {mask.area} pixels.")
    return mask


def _corners(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    return x, y, x + width, y + height

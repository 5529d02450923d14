"""COCO panoptic: one JSON file, and beside it a folder of PNG files whose colours number the segments.

A segment's number is R + 256 G + 65536 B of its pixels; black belongs to none. The folder has the name of the JSON file
without its suffix, as in COCO's own release.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from promptseg.errors import FormatError, InputError
from promptseg.files import write_bytes
from promptseg.formats import reading
from promptseg.formats.png import read_pixels, write_picture
from promptseg.geometry import Size
from promptseg.masks.numbered import masks_by_number
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.vocabulary import Category


def colours(numbers: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """Returns the (H, W, 3) colours that stand for (H, W) segment numbers."""
    return np.stack([numbers & 255, numbers >> 8 & 255, numbers >> 16 & 255], axis=-1).astype(np.uint8)


def numbers(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Returns the (H, W) segment numbers that (H, W, 3) colours stand for."""
    red, green, blue = np.moveaxis(pixels.astype(np.int32), -1, 0)
    return red + 256 * green + 65536 * blue


def panoptic_record(results: Mapping[str, PanopticSegments], categories: Sequence[Category] = ()) -> dict[str, Any]:
    """Returns the JSON of several pictures.

    Args:
        results: segments by file name of the picture.
        categories: all classes of the task; those that occur are added.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (file_name, result) in enumerate(results.items(), start=1):
        height, width = result.segments.size
        images.append({"id": image_id, "file_name": file_name, "height": height, "width": width})
        annotations.append({"image_id": image_id, "file_name": _png_name(file_name), "segments_info": _infos(result)})
    used = (category for result in results.values() for category in result.categories)
    return {
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name, "supercategory": name, "isthing": int(thing)}
            for number, name, thing in dict.fromkeys((*categories, *used))
        ],
    }


def write_panoptic(
    path: str | os.PathLike[str], results: Mapping[str, PanopticSegments], categories: Sequence[Category] = ()
) -> None:
    """Writes the JSON file, and the PNG files into the folder beside it.

    Raises:
        InputError: two pictures would have PNG files of one name.
        OutputError: a file cannot be written.
    """
    target = Path(path)
    names = [_png_name(name) for name in results]
    if len(set(names)) < len(names):
        raise InputError("Two pictures differ only in folder or suffix: their PNG files would have one name.")
    for name, result in zip(names, results.values(), strict=True):
        write_picture(target.with_suffix("") / name, Image.fromarray(colours(result.id_map())))
    text = json.dumps(panoptic_record(results, categories), ensure_ascii=False)
    write_bytes(target, text.encode("utf-8", "replace"))


def read_panoptic(path: str | os.PathLike[str]) -> dict[str, PanopticSegments]:
    """Reads what `write_panoptic` wrote, or COCO's own files.

    Returns:
        Segments by file name of the picture, with scores where the file has them.

    Raises:
        FormatError: a file is malformed or missing.
    """
    record = reading.mapping(reading.read_json(path), "A panoptic file")
    try:
        names = {entry["id"]: str(entry["file_name"]) for entry in record["images"]}
        classes = {
            entry["id"]: Category(int(entry["id"]), str(entry["name"]), bool(entry["isthing"]))
            for entry in record["categories"]
        }
        return {
            names[entry["image_id"]]: _read_one(Path(path).with_suffix(""), entry, classes)
            for entry in record["annotations"]
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path} is not a COCO panoptic file: {type(error).__name__} {error}.") from error


def _read_one(folder: Path, entry: Any, classes: Mapping[Any, Category]) -> PanopticSegments:
    name = str(entry["file_name"])
    if Path(name).name != name:
        raise FormatError(f"The name of a panoptic PNG must be a plain file name, got {name!r}.")
    pixels = read_pixels(folder / name)
    if pixels.ndim != 3 or pixels.shape[2] < 3:
        raise FormatError(f"{folder / name} has no colours; panoptic PNG files number segments by colour.")
    drawn = numbers(pixels[..., :3])
    infos: list[Any] = list(entry["segments_info"])
    drawn_masks, nothing = masks_by_number(drawn), RLE.empty(Size(*drawn.shape))
    chosen = tuple(classes[info["category_id"]] for info in infos)
    segments = Segments(
        size=Size(*drawn.shape),
        masks=tuple(drawn_masks.get(int(info["id"]), nothing) for info in infos),
        scores=np.array([reading.number(info.get("score", 1.0), "A score") for info in infos], np.float32),
        labels=tuple(category.name for category in chosen),
    )
    return PanopticSegments(segments, chosen)


def _png_name(file_name: str) -> str:
    return f"{Path(file_name).stem}.png"


def _infos(result: PanopticSegments) -> list[dict[str, Any]]:
    infos: list[dict[str, Any]] = []
    rows = zip(result.segments.masks, result.segments.scores.tolist(), result.categories, strict=True)
    for number, (mask, score, category) in enumerate(rows, start=1):
        x0, y0, x1, y1 = mask.box
        box = [x0, y0, x1 - x0, y1 - y0]
        infos.append(
            {"id": number, "category_id": category.id, "area": mask.area, "bbox": box, "iscrowd": 0, "score": score}
        )
    return infos

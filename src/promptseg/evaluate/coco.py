"""Reader of COCO instance annotations as a dataset to evaluate on. Crowd regions are left out."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PIL
from PIL import ImageDraw

from promptseg.errors import FormatError
from promptseg.evaluate.layouts import read_json
from promptseg.evaluate.samples import Sample, Target
from promptseg.geometry import Size
from promptseg.masks.rle import RLE

_FINER = 5
"""Polygons are drawn so many times finer (odd, so that a fine pixel lies at each pixel's centre)."""


def find_coco(root: Path) -> tuple[Path, Path] | None:
    """Returns the annotation file and the picture folder of a COCO layout, or None.

    Read are `instances.json` with `images/`, and `annotations/instances_<split>.json` with `<split>/`,
    `images/<split>/` or `images/`; a validation split goes before others.
    """
    single = root / "instances.json"
    if single.is_file() and (root / "images").is_dir():
        return single, root / "images"
    splits = sorted(
        (root / "annotations").glob("instances_*.json"), key=lambda path: ("val" not in path.stem, path)
    )
    for annotations in splits:
        split = annotations.stem.removeprefix("instances_")
        for pictures in (root / split, root / "images" / split, root / "images"):
            if pictures.is_dir():
                return annotations, pictures
    return None


def read_coco(annotations: Path, pictures: Path) -> tuple[Sample, ...]:
    """Reads every instance that is not a crowd, pictures by file name, objects by annotation id.

    Raises:
        FormatError: the file is not JSON, or a field is missing or wrong.
    """
    content = read_json(annotations)
    try:
        names = {record["id"]: str(record["name"]) for record in content["categories"]}
        by_picture: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
        for record in content["annotations"]:
            if not record.get("iscrowd", 0):
                by_picture[record["image_id"]].append(record)
        samples: list[Sample] = []
        for record in sorted(content["images"], key=lambda record: str(record["file_name"])):
            size = Size(int(record["height"]), int(record["width"]))
            objects = sorted(by_picture.get(record["id"], []), key=lambda item: item["id"])
            targets = tuple(_target(item, names[item["category_id"]], size) for item in objects)
            file_name = str(record["file_name"])
            samples.append(Sample(pictures / file_name, Path(file_name).stem, targets))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise FormatError(f"{annotations}: {error}") from error
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise FormatError(
            f"{annotations} is not a COCO instances file ({what}): expected images with id, file_name, "
            "height and width; annotations with id, image_id, category_id and segmentation; "
            "categories with id and name."
        ) from error
    return tuple(samples)


def _target(record: Mapping[str, Any], category: str, size: Size) -> Target:
    segmentation = record["segmentation"]
    name = f"{category} {record['id']}"
    if isinstance(segmentation, Mapping):
        rle = RLE.from_coco(dict(segmentation))  # type: ignore[arg-type]
        return Target(name, int(rle.area), rle)
    if not isinstance(segmentation, list):
        raise FormatError(
            f"annotation {record['id']} has neither polygons nor RLE: {str(segmentation)[:60]!r}."
        )
    return Target(name, int(record["area"]), _polygons(record["id"], segmentation, size))


def _polygons(identity: object, polygons: list[Any], size: Size) -> Callable[[], RLE]:
    """Returns a function that fills the polygons (flat lists of x, y); it is called only when used."""

    def fill() -> RLE:
        # Pillow paints the outline too, half a pixel too far out: on a finer canvas that is next to nothing.
        canvas = PIL.new("1", (size.width * _FINER, size.height * _FINER))
        draw = ImageDraw.Draw(canvas)
        try:
            for polygon in polygons:
                draw.polygon([float(value) * _FINER - 0.5 for value in polygon], fill=1)
        except (TypeError, ValueError) as error:
            raise FormatError(
                f"Annotation {identity} has a polygon that cannot be drawn: {error}."
            ) from error
        fine = np.asarray(canvas, bool).reshape(size.height, _FINER, size.width, _FINER)
        centres = fine[:, _FINER // 2, :, _FINER // 2]
        # A sliver may miss every pixel's centre; it then has the pixels that it touches.
        return RLE.encode(centres if centres.any() else np.asarray(fine.any(axis=(1, 3))))

    return fill

"""Plain JSON values to `Segments` and back, without touching files: COCO instances, and the automatic generator's."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from promptseg.errors import FormatError, InputError
from promptseg.geometry import Size
from promptseg.masks.overlap import union
from promptseg.masks.raster import polygon_to_rle
from promptseg.masks.rle import RLE, too_large
from promptseg.masks.segments import Segments

_FARTHEST = 1e9

UNLABELLED = "object"
"""Category of masks without a label: COCO demands one."""


def category_ids(*results: Segments) -> dict[str, int]:
    """Numbers the labels from 1 in the order they appear."""
    labels = dict.fromkeys(label or UNLABELLED for result in results for label in result.labels)
    return {label: number for number, label in enumerate(labels, start=1)}


def segments_to_coco(segments: Segments, image_id: int = 1, file_name: str = "") -> dict[str, Any]:
    """Returns the COCO record of one picture (see `Segments.to_coco`)."""
    categories = category_ids(segments)
    return {
        "images": [coco_image(segments, image_id, file_name)],
        "annotations": coco_annotations(segments, image_id, categories),
        "categories": coco_categories(categories),
    }


def coco_image(segments: Segments, image_id: int, file_name: str) -> dict[str, Any]:
    """Returns the image entry."""
    height, width = segments.size
    return {"id": image_id, "file_name": file_name, "height": height, "width": width}


def coco_categories(categories: Mapping[str, int]) -> list[dict[str, Any]]:
    """Returns the category entries."""
    return [{"id": number, "name": name, "supercategory": ""} for name, number in categories.items()]


def coco_annotations(
    segments: Segments, image_id: int, categories: Mapping[str, int], first_id: int = 1
) -> list[dict[str, Any]]:
    """Returns one annotation entry per mask, numbered from `first_id`."""
    entries: list[dict[str, Any]] = []
    for position, (mask, score, label) in enumerate(
        zip(segments.masks, segments.scores.tolist(), segments.labels, strict=True)
    ):
        x0, y0, x1, y1 = mask.bbox
        entries.append(
            {
                "id": first_id + position,
                "image_id": image_id,
                "category_id": categories[label or UNLABELLED],
                "segmentation": mask.to_coco(),
                "area": mask.area,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "iscrowd": 0,
                "score": score,
            }
        )
    return entries


RecordOutput: TypeAlias = Literal["binary_mask", "uncompressed_rle", "coco_rle"]
"""How a mask is written in an automatic generator's record."""


def segments_to_records(segments: Segments, output: RecordOutput = "coco_rle") -> list[dict[str, Any]]:
    """Returns one record per mask as the official automatic mask generator does (specification A1.4).

    Boxes are x, y, width and height; as in the official records, `bbox` counts from the first pixel to the last, so
    that a mask of one pixel has width 0. What is not known is None (stability_score), the whole picture (crop_box),
    or no points (point_coords).

    Raises:
        InputError: an unknown output.
    """
    if output not in get_args(RecordOutput):
        raise InputError(f"Unknown output {output!r}: expected one of {', '.join(get_args(RecordOutput))}.")
    count, (height, width) = len(segments), segments.size
    stability: list[float | None] = [None] * count
    if segments.stability_scores is not None:
        stability = segments.stability_scores.tolist()
    crops = [[0, 0, width, height]] * count
    if segments.crop_boxes is not None:
        crops = segments.crop_boxes.astype(np.int64).tolist()
    records: list[dict[str, Any]] = []
    for index, mask in enumerate(segments.masks):
        (x0, y0, x1, y1), (left, top, right, bottom) = mask.box, crops[index]
        prompts = segments.prompts[index] or ()
        records.append(
            {
                "segmentation": _written(mask, output),
                "area": mask.area,
                "bbox": [x0, y0, max(x1 - x0 - 1, 0), max(y1 - y0 - 1, 0)],
                "predicted_iou": float(segments.scores[index]),
                "point_coords": [[point.x, point.y] for point in prompts if point.kind == "point"],
                "stability_score": stability[index],
                "crop_box": [left, top, right - left, bottom - top],
            }
        )
    return records


def _written(mask: RLE, output: RecordOutput) -> Any:
    if output == "binary_mask":
        return mask.dense()
    return mask.to_coco() if output == "coco_rle" else mask.to_uncompressed()


def segments_from_coco(record: Any, image_id: int | None = None) -> Segments:
    """Reads one image of a COCO record (see `Segments.from_coco`)."""
    by_image = all_from_coco(record)
    if image_id is None:
        if len(by_image) != 1:
            raise FormatError(f"This COCO record holds {len(by_image)} images: say which with image_id=.")
        return next(iter(by_image.values()))[1]
    if image_id not in by_image:
        raise FormatError(
            f"This COCO record has no image with id {image_id}; it has {_some(list(by_image))}."
        )
    return by_image[image_id][1]


def all_from_coco(record: Any) -> dict[int, tuple[str, Segments]]:
    """Reads every image of a COCO record.

    Returns:
        Image id to (file name, masks), in the order of the record.

    Raises:
        FormatError: the record is malformed.
    """
    if not isinstance(record, Mapping):
        raise FormatError(
            f"A COCO record must be an object with images and annotations, got {type(record).__name__}."
        )
    names = {
        _integer(entry, "id"): _text(entry, "name")
        for entry in _entries(record, "categories", missing_is_empty=True)
    }
    sizes: dict[int, tuple[str, Size]] = {}
    for entry in _entries(record, "images"):
        size = Size(_integer(entry, "height"), _integer(entry, "width"))
        if min(size) < 1 or too_large(*size):
            raise FormatError(
                f"A COCO image has an impossible size: height {size.height}, width {size.width}."
            )
        name = entry.get("file_name", "")
        sizes[_integer(entry, "id")] = (name if isinstance(name, str) else "", size)
    found: dict[int, list[tuple[RLE, float, str | None]]] = {image_id: [] for image_id in sizes}
    for entry in _entries(record, "annotations"):
        image_id = _integer(entry, "image_id")
        if image_id not in sizes:
            raise FormatError(f"A COCO annotation speaks of image {image_id}, which is not in images.")
        mask = mask_from_coco(entry.get("segmentation"), sizes[image_id][1])
        found[image_id].append((mask, _score(entry), _label(entry, names)))
    return {
        image_id: (sizes[image_id][0], _assemble(sizes[image_id][1], rows))
        for image_id, rows in found.items()
    }


def mask_from_coco(segmentation: Any, size: Size) -> RLE:
    """Reads a COCO segmentation: RLE in either form, or a list of polygons.

    Raises:
        FormatError: it is malformed, or of another size than the picture.
    """
    if isinstance(segmentation, list):
        return union([ring_to_rle(_ring(flat), size) for flat in segmentation], size)
    mask = RLE.from_coco(segmentation)
    if mask.size != size:
        raise FormatError(
            f"An RLE of size {tuple(mask.size)} does not fit its picture of size {tuple(size)}."
        )
    return mask


def ring_to_rle(ring: npt.NDArray[np.float64], size: tuple[int, int]) -> RLE:
    """Paints a ring that comes from a file.

    Raises:
        FormatError: it is too intricate for the picture.
    """
    try:
        return polygon_to_rle(ring, size)
    except InputError as error:
        raise FormatError(str(error)) from error


def _ring(flat: Any) -> npt.NDArray[np.float64]:
    numbers = flat if isinstance(flat, list) else []
    real = all(isinstance(number, int | float) and abs(number) <= _FARTHEST for number in numbers)
    if not real or len(numbers) < 6 or len(numbers) % 2:
        raise FormatError(
            f"A COCO polygon must be a flat list of x, y, x, y, ... of at least three points, "
            f"got {_some(flat)}."
        )
    return np.array(numbers, np.float64).reshape(-1, 2)


def _assemble(size: Size, rows: list[tuple[RLE, float, str | None]]) -> Segments:
    return Segments(
        size,
        tuple(mask for mask, _, _ in rows),
        scores=np.array([score for _, score, _ in rows], np.float32),
        labels=tuple(label for _, _, label in rows),
    )


def _entries(record: Mapping[str, Any], key: str, missing_is_empty: bool = False) -> list[Mapping[str, Any]]:
    entries = record.get(key, [] if missing_is_empty else None)
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise FormatError(f"A COCO record needs {key!r}, a list of objects.")
    return entries


def _integer(entry: Mapping[str, Any], key: str) -> int:
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise FormatError(f"A COCO entry needs an integer {key!r}, got {_some(value)} in {_some(entry)}.")
    return value


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str):
        raise FormatError(f"A COCO entry needs a text {key!r}, got {_some(value)} in {_some(entry)}.")
    return value


def _score(entry: Mapping[str, Any]) -> float:
    score = entry.get("score", 1.0)
    if not isinstance(score, int | float) or isinstance(score, bool) or not abs(score) <= 1e6:
        raise FormatError(f"A COCO score must be a number, got {_some(score)}.")
    return float(score)


def _label(entry: Mapping[str, Any], names: Mapping[int, str]) -> str | None:
    category = entry.get("category_id")
    if category is None:
        return None
    if not isinstance(category, int) or (names and category not in names):
        raise FormatError(f"A COCO annotation has category {_some(category)}, which is not in categories.")
    return names.get(category)


def _some(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

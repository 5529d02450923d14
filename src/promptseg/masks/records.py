"""Plain JSON values to masks and back, without touching files: COCO instances, and the automatic generator's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar, get_args

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32
from promptseg.errors import FormatError, InputError, shorten
from promptseg.geometry import Size
from promptseg.masks.overlap import union
from promptseg.masks.raster import polygon_to_rle
from promptseg.masks.rle import RLE, too_large
from promptseg.notes import note

T = TypeVar("T", int, str)

FARTHEST = 1e9
"""No coordinate of a label file lies farther out: what does is a mistake, and sums of it would overflow."""

HALF_A_PIXEL = 0.5
"""How far simplified outlines of label files may lie off, unless something else is said."""

UNLABELLED = "object"
"""Category of masks without a label: COCO demands one."""


class CocoPicture(NamedTuple):
    """What a COCO record says of one picture.

    Attributes:
        file_name: the picture's file, or nothing.
        size: height and width.
        masks: its masks.
        scores: the score of each.
        labels: the category of each, where it has one.
    """

    file_name: str
    size: Size
    masks: list[RLE]
    scores: list[float]
    labels: list[str | None]


def coco_instances(
    pictures: Mapping[int, CocoPicture],
    segmentation: Callable[[RLE], Any] = RLE.to_coco,
    categories: Sequence[str] = (),
) -> dict[str, Any]:
    """Returns a COCO instances record; labels are numbered from 1 in the order they appear, masks likewise.

    Areas and boxes are those that pycocotools makes of the run lengths. Masks without a label share one category.

    Args:
        pictures: what to write, by the pictures' ids.
        segmentation: how a mask is written; by default as compressed run lengths.
        categories: names that have the first numbers.
    """
    used = [label or UNLABELLED for picture in pictures.values() for label in picture.labels]
    labels = dict.fromkeys([*categories, *used])
    numbers = {label: number for number, label in enumerate(labels, start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (file_name, (height, width), *rows) in pictures.items():
        images.append({"id": image_id, "file_name": file_name, "height": height, "width": width})
        for mask, score, label in zip(*rows, strict=True):
            x0, y0, x1, y1 = mask.bbox
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": numbers[label or UNLABELLED],
                    "segmentation": segmentation(mask),
                    "area": mask.area,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "iscrowd": 0,
                    "score": score,
                }
            )
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()],
    }


RecordOutput: TypeAlias = Literal["binary_mask", "uncompressed_rle", "coco_rle"]
"""How a mask is written in an automatic generator's record."""


def generator_records(
    masks: Sequence[RLE],
    scores: Float32,
    prompts: Sequence[Sequence[Any] | None],
    stability_scores: Float32 | None = None,
    crop_boxes: Float32 | None = None,
    output: RecordOutput = "coco_rle",
) -> list[dict[str, Any]]:
    """Returns one record per mask as the official automatic mask generator does (specification A1.4).

    Boxes are x, y, width and height; as in the official records, `bbox` counts from the first pixel to the last, so
    that a mask of one pixel has width 0. What is not known is None (stability_score), the whole picture (crop_box),
    or no points (point_coords).

    Raises:
        InputError: an unknown output.
    """
    if output not in get_args(RecordOutput):
        raise InputError(f"Unknown output {output!r}: expected one of {', '.join(get_args(RecordOutput))}.")
    stability: list[float | None] = [None] * len(masks)
    if stability_scores is not None:
        stability = stability_scores.tolist()
    crops = [[0, 0, mask.size.width, mask.size.height] for mask in masks]
    if crop_boxes is not None:
        crops = crop_boxes.astype(np.int64).tolist()
    records: list[dict[str, Any]] = []
    for index, mask in enumerate(masks):
        (x0, y0, x1, y1), (left, top, right, bottom) = mask.box, crops[index]
        points = prompts[index] or ()
        records.append(
            {
                "segmentation": _written(mask, output),
                "area": mask.area,
                "bbox": [x0, y0, max(x1 - x0 - 1, 0), max(y1 - y0 - 1, 0)],
                "predicted_iou": float(scores[index]),
                "point_coords": [[point.x, point.y] for point in points if point.kind == "point"],
                "stability_score": stability[index],
                "crop_box": [left, top, right - left, bottom - top],
            }
        )
    return records


def _written(mask: RLE, output: RecordOutput) -> Any:
    if output == "binary_mask":
        return mask.dense()
    return mask.to_coco() if output == "coco_rle" else mask.to_uncompressed()


def read_coco_instances(record: Any) -> dict[int, CocoPicture]:
    """Reads every picture of a COCO record.

    Returns:
        What is said of each by its id, in the order of the record.

    Raises:
        FormatError: the record is malformed.
    """
    if not isinstance(record, Mapping):
        raise FormatError(f"A COCO record must be an object with images and annotations, got {type(record).__name__}.")
    names = {
        _field(entry, "id", int): _field(entry, "name", str)
        for entry in _entries(record, "categories", missing_is_empty=True)
    }
    found: dict[int, CocoPicture] = {}
    for entry in _entries(record, "images"):
        size = Size(_field(entry, "height", int), _field(entry, "width", int))
        if min(size) < 1 or too_large(*size):
            raise FormatError(f"A COCO image has an impossible size: height {size.height}, width {size.width}.")
        name = entry.get("file_name", "")
        found[_field(entry, "id", int)] = CocoPicture(name if isinstance(name, str) else "", size, [], [], [])
    annotations, skipped = _entries(record, "annotations"), list[str]()
    for entry in annotations:
        image_id = _field(entry, "image_id", int)
        if image_id not in found:
            raise FormatError(f"A COCO annotation speaks of image {image_id}, which is not in images.")
        picture = found[image_id]
        score, label = _score(entry), _label(entry, names)
        mask = _mask_of_entry(entry.get("segmentation"), picture.size, skipped)
        if mask is not None:
            picture.masks.append(mask)
            picture.scores.append(score)
            picture.labels.append(label)
    note_skipped(skipped, len(annotations), "annotations")
    return found


def note_skipped(reasons: Sequence[str], total: int, what: str) -> None:
    """Notes that entries of a label file have no mask, and why the first of them."""
    if reasons:
        note(f"{len(reasons):,} of {total:,} {what} were skipped, for they have no mask: {reasons[0]}.")


def _mask_of_entry(segmentation: Any, size: Size, skipped: list[str]) -> RLE | None:
    """Reads a mask of a label file, without rings that enclose nothing; None if nothing is left."""
    if segmentation is None or segmentation == "":
        skipped.append("there is a box alone")
        return None
    if isinstance(segmentation, list):
        if segmentation and all(isinstance(number, int | float) for number in segmentation):
            segmentation = [segmentation]  # one ring that nobody put into a list
        whole = [ring for ring in segmentation if not isinstance(ring, list) or (len(ring) > 5 and len(ring) % 2 == 0)]
        if not whole:
            skipped.append("no polygon has three points" if segmentation else "the segmentation is empty")
            return None
        segmentation = whole
    return mask_from_coco(segmentation, size)


def mask_from_coco(segmentation: Any, size: Size) -> RLE:
    """Reads a COCO segmentation: RLE in either form, or a list of polygons.

    Raises:
        FormatError: it is malformed, or of another size than the picture.
    """
    if isinstance(segmentation, list):
        return union([ring_to_rle(_ring(flat), size) for flat in segmentation], size)
    mask = RLE.from_coco(segmentation)
    if mask.size != size:
        raise FormatError(f"An RLE of size {tuple(mask.size)} does not fit its picture of size {tuple(size)}.")
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
    real = all(isinstance(number, int | float) and abs(number) <= FARTHEST for number in numbers)
    if not real or len(numbers) < 6 or len(numbers) % 2:
        raise FormatError(
            f"A COCO polygon must be a flat list of x, y, x, y, ... of at least three points, got {shorten(flat)}."
        )
    return np.array(numbers, np.float64).reshape(-1, 2)


def _entries(record: Mapping[str, Any], key: str, missing_is_empty: bool = False) -> list[Mapping[str, Any]]:
    entries = record.get(key, [] if missing_is_empty else None)
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise FormatError(f"A COCO record needs {key!r}, a list of objects.")
    return entries


def _field(entry: Mapping[str, Any], key: str, kind: type[T]) -> T:
    value = entry.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        what = "an integer" if kind is int else "a text"
        raise FormatError(f"A COCO entry needs {what} {key!r}, got {shorten(value)} in {shorten(entry)}.")
    return value


def _score(entry: Mapping[str, Any]) -> float:
    score = entry.get("score", 1.0)
    if not isinstance(score, int | float) or isinstance(score, bool) or not abs(score) <= 1e6:
        raise FormatError(f"A COCO score must be a number, got {shorten(score)}.")
    return float(score)


def _label(entry: Mapping[str, Any], names: Mapping[int, str]) -> str | None:
    category = entry.get("category_id")
    if category is None:
        return None
    if not isinstance(category, int) or (names and category not in names):
        raise FormatError(f"A COCO annotation has category {shorten(category)}, which is not in categories.")
    return names.get(category)

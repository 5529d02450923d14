"""COCO's annotations: instances, panoptic segments (also as semantic truth), and LVIS, which looks much the same."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PIL
from PIL import ImageDraw

from promptseg.arrays import Int32
from promptseg.datasets.layouts.layout import Content, Layout, Reader, picture_in
from promptseg.datasets.samples import UNKNOWN, PanopticTruth, Sample, Target
from promptseg.errors import FormatError, UnavailableError
from promptseg.formats.panoptic import numbers
from promptseg.formats.png import read_pixels
from promptseg.formats.reading import read_json
from promptseg.geometry import Size
from promptseg.masks.rle import RLE
from promptseg.vocabulary import Category

_BEYOND = 16
"""How many pictures beyond its own a polygon may reach."""

_FINER = 5
"""Slivers are drawn so many times finer to see which pixels they touch."""

_INSTANCES_FIELDS = (
    "expected images with id, file_name, height and width; annotations with id, image_id, category_id and "
    "segmentation; categories with id and name."
)


def find_instances(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `instances.json` with `images/`, and `annotations/instances_<split>.json` with the pictures."""
    return _reader(root, "instances", split, _read_instances)


def find_lvis(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `lvis_v1_<split>.json`, also inside `annotations/`, with COCO's folders of pictures."""
    files = sorted(
        [*root.glob("lvis_v*.json"), *(root / "annotations").glob("lvis_v*.json")],
        key=lambda path: ("val" not in path.stem, path),
    )
    chosen = [path for path in files if split is None or path.stem.endswith(split)]
    return (lambda: _read_instances(chosen[0], root)) if chosen else None


def find_panoptic(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `panoptic.json` and `annotations/panoptic_<split>.json`, each with a folder of PNG files."""
    return _reader(root, "panoptic", split, _read_panoptic)


def _reader(root: Path, kind: str, split: str | None, read: Callable[[Path, Path], Content]) -> Reader | None:
    """Finds the annotation file and the picture folder, which `read` takes; a validation split goes before others."""
    single = root / f"{kind}.json"
    if single.is_file() and (root / "images").is_dir():
        return partial(read, single, root / "images")
    splits = sorted((root / "annotations").glob(f"{kind}_*.json"), key=lambda path: ("val" not in path.stem, path))
    for annotations in splits:
        name = annotations.stem.removeprefix(f"{kind}_")
        if split is not None and not name.startswith(split):
            continue
        for pictures in (root / name, root / "images" / name, root / "images"):
            if pictures.is_dir():
                return partial(read, annotations, pictures)
    return None


def _read_instances(annotations: Path, pictures: Path) -> Content:
    """Reads every instance, pictures by file name, objects by annotation id; crowds are kept apart.

    Args:
        annotations: the JSON file of COCO or LVIS.
        pictures: the folder of pictures; for LVIS the one that holds `train2017/` and `val2017/`.

    Raises:
        FormatError: the file is not JSON, or a field is missing or wrong.
    """
    content = read_json(annotations)
    try:
        categories = _categories(content)
        names = {category.id: category.name for category in categories}
        frequencies = {
            str(record["name"]): str(record["frequency"]) for record in content["categories"] if "frequency" in record
        }
        by_picture: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
        for record in content["annotations"]:
            by_picture[record["image_id"]].append(record)
        samples = [
            _sample(record, by_picture.get(record["id"], []), names, pictures)
            for record in sorted(content["images"], key=_file_name)
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise FormatError(f"{annotations}: {error}") from error
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise FormatError(f"{annotations} is not a COCO instances file ({what}): {_INSTANCES_FIELDS}") from error
    return Content(tuple(samples), categories, frequencies)


def _file_name(record: Mapping[str, Any]) -> str:
    """Returns the file of a picture; LVIS has it only at the end of an address."""
    if "file_name" in record:
        return str(record["file_name"])
    return "/".join(str(record["coco_url"]).split("/")[-2:])


def _sample(
    record: Mapping[str, Any], objects: list[Mapping[str, Any]], names: Mapping[int, str], pictures: Path
) -> Sample:
    size = Size(int(record["height"]), int(record["width"]))
    ordered = sorted(objects, key=lambda item: item["id"])
    single = [item for item in ordered if not item.get("iscrowd", 0)]
    crowds = [item for item in ordered if item.get("iscrowd", 0)]
    file_name = _file_name(record)
    path = picture_in(pictures, file_name)
    return Sample(
        path if path.exists() else pictures / Path(file_name).name,
        Path(file_name).stem,
        tuple(target_of(item, names[item["category_id"]], size) for item in single),
        tuple(target_of(item, names[item["category_id"]], size) for item in crowds),
        absent=tuple(names[number] for number in record.get("neg_category_ids", ())),
        partial=tuple(names[number] for number in record.get("not_exhaustive_category_ids", ())),
    )


def _categories(content: Any) -> tuple[Category, ...]:
    return tuple(
        Category(int(record["id"]), str(record["name"]), bool(record.get("isthing", 1)))
        for record in content["categories"]
    )


def target_of(record: Mapping[str, Any], category: str, size: Size) -> Target:
    """Makes a target of a COCO annotation.

    Raises:
        FormatError: its mask is malformed.
    """
    segmentation = record["segmentation"]
    name = f"{category} {record['id']}"
    if isinstance(segmentation, Mapping):
        rle = RLE.from_coco(dict(segmentation))  # type: ignore[arg-type]
        return Target(name, int(record.get("area", rle.area)), rle, label=category)
    if not isinstance(segmentation, list):
        raise FormatError(f"annotation {record['id']} has neither polygons nor RLE: {str(segmentation)[:60]!r}.")
    source = _polygons(record["id"], segmentation, size)
    return Target(name, int(record["area"]), source, label=category)


def _polygons(identity: object, polygons: list[Any], size: Size) -> Callable[[], RLE]:
    """Returns a function that fills the polygons (flat lists of x, y) by COCO's own rule, when it is called."""

    def fill() -> RLE:
        api = require_coco().mask
        try:
            parts = api.frPyObjects([_near(polygon, size) for polygon in polygons], size.height, size.width)
            filled = RLE.from_coco(api.merge(parts))
            # A sliver may have no pixel by that rule; it then has the pixels that it touches.
            return filled if filled.area else _touched(polygons, size)
        except (TypeError, ValueError, IndexError) as error:
            raise FormatError(f"Annotation {identity} has a polygon that cannot be drawn: {error}.") from error

    return fill


def _near(polygon: Any, size: Size) -> list[float]:
    """Returns the numbers of a polygon; those far beyond the picture, which C code would draw to the end, are refused.

    Raises:
        ValueError: one is not finite, or lies more than `_BEYOND` pictures away.
    """
    values = [float(value) for value in polygon]
    far = _BEYOND * max(size)
    for value in values:
        if not -far <= value <= far:
            raise ValueError(f"{value} is no place in or near a picture of {size.width} x {size.height} pixels")
    return values


def _touched(polygons: list[Any], size: Size) -> RLE:
    canvas = PIL.new("1", (size.width * _FINER, size.height * _FINER))
    draw = ImageDraw.Draw(canvas)
    for polygon in polygons:
        draw.polygon([float(value) * _FINER - 0.5 for value in polygon], fill=1)
    fine = np.asarray(canvas, bool).reshape(size.height, _FINER, size.width, _FINER)
    return RLE.encode(np.asarray(fine.any(axis=(1, 3))))


def require_coco() -> Any:
    """Returns `faster_coco_eval`.

    Raises:
        UnavailableError: it is not installed.
    """
    try:
        import faster_coco_eval
    except ImportError as error:
        raise UnavailableError.extra("faster-coco-eval", "evaluate") from error
    return faster_coco_eval


def _read_panoptic(annotations: Path, pictures: Path) -> Content:
    """Reads COCO panoptic: segments as panoptic truth, and the class of each pixel as semantic truth.

    Raises:
        FormatError: the file is not JSON, or a field is missing or wrong.
    """
    content = read_json(annotations)
    folder = annotations.with_suffix("")
    try:
        categories = _categories(content)
        places = {category.id: place for place, category in enumerate(categories)}
        files = {record["id"]: str(record["file_name"]) for record in content.get("images", ())}
        samples = [
            _panoptic_sample(record, files, folder, pictures, places)
            for record in sorted(content["annotations"], key=lambda item: str(item["file_name"]))
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise FormatError(f"{annotations}: {error}") from error
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise FormatError(
            f"{annotations} is not a COCO panoptic file ({what}): expected annotations with image_id, file_name and "
            "segments_info; categories with id, name and isthing."
        ) from error
    return Content(tuple(samples), categories)


def _panoptic_sample(
    record: Mapping[str, Any], files: Mapping[Any, str], folder: Path, pictures: Path, places: Mapping[int, int]
) -> Sample:
    png = str(record["file_name"])
    if Path(png).name != png:
        raise ValueError(f"the name of a PNG file must be plain, got {png!r}")
    stem = Path(png).stem
    picture = picture_in(pictures, files.get(record["image_id"], f"{stem}.jpg"))
    infos = [
        (int(info["id"]), places[info["category_id"]], bool(info.get("iscrowd", 0))) for info in record["segments_info"]
    ]

    def panoptic() -> PanopticTruth:
        return _read_truth(folder / png, infos)

    def semantic() -> Int32:
        truth = panoptic()
        return np.array([UNKNOWN, *truth.classes], np.int32)[truth.numbers]

    return Sample(picture, stem, (), panoptic=panoptic, semantic=semantic)


def _read_truth(path: Path, infos: list[tuple[int, int, bool]]) -> PanopticTruth:
    pixels = read_pixels(path)
    if pixels.ndim != 3 or pixels.shape[2] < 3:
        raise FormatError(f"{path} has no colours; panoptic PNG files number segments by colour.")
    drawn = numbers(pixels[..., :3])
    known = np.array([0, *(number for number, _, _ in infos)])
    order = np.argsort(known)
    place = np.clip(np.searchsorted(known[order], drawn), 0, len(known) - 1)
    if (known[order][place] != drawn).any():
        raise FormatError(f"{path} has segments that its JSON file does not list.")
    return PanopticTruth(
        numbers=order[place].astype(np.int32),
        classes=tuple(place for _, place, _ in infos),
        crowds=tuple(crowd for _, _, crowd in infos),
    )


_INSTANCES = "instances.json + images/, or annotations/instances_<split>.json + <split>/ (COCO instances)"
_PANOPTIC = "panoptic.json + panoptic/, or annotations/panoptic_<split>.json"

LAYOUTS = (
    Layout("lvis", "objects", "lvis_v1_<split>.json + COCO pictures", find_lvis),
    Layout("coco", "objects", _INSTANCES, find_instances),
    Layout("coco", "semantic", _PANOPTIC, find_panoptic),
    Layout("coco", "panoptic", _PANOPTIC, find_panoptic),
)

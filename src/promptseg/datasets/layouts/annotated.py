"""Folders of pictures with a file of objects each: YOLO segmentation, numbered objects, SA-1B, labelme."""

from pathlib import Path

from promptseg.datasets.layouts.layout import Content, Layout, Reader, evenly, one_of, picture_in
from promptseg.datasets.layouts.pictures import instance_targets, pictures_in, read_class_names, read_pairs
from promptseg.datasets.samples import Sample, Target
from promptseg.errors import FormatError
from promptseg.formats.classes import names_in_yaml
from promptseg.formats.labelme import read_labelme
from promptseg.formats.reading import read_json, read_text
from promptseg.formats.sa1b import read_sa1b
from promptseg.formats.yolo import read_yolo
from promptseg.images import PICTURE_SUFFIXES, Image
from promptseg.masks.segments import Segments


def find_instances(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/` with `instances/*.png`: object numbers, 0 background."""
    del split
    if (root / "images").is_dir() and any((root / "instances").rglob("*.png")):
        return lambda: Content(read_pairs(root / "images", root / "instances", instance_targets))
    return None


def find_sa1b(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `sa_<number>.json` beside `sa_<number>.jpg`."""
    del split
    files = sorted(root.glob("sa_*.json"))
    return (lambda: Content(tuple(_sa1b_sample(file) for file in files))) if files else None


def find_labelme(root: Path, split: str | None = None) -> Reader | None:
    """Recognises JSON files with `shapes` and `imagePath`."""
    del split
    files = sorted(root.glob("*.json"))
    looks = any(_is_labelme(file) for file in files[:3])
    return (lambda: Content(tuple(_labelme_sample(file) for file in files))) if looks else None


def find_yolo(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/` with `labels/*.txt`, also split as `images/val/`; names in `data.yaml` or `classes.txt`."""
    name = split or "val"
    for pictures, labels in (
        (root / "images" / name, root / "labels" / name),
        (root / name / "images", root / name / "labels"),
        (root / "images", root / "labels"),
    ):
        if pictures.is_dir() and any(labels.glob("*.txt")):
            return lambda pair=(pictures, labels): _read_yolo(root, *pair)
    return None


def _sa1b_sample(path: Path) -> Sample:
    record = read_sa1b(path)
    return Sample(path.with_name(Path(record.file_name).name), path.stem, _targets(record.segments, "mask"))


def _is_labelme(path: Path) -> bool:
    record = read_json(path)
    return isinstance(record, dict) and "shapes" in record and "imagePath" in record


def _labelme_sample(path: Path) -> Sample:
    segments, record = read_labelme(path), read_json(path)
    try:
        picture = picture_in(path.parent, str(record["imagePath"]))
    except FormatError:
        picture = _picture_of(path)
    if not picture.is_file():
        picture = _picture_of(path)
    return Sample(picture, path.stem, _targets(segments, "object"))


def _picture_of(label: Path) -> Path:
    for suffix in sorted(PICTURE_SUFFIXES):
        if label.with_suffix(suffix).is_file():
            return label.with_suffix(suffix)
    raise FormatError(f"{label} has no picture of the same name beside it.")


def _read_yolo(root: Path, pictures: Path, labels: Path) -> Content:
    names = _yolo_names(root)
    known = pictures_in(pictures)
    samples: list[Sample] = []
    for label in sorted(labels.glob("*.txt")):
        if label.stem == "classes" and label.stem not in known:
            continue
        if label.stem not in known:
            raise FormatError(f"{label} has no picture: expected {pictures / label.stem} with a picture suffix.")
        picture = known[label.stem]
        segments = read_yolo(label, Image.open(picture).size, names or None)
        samples.append(Sample(picture, label.stem, _targets(segments, "object")))
    return Content(tuple(samples), evenly(tuple(names)))


def _yolo_names(root: Path) -> list[str]:
    """Returns the classes from `data.yaml` (a list, or numbered lines), `classes.txt` or `classes.json`."""
    for file in (*sorted(root.glob("*.yaml")), *sorted(root.glob("*.yml"))):
        names = names_in_yaml(read_text(file), str(file))
        if names:
            return names
    folder = one_of(root, "labels") or root
    for file in (root / "classes.txt", folder / "classes.txt"):
        if file.is_file():
            return [line.strip() for line in read_text(file).splitlines() if line.strip()]
    return read_class_names(root / "classes.json")


def _targets(segments: Segments, what: str) -> tuple[Target, ...]:
    return tuple(
        Target(f"{label or what} {number}", mask.area, mask, label=label)
        for number, (mask, label) in enumerate(zip(segments.masks, segments.labels, strict=True), start=1)
        if mask.area
    )


_INSTANCES = "images/ + instances/*.png (object numbers, 0 background)"

LAYOUTS = (
    Layout("yolo", "objects", "images/ + labels/*.txt with data.yaml (YOLO segmentation)", find_yolo),
    Layout("instances", "objects", _INSTANCES, find_instances),
    Layout("sa1b", "objects", "sa_<number>.jpg + sa_<number>.json (SA-1B)", find_sa1b),
    Layout("labelme", "objects", "pictures + labelme JSON files", find_labelme),
)

"""RefCOCO, RefCOCO+ and RefCOCOg: phrases for objects of COCO pictures."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptseg.datasets.layouts.coco import target_of
from promptseg.datasets.layouts.layout import Content, Layout, Reader, picture_in
from promptseg.datasets.layouts.plain_pickle import read_plain_pickle
from promptseg.datasets.samples import Sample, Target
from promptseg.errors import FormatError
from promptseg.formats.reading import read_json
from promptseg.geometry import Size

_PICTURES = (
    *("images/mscoco/images/train2014", "images/train2014", "train2014", "images"),
    *("../images/mscoco/images/train2014", "../images/train2014", "../train2014", "../images"),
)


def find_refcoco(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `refs(unc).p` (or `.json`, any partition's name in the brackets) with `instances.json`."""
    for base in (root, *sorted(path for path in root.glob("refcoco*") if path.is_dir())):
        refs = sorted([*base.glob("refs(*).json"), *base.glob("refs(*).p")], key=_order)
        if refs and (base / "instances.json").is_file():
            return lambda base=base, refs=refs[0]: _read(base, refs, split or "val")
    return None


def _order(path: Path) -> tuple[bool, bool, str]:
    """JSON first; of RefCOCOg's partitions that of UMD, whose pictures do not overlap."""
    return path.suffix != ".json", "google" in path.stem, path.name


def _read(base: Path, refs: Path, split: str) -> Content:
    content = read_json(base / "instances.json")
    records = read_json(refs) if refs.suffix == ".json" else read_plain_pickle(_bytes(refs), str(refs))
    try:
        names = {record["id"]: str(record["name"]) for record in content["categories"]}
        images = {record["id"]: record for record in content["images"]}
        annotations = {record["id"]: record for record in content["annotations"]}
        chosen = [record for record in records if record["split"] == split]
        if not chosen:
            known = ", ".join(sorted({str(record["split"]) for record in records}))
            raise FormatError(f"{refs} has no split {split!r}: known are {known}.")
        by_picture: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
        for record in chosen:
            by_picture[record["image_id"]].append(record)
        samples = [_sample(images[image], by_picture[image], annotations, names, base) for image in sorted(by_picture)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise FormatError(
            f"{refs} and {base / 'instances.json'} are not RefCOCO files ({what}): expected refs with ref_id, ann_id, "
            "image_id, split and sentences with sent; and COCO instances."
        ) from error
    return Content(tuple(samples))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"Cannot read {path}: {error.strerror or error}.") from error


def _sample(
    image: Mapping[str, Any],
    refs: list[Mapping[str, Any]],
    annotations: Mapping[Any, Mapping[str, Any]],
    names: Mapping[Any, str],
    base: Path,
) -> Sample:
    size = Size(int(image["height"]), int(image["width"]))
    file_name = str(image["file_name"])
    picture_in(base, file_name)
    folders = [base / place for place in _PICTURES if (base / place / file_name).is_file()]
    targets: list[Target] = []
    for ref in sorted(refs, key=lambda item: item["ref_id"]):
        record = annotations[ref["ann_id"]]
        target = target_of(record, names[record["category_id"]], size)
        phrases = tuple(str(sentence["sent"]) for sentence in ref["sentences"])
        targets.append(Target(f"ref {ref['ref_id']}", target.area, target.source, label=target.label, phrases=phrases))
    picture = (folders[0] if folders else base / "images") / file_name
    return Sample(picture, Path(file_name).stem, tuple(targets))


_FORM = "refs(unc).p or .json + instances.json + COCO train2014"

LAYOUTS = (Layout("refcoco", "phrases", _FORM, find_refcoco),)

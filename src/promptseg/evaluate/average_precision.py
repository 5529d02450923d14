"""Average precision of masks by the protocols of COCO and LVIS, computed by faster-coco-eval.

COCO: at most 100 masks per picture and class, AP over IoU 0.5 to 0.95, by size; crowds count neither for nor against.
LVIS: at most 300 masks per picture over all classes; a class counts only on pictures where it is labelled or known to
be absent, and where labelling is not exhaustive, further masks are not wrong; AP by how frequent classes are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from promptseg.datasets.layouts.coco import require_coco
from promptseg.datasets.samples import Dataset
from promptseg.errors import InputError
from promptseg.evaluate.rows import Row
from promptseg.masks.rle import RLE

Protocol: TypeAlias = Literal["coco", "lvis"]
PROTOCOLS: tuple[Protocol, ...] = ("coco", "lvis")


def check_protocol(protocol: str | None) -> None:
    """Raises InputError unless a protocol is known, or left open."""
    if protocol is not None and protocol not in PROTOCOLS:
        raise InputError(f"Unknown protocol {protocol!r}: expected {' or '.join(PROTOCOLS)}.")


MOST: dict[str, int] = {"coco": 100, "lvis": 300}
"""Masks per picture that count."""

_FREQUENCIES = {"APr": "r", "APc": "c", "APf": "f"}


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One found mask.

    Attributes:
        picture: the name of its picture.
        label: the name of its class.
        score: how sure the contestant is.
        mask: the mask, or COCO's record of it.
    """

    picture: str
    label: str
    score: float
    mask: RLE | Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Average precisions and recalls, each in [0, 1], NaN where nothing is to be found.

    Attributes:
        values: by name: AP, AP50, AP75, APs, APm, APl, AR; for LVIS also APr, APc, APf.
        per_class: AP by the name of the class.
    """

    values: Mapping[str, float]
    per_class: Mapping[str, float]


def average_precision(
    dataset: Dataset,
    detections: Sequence[Detection],
    *,
    protocol: Protocol = "coco",
    truths: Mapping[str, Mapping[str, RLE]] | None = None,
    classless: bool = False,
) -> Precision:
    """Computes average precision over the pictures of a dataset.

    Args:
        dataset: the truth; targets need labels.
        detections: what was found.
        protocol: "coco" or "lvis".
        truths: true masks that are decoded already, by picture and target.
        classless: whether classes are left aside.

    Raises:
        InputError: an unknown protocol, or a detection of an unknown picture or class.
        UnavailableError: faster-coco-eval is not installed.
    """
    check_protocol(protocol)
    api = require_coco()
    classes = _class_ids(dataset)
    pictures = {sample.name: number for number, sample in enumerate(dataset.samples, start=1)}
    truth = api.COCO(_truth_record(dataset, classes, pictures, truths or {}, protocol))
    found = _found_records(detections, classes, pictures)
    if protocol == "lvis":
        found = _where_known(_best_of_each_picture(found, MOST["lvis"]), dataset, classes, pictures)
    if not found:
        return _nothing(dataset, protocol)
    evaluator = api.COCOeval_faster(
        truth,
        truth.loadRes(found),
        "segm",
        print_function=_say_nothing,
        lvis_style=protocol == "lvis",
        rle_iou_max_workers=1,
    )
    evaluator.params.maxDets = [1, 10, MOST[protocol]] if protocol == "coco" else [MOST[protocol]]
    evaluator.params.useCats = int(not classless)
    evaluator.evaluate()
    evaluator.accumulate()
    return _summed(evaluator, classes, dataset, protocol, classless)


def _class_ids(dataset: Dataset) -> dict[str, int]:
    names = dict.fromkeys(dataset.class_names)
    for sample in dataset.samples:
        for target in (*sample.targets, *sample.crowds):
            names.setdefault(target.label or "object")
    return {name: number for number, name in enumerate(names, start=1)}


def _truth_record(
    dataset: Dataset,
    classes: Mapping[str, int],
    pictures: Mapping[str, int],
    truths: Mapping[str, Mapping[str, RLE]],
    protocol: Protocol,
) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for sample in dataset.samples:
        known = truths.get(sample.name, {})
        image: dict[str, Any] = {"id": pictures[sample.name], "height": 1, "width": 1}
        if protocol == "lvis":
            image["neg_category_ids"] = [classes[name] for name in sample.absent]
            image["not_exhaustive_category_ids"] = [classes[name] for name in sample.partial]
        for number, target in enumerate((*sample.targets, *sample.crowds)):
            mask = known.get(target.name) or target.rle()
            image["height"], image["width"] = mask.size
            x0, y0, x1, y1 = mask.bbox
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": classes[target.label or "object"],
                    "segmentation": mask.to_coco(),
                    "area": target.area,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "iscrowd": int(number >= len(sample.targets)),
                }
            )
        images.append(image)
    categories = [
        {"id": number, "name": name, "frequency": dataset.frequencies.get(name, "f")}
        for name, number in classes.items()
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def _found_records(
    detections: Sequence[Detection], classes: Mapping[str, int], pictures: Mapping[str, int]
) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for each in detections:
        if each.picture not in pictures or each.label not in classes:
            raise InputError(
                f"A mask of {each.label!r} on {each.picture!r} belongs to no picture or class of the dataset."
            )
        mask = each.mask.to_coco() if isinstance(each.mask, RLE) else dict(each.mask)
        # No box: with one, the area of the box would decide about the size of the mask.
        records.append(
            {
                "image_id": pictures[each.picture],
                "category_id": classes[each.label],
                "segmentation": mask,
                "score": float(each.score),
            }
        )
    return records


def _best_of_each_picture(records: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Keeps the best masks of each picture over all classes, as LVIS does."""
    by_picture: dict[int, list[dict[str, Any]]] = {}
    for record in records:
        by_picture.setdefault(record["image_id"], []).append(record)
    kept: list[dict[str, Any]] = []
    for some in by_picture.values():
        kept += sorted(some, key=lambda record: -record["score"])[:most]
    return kept


def _where_known(
    records: list[dict[str, Any]], dataset: Dataset, classes: Mapping[str, int], pictures: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Keeps the masks of classes that are labelled in their picture, or known to be absent there."""
    known = {
        (pictures[sample.name], classes[name])
        for sample in dataset.samples
        for name in (*sample.absent, *(target.label or "object" for target in sample.targets))
    }
    return [record for record in records if (record["image_id"], record["category_id"]) in known]


def _nothing(dataset: Dataset, protocol: Protocol) -> Precision:
    """Nothing was found: every precision is 0 where there is something to be found."""
    labels = {target.label or "object" for sample in dataset.samples for target in sample.targets}
    empty = 0.0 if labels else float("nan")
    names = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR", *(_FREQUENCIES if protocol == "lvis" else ())]
    return Precision(values=dict.fromkeys(names, empty), per_class=dict.fromkeys(sorted(labels), 0.0))


def _summed(
    evaluator: Any, classes: Mapping[str, int], dataset: Dataset, protocol: Protocol, classless: bool
) -> Precision:
    """Averages precision over the classes that occur: axes are IoU, recall, class, size, number of masks."""
    precision, recall = evaluator.eval["precision"], evaluator.eval["recall"]
    sizes = {"": 0, "s": 1, "m": 2, "l": 3}
    values = {f"AP{name}": _mean(precision[:, :, :, size, -1]) for name, size in sizes.items()}
    values["AP50"], values["AP75"] = _mean(precision[0, :, :, 0, -1]), _mean(precision[5, :, :, 0, -1])
    values["AR"] = _mean(recall[:, :, 0, -1])
    order = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR"]
    names = sorted(classes, key=classes.__getitem__)
    per_class = (
        {}
        if classless
        else {
            name: value
            for place, name in enumerate(names)
            if not math.isnan(value := _mean(precision[:, :, place, 0, -1]))
        }
    )
    if protocol == "lvis":
        for key, frequency in _FREQUENCIES.items():
            places = [n for n, name in enumerate(names) if dataset.frequencies.get(name, "f") == frequency]
            values[key] = _mean(precision[:, :, places, 0, -1]) if places else float("nan")
            order.append(key)
    return Precision(values={name: values[name] for name in order}, per_class=per_class)


def _mean(values: Any) -> float:
    known = values[values > -1]
    return float(known.mean()) if known.size else float("nan")


def precision_of(dataset: Dataset, rows: Sequence[Row], protocol: Protocol | None) -> Precision:
    """Returns the mask AP over the pictures that were asked about.

    Args:
        dataset: the truth.
        rows: with the values "labels", "scores" and "masks" (COCO RLE), as long as one another.
        protocol: None: LVIS's for LVIS, else COCO's.
    """
    names = {row.picture for row in rows}
    part = replace(dataset, samples=tuple(each for each in dataset.samples if each.name in names))
    detections = [
        Detection(row.picture, label, score, mask)
        for row in rows
        for label, score, mask in zip(row.values["labels"], row.values["scores"], row.values["masks"], strict=True)
    ]
    used: Protocol = protocol or ("lvis" if dataset.layout == "lvis" else "coco")
    return average_precision(part, detections, protocol=used)


def _say_nothing(*_: object) -> None:
    """The evaluator's own prints are not wanted."""

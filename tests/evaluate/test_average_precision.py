"""Average precision against pycocotools, and LVIS's rules against a plain reading of them."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fakes_for_evaluate import disc, picture
from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.errors import InputError
from promptseg.evaluate.average_precision import Detection, average_precision
from promptseg.masks.overlap import iou_matrix
from promptseg.masks.rle import RLE
from promptseg.vocabulary import Category

SIZE = (180, 240)
NAMES = ("cat", "dog", "fox")


def random_case(seed, tmp_path, crowds=True, lvis=False):
    """Pictures with discs of three classes, and detections near them, of right and wrong classes."""
    random = np.random.default_rng(seed)
    samples, detections = [], []
    for number in range(6):
        name = f"p{number}"
        targets, crowd = [], []
        for position in range(random.integers(0, 7)):
            x, y, radius = random.uniform(10, 230), random.uniform(10, 170), random.choice([6.0, 14, 30, 55])
            label = NAMES[random.integers(3)]
            rle = RLE.encode(disc(*SIZE, x, y, radius))
            group = crowd if crowds and random.random() < 0.15 else targets
            group.append(Target(f"{label} {position}", rle.area, rle, label=label))
            for _ in range(random.integers(0, 4)):
                dx, dy = random.normal(0, radius / 6, 2)
                mask = RLE.encode(disc(*SIZE, x + dx, y + dy, radius * random.uniform(0.8, 1.15)))
                other = NAMES[random.integers(3)] if random.random() < 0.2 else label
                detections.append(Detection(name, other, float(random.random()), mask))
        for _ in range(2):
            mask = RLE.encode(disc(*SIZE, *random.uniform(20, 160, 2), 12))
            detections.append(Detection(name, NAMES[random.integers(3)], float(random.random()), mask))
        present = {target.label for target in targets}
        absent = tuple(each for each in NAMES if each not in present and random.random() < 0.5)
        partial = tuple(each for each in sorted(present) if random.random() < 0.4)
        sample = Sample(tmp_path / f"{name}.png", name, tuple(targets), tuple(crowd))
        if lvis:
            sample = Sample(sample.picture, name, tuple(targets), absent=absent, partial=partial)
        samples.append(sample)
    categories = tuple(Category(number, name, True) for number, name in enumerate(NAMES, start=1))
    frequencies = {"cat": "r", "dog": "f", "fox": "c"}
    layout = "lvis" if lvis else "coco"
    return Dataset("d", layout, tuple(samples), categories, frequencies), detections


def official(dataset, detections):
    """The twelve numbers of pycocotools."""
    annotations, results, pictures = [], [], {}
    for image, sample in enumerate(dataset.samples, start=1):
        pictures[sample.name] = image
        for crowd, group in enumerate((sample.targets, sample.crowds)):
            for target in group:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image,
                        "category_id": NAMES.index(target.label) + 1,
                        "segmentation": target.rle().to_coco(),
                        "area": target.area,
                        "bbox": [0, 0, 1, 1],
                        "iscrowd": crowd,
                    }
                )
    for each in detections:
        results.append(
            {
                "image_id": pictures[each.picture],
                "category_id": NAMES.index(each.label) + 1,
                "segmentation": each.mask.to_coco(),
                "score": each.score,
            }
        )
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image, "height": SIZE[0], "width": SIZE[1]} for image in pictures.values()],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(NAMES, start=1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@pytest.mark.parametrize("seed", range(12))
def test_it_is_pycocotools(seed, tmp_path):
    dataset, detections = random_case(seed, tmp_path)
    ours = average_precision(dataset, detections).values
    stats = official(dataset, detections)
    expected = dict(zip(("AP", "AP50", "AP75", "APs", "APm", "APl"), stats[:6], strict=True)) | {"AR": stats[8]}
    for name, value in expected.items():
        wanted = np.nan if value == -1 else value
        assert ours[name] == pytest.approx(wanted, abs=1e-6, nan_ok=True), name
    assert 0 < ours["AP"] < 1


def lvis_by_hand(dataset, detections):
    """AP per class by LVIS's rules, read plainly: greedy matching, 101 recalls, no sizes."""
    found = {}
    for sample in dataset.samples:
        some = [each for each in detections if each.picture == sample.name]
        found[sample.name] = sorted(some, key=lambda each: -each.score)[:300]
    result = {}
    for label in NAMES:
        if not any(target.label == label for sample in dataset.samples for target in sample.targets):
            continue
        per_threshold = []
        for threshold in np.linspace(0.5, 0.95, 10):
            judged, wanted = [], 0
            for sample in dataset.samples:
                truth = [target for target in sample.targets if target.label == label]
                if not truth and label not in sample.absent:
                    continue
                wanted += len(truth)
                mine = [each for each in found[sample.name] if each.label == label]
                overlaps = iou_matrix([each.mask for each in mine], [each.rle() for each in truth])
                free = set(range(len(truth)))
                for row, each in enumerate(mine):
                    best = max(free, key=lambda column: overlaps[row, column], default=None)
                    if best is not None and overlaps[row, best] >= threshold:
                        free.discard(best)
                        judged.append((each.score, True))
                    elif label not in sample.partial:
                        judged.append((each.score, False))
            judged.sort(key=lambda pair: -pair[0])
            right = np.cumsum([good for _, good in judged])
            precision = right / np.arange(1, len(judged) + 1)
            recall = right / wanted
            precision = np.maximum.accumulate(precision[::-1])[::-1] if len(judged) else precision
            at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
            per_threshold.append(np.mean([precision[i] if i < len(precision) else 0 for i in at]))
        result[label] = float(np.mean(per_threshold))
    return result


@pytest.mark.parametrize("seed", range(8))
def test_lvis_rules(seed, tmp_path):
    dataset, detections = random_case(seed, tmp_path, crowds=False, lvis=True)
    ours = average_precision(dataset, detections, protocol="lvis")
    expected = lvis_by_hand(dataset, detections)
    assert ours.per_class == pytest.approx(expected, abs=1e-6)
    assert ours.values["AP"] == pytest.approx(np.mean(list(expected.values())), abs=1e-6)
    for key, label in {"APr": "cat", "APf": "dog", "APc": "fox"}.items():
        assert ours.values[key] == pytest.approx(expected.get(label, np.nan), abs=1e-6, nan_ok=True)


def test_nothing_found_and_nothing_to_find(tmp_path):
    dataset, _ = random_case(0, tmp_path)
    assert average_precision(dataset, []).values["AP"] == 0
    empty = Dataset("d", "coco", (Sample(picture(tmp_path / "a.png"), "a", ()),), dataset.categories)
    assert np.isnan(average_precision(empty, []).values["AP"])


def test_refusals(tmp_path):
    dataset, detections = random_case(0, tmp_path)
    mask = detections[0].mask
    with pytest.raises(InputError, match="'bird' on 'p0' belongs to no picture or class"):
        average_precision(dataset, [Detection("p0", "bird", 1.0, mask)])
    with pytest.raises(InputError, match="Unknown protocol 'voc'"):
        average_precision(dataset, detections, protocol="voc")

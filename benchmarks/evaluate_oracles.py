"""Our measures beside their oracles on real labels: pycocotools, torchmetrics, panopticapi's definition read plainly.

    python benchmarks/evaluate_oracles.py DEV

Answers are the true labels, moved, renamed and damaged at random, so that no model is needed. Prints the largest
difference of each measure; all must be below 1e-6.
"""

import argparse
import contextlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from promptseg.datasets.samples import PanopticTruth
from promptseg.evaluate import DatasetSource
from promptseg.evaluate.average_precision import Detection, average_precision
from promptseg.evaluate.tasks.panoptic import count_matches
from promptseg.evaluate.tasks.semantic import count_pixels
from promptseg.masks.rle import RLE

Random = np.random.Generator


def precision(dev: Path, random: Random, pictures: int) -> float:
    """Returns the largest difference of AP and AR to pycocotools on COCO's instances."""
    dataset = DatasetSource(path=str(dev / "coco"), keep_empty=True, count="pictures", limit=pictures)()
    names = dataset.class_names
    detections: list[Detection] = []
    for sample in dataset.samples:
        for target in sample.targets:
            for _ in range(random.integers(0, 3)):
                moved = np.roll(target.mask(), tuple(random.integers(-4, 5, 2)), (0, 1))
                label = target.label if random.random() < 0.85 else names[random.integers(len(names))]
                if moved.any():
                    mask = RLE.encode(moved)
                    detections.append(Detection(sample.name, str(label), float(random.random()), mask))
    ours = average_precision(dataset, detections).values
    record = json.loads((dev / "coco/instances.json").read_text())
    kept = {int(sample.name) for sample in dataset.samples}
    record["images"] = [each for each in record["images"] if each["id"] in kept]
    record["annotations"] = [each for each in record["annotations"] if each["image_id"] in kept]
    numbers = {each["name"]: each["id"] for each in record["categories"]}
    found = [
        {
            "image_id": int(each.picture),
            "category_id": numbers[each.label],
            "segmentation": each.mask.to_coco(),
            "score": each.score,
        }
        for each in detections
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = record
        truth.createIndex()
        official = COCOeval(truth, truth.loadRes(found), "segm")
        official.evaluate()
        official.accumulate()
        official.summarize()
    expected = dict(zip(("AP", "AP50", "AP75", "APs", "APm", "APl"), official.stats[:6], strict=True))
    expected["AR"] = official.stats[8]
    print(f"AP: {len(dataset.samples)} pictures, {len(detections)} masks, AP {ours['AP']:.6f}")
    return max(abs(ours[name] - value) for name, value in expected.items())


def panoptic(dev: Path, random: Random, pictures: int) -> float:
    """Returns the largest difference of any count to panopticapi's definition on COCO's panoptic labels."""
    dataset = DatasetSource(path=str(dev / "coco"), truth="panoptic", count="pictures", limit=pictures)()
    classes, worst = len(dataset.categories), 0.0
    for sample in dataset.samples:
        assert sample.panoptic is not None
        truth = sample.panoptic()
        found = np.roll(truth.numbers, tuple(random.integers(-3, 4, 2)), (0, 1)).copy()
        found[random.random(found.shape) < 0.02] = 0
        places = [each if random.random() < 0.9 else int(random.integers(classes)) for each in truth.classes]
        ours = count_matches(truth, found, places, classes)
        worst = max(worst, float(np.abs(ours - by_definition(truth, found, places, classes)).max()))
    print(f"panoptic: {len(dataset.samples)} pictures")
    return worst


def by_definition(truth: PanopticTruth, found: Any, places: list[int], classes: int) -> Any:
    """Panopticapi's rules, one pair of segments after the other: sum of IoUs, matches, wrong, missed."""
    counts = np.zeros((4, classes))
    void = truth.numbers == 0
    matched: set[tuple[str, int]] = set()
    for a, label in enumerate(truth.classes, start=1):
        for b, given in enumerate(places, start=1):
            mine, theirs = truth.numbers == a, found == b
            if truth.crowds[a - 1] or label != given or not theirs.any():
                continue
            shared = (mine & theirs).sum()
            overlap = shared / (mine.sum() + theirs.sum() - shared - (theirs & void).sum())
            if overlap > 0.5:
                counts[:2, label] += (overlap, 1)
                matched |= {("true", a), ("found", b)}
    for a, label in enumerate(truth.classes, start=1):
        counts[3, label] += ("true", a) not in matched and not truth.crowds[a - 1]
    for b, given in enumerate(places, start=1):
        theirs = found == b
        if ("found", b) in matched or not theirs.any():
            continue
        excused = (theirs & void).sum()
        for a, label in enumerate(truth.classes, start=1):
            if truth.crowds[a - 1] and label == given:
                excused += (theirs & (truth.numbers == a)).sum()
        counts[2, given] += excused / theirs.sum() <= 0.5
    return counts


def semantic(dev: Path, random: Random, pictures: int) -> float:
    """Returns the largest difference of any class's IoU to torchmetrics on VOC's class labels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchmetrics.classification import MulticlassJaccardIndex

    dataset = DatasetSource(path=str(dev / "voc"), truth="semantic", count="pictures", limit=pictures)()
    classes = len(dataset.categories)
    metric = MulticlassJaccardIndex(classes, average="none", ignore_index=-1)
    table = np.zeros((3, classes))
    for sample in dataset.samples:
        assert sample.semantic is not None
        truth = sample.semantic()
        found = np.maximum(np.roll(truth, tuple(random.integers(-6, 7, 2)), (0, 1)), 0)
        found[random.random(found.shape) < 0.1] = random.integers(classes)
        table += count_pixels(found, truth, classes)
        metric.update(torch.from_numpy(found.astype(np.int64))[None], torch.from_numpy(truth.astype(np.int64))[None])
    ours = table[0] / np.maximum(table[1] + table[2] - table[0], 1)
    print(f"semantic: {len(dataset.samples)} pictures, mean IoU {ours.mean():.6f}")
    return float(np.abs(ours - metric.compute().numpy()).max())


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dev", type=Path)
    parser.add_argument("--pictures", type=int, default=40)
    given = parser.parse_args()
    for check in (precision, panoptic, semantic):
        difference = check(given.dev, np.random.default_rng(0), given.pictures)
        print(f"  largest difference {difference:.2g}", flush=True)
        assert difference < 1e-6


if __name__ == "__main__":
    main()

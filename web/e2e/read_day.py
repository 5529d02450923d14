"""Reads a day's exports: `python read_day.py COCO YOLO` prints what it found as JSON, and fails where readers disagree.

COCO: pycocotools and our reader have the same masks, to the pixel. YOLO: our reader, a reader of its lines that knows
nothing of ours (polygons drawn by pycocotools) and, where it is installed, supervision's have the masks of COCO, as far
as polygons within half a pixel can. A small network learns the classes from the YOLO files alone.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO
from torch import nn

from promptseg.datasets.open import DatasetSource
from promptseg.formats.coco import read_coco

LEAST_IOU = 0.9
"""Of a mask and its polygon; small things lose most by half a pixel at their border."""
SIDE, STEPS = 64, 150

Masks = dict[str, list[tuple[str, np.ndarray]]]


def of_coco(folder: Path) -> Masks:
    """Reads COCO twice: what pycocotools has is what our reader has."""
    path = folder / "instances.json"
    theirs, ours = COCO(str(path)), read_coco(path)
    found: Masks = {}
    for image, entry in theirs.imgs.items():
        annotations = theirs.loadAnns(theirs.getAnnIds([image]))
        masks = [theirs.annToMask(one).astype(bool) for one in annotations]
        mine = [mask.dense() for mask in ours[entry["file_name"]].masks]
        assert all(np.array_equal(a, b) for a, b in zip(masks, mine, strict=True))
        names = [theirs.cats[one["category_id"]]["name"] for one in annotations]
        found[entry["file_name"]] = list(zip(names, masks, strict=True))
    return found


def of_yolo_by_us(folder: Path) -> Masks:
    """Reads YOLO as `promptseg train` and `evaluate` do."""
    return {
        sample.picture.name: [(target.label, target.rle().dense()) for target in sample.targets]
        for split in ("train", "val")
        for sample in DatasetSource(path=str(folder), split=split)().samples
    }


def of_yolo_by_lines(folder: Path) -> Masks:
    """Reads YOLO's text files, and lets pycocotools draw their polygons."""
    listed = re.findall(r"^\s+(\d+): (.+)$", (folder / "data.yaml").read_text(), re.MULTILINE)
    names = {int(number): name.strip("\"'") for number, name in listed}
    found: Masks = {}
    for picture in sorted(folder.glob("images/*/*.jpg")):
        width, height = Pillow.open(picture).size
        label = folder / "labels" / picture.parent.name / f"{picture.stem}.txt"
        found[picture.name] = []
        for line in label.read_text().splitlines():
            number, *places = line.split()
            points = (np.array(places, float).reshape(-1, 2) * (width, height)).ravel()
            drawn = coco_masks.decode(coco_masks.frPyObjects([points.tolist()], height, width))[..., 0]
            found[picture.name].append((names[int(number)], drawn.astype(bool)))
    return found


def of_yolo_by_supervision(folder: Path) -> Masks | None:
    """Reads YOLO with supervision; None where that is not installed."""
    try:
        import supervision  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    found: Masks = {}
    for split in ("train", "val"):
        read = supervision.DetectionDataset.from_yolo(
            str(folder / "images" / split), str(folder / "labels" / split), str(folder / "data.yaml"), force_masks=True
        )
        for path, _, detections in read:
            masks = [] if detections.mask is None else list(detections.mask)
            names = [read.classes[number] for number in detections.class_id]
            found[Path(path).name] = list(zip(names, masks, strict=True))
    return found


def least_iou(first: Masks, second: Masks) -> float:
    """Compares all masks: the same pictures, names and order."""
    least = 1.0
    assert {name for name, masks in first.items() if masks} == {name for name, masks in second.items() if masks}
    for picture, masks in first.items():
        assert [name for name, _ in masks] == [name for name, _ in second.get(picture, [])], picture
        for (_, one), (_, other) in zip(masks, second.get(picture, []), strict=True):
            least = min(least, float((one & other).sum() / (one | other).sum()))
    return least


def learn(folder: Path, masks: Masks) -> dict[str, Any]:
    """Trains a small network to tell the classes' pixels apart; returns how far it came."""
    names = ["", *sorted({name for named in masks.values() for name, _ in named})]
    pictures: list[np.ndarray] = []
    maps: list[np.ndarray] = []
    for path in sorted(folder.glob("images/*/*.jpg")):
        pictures.append(np.asarray(Pillow.open(path).convert("RGB").resize((SIDE, SIDE)), np.float32) / 255)
        numbers = np.zeros((SIDE, SIDE), np.uint8)
        for name, mask in masks[path.name]:
            small = np.asarray(Pillow.fromarray(mask).resize((SIDE, SIDE), Pillow.Resampling.NEAREST))
            numbers[small] = names.index(name)
        maps.append(numbers)
    torch.manual_seed(0)
    grid = torch.linspace(-1, 1, SIDE)
    places = torch.stack(torch.meshgrid(grid, grid, indexing="ij")).expand(len(pictures), -1, -1, -1)
    given = torch.cat([torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2), places], 1)
    wanted = torch.from_numpy(np.stack(maps)).long()
    network = nn.Sequential(
        *(nn.Conv2d(5, 24, 5, padding=2), nn.ReLU(), nn.Conv2d(24, 24, 5, padding=4, dilation=2), nn.ReLU()),
        nn.Conv2d(24, len(names), 1),
    )
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses: list[float] = []
    for _ in range(STEPS):
        loss = nn.functional.cross_entropy(network(given), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    guessed = network(given).argmax(1)
    inside = wanted > 0
    right = float((guessed[inside] == wanted[inside]).float().mean())
    assert losses[-1] < losses[0] / 2, losses
    return {"loss": [round(losses[0], 3), round(losses[-1], 3)], "right": round(right, 3)}


def counted(masks: Masks) -> dict[str, int]:
    """Counts the masks of each class."""
    counts: dict[str, int] = {}
    for named in masks.values():
        for name, _ in named:
            counts[name] = counts.get(name, 0) + 1
    return counts


def main(coco: Path, yolo: Path) -> None:
    """Reads, compares, learns, tells."""
    exact = of_coco(coco)
    readers = {
        "ours": of_yolo_by_us(yolo),
        "lines": of_yolo_by_lines(yolo),
        "supervision": of_yolo_by_supervision(yolo),
    }
    agree = {name: round(least_iou(exact, masks), 4) for name, masks in readers.items() if masks is not None}
    assert min(agree.values()) >= LEAST_IOU, agree
    result = {
        "coco": counted(exact),
        "yolo": counted(readers["ours"] or {}),
        "pictures": len(exact),
        "least_iou": agree,
    }
    print(json.dumps({**result, "learned": learn(yolo, readers["lines"] or {})}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""Test doubles: contestants that know the truth, and a writer of tiny labelled folders."""

import json
from pathlib import Path

import numpy as np
from PIL import Image as PIL

from promptseg.evaluate.samples import BoolArray, Dataset, Sample, Target
from promptseg.images import Image
from promptseg.masks.rle import RLE


def disc(height: int, width: int, x: float, y: float, radius: float) -> BoolArray:
    rows, columns = np.mgrid[:height, :width]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


class GrowingDisc:
    """Not a segmenter: paints a disc around each click, growing click by click; black when negative."""

    def __init__(self, name: str, radius: float, growth: float = 0.0) -> None:
        self.name = name
        self.radius, self.growth = radius, growth
        self.calls: list[str | tuple[float, float, bool]] = []

    def start(self, image: Image) -> None:
        self.calls.append("start")
        self.shape = tuple(image.size)

    def begin(self) -> None:
        self.calls.append("begin")
        self.mask = np.zeros(self.shape, bool)
        self.clicks = 0

    def click(self, x: float, y: float, positive: bool) -> BoolArray:
        self.calls.append((x, y, positive))
        self.mask = self.mask.copy()
        self.mask[disc(*self.shape, x, y, self.radius + self.growth * self.clicks)] = positive
        self.clicks += 1
        return self.mask


class Scripted:
    """Not a segmenter: answers click k with the k-th mask it was given, then with the last one."""

    def __init__(self, name: str, masks: list[BoolArray]) -> None:
        self.name, self.masks = name, masks

    def start(self, image: Image) -> None:
        del image

    def begin(self) -> None:
        self.clicks = 0

    def click(self, x: float, y: float, positive: bool) -> BoolArray:
        del x, y, positive
        self.clicks += 1
        return self.masks[min(self.clicks, len(self.masks)) - 1]


def save(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.fromarray(values).save(path)
    return path


def picture(path: Path, height: int = 40, width: int = 60) -> Path:
    ramp = np.linspace(0, 255, height * width * 3).astype(np.uint8)
    return save(path, ramp.reshape(height, width, 3))


def dataset_of(folder: Path, masks: dict[str, list[BoolArray]]) -> Dataset:
    samples: list[Sample] = []
    for name, objects in masks.items():
        path = picture(folder / f"{name}.png", *objects[0].shape)
        targets = tuple(Target(f"object {n}", int(m.sum()), RLE.encode(m)) for n, m in enumerate(objects))
        samples.append(Sample(path, name, targets))
    return Dataset("tiny", "masks", tuple(samples))


BALL = disc(40, 60, 25, 20, 12)
SMALL = disc(40, 60, 45, 10, 5)


def coco_content() -> dict:
    return {
        "images": [
            {"id": 7, "file_name": "b.jpg", "width": 60, "height": 40},
            {"id": 3, "file_name": "a.jpg", "width": 60, "height": 40},
            {"id": 4, "file_name": "c.jpg", "width": 60, "height": 40},
        ],
        "annotations": [
            {
                "id": 12,
                "image_id": 7,
                "category_id": 1,
                "segmentation": RLE.encode(SMALL).to_coco(),
                "area": 81,
            },
            {
                "id": 11,
                "image_id": 7,
                "category_id": 2,
                "segmentation": RLE.encode(BALL).to_coco(),
                "iscrowd": 0,
            },
            {
                "id": 13,
                "image_id": 7,
                "category_id": 2,
                "segmentation": RLE.encode(BALL).to_coco(),
                "iscrowd": 1,
            },
            {
                "id": 10,
                "image_id": 3,
                "category_id": 2,
                "segmentation": [[10, 5, 30, 5, 30, 25, 10, 25]],
                "area": 400,
            },
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }


def write_coco(
    root: Path, content: dict | None = None, labels: str = "instances.json", pictures: str = "images"
) -> Path:
    for name in "abc":
        picture(root / pictures / f"{name}.jpg")
    (root / labels).parent.mkdir(parents=True, exist_ok=True)
    (root / labels).write_text(json.dumps(coco_content() if content is None else content))
    return root


def names(dataset: Dataset) -> list[tuple[str, str]]:
    return [(sample.name, target.name) for sample in dataset.samples for target in sample.targets]

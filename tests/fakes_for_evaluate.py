"""Test doubles: contestants that know the truth, and a writer of tiny labelled folders."""

import json
from pathlib import Path

import numpy as np
from PIL import Image as PIL

from promptseg.arrays import BoolArray
from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.evaluate.contestants.contestant import ABILITIES, Contestant
from promptseg.evaluate.origin import Provenance
from promptseg.images import Image
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments

ORIGIN = Provenance(
    model="mobile-sam", runtime="onnx float32", commit="abc1234", processor="Test CPU", date="2025-01-31"
)


def disc(height: int, width: int, x: float, y: float, radius: float) -> BoolArray:
    rows, columns = np.mgrid[:height, :width]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


class GrowingDisc(Contestant):
    """Not a segmenter: paints a disc around each click, growing click by click; black when negative."""

    abilities = frozenset({"click"})

    def __init__(self, name: str, radius: float, growth: float = 0.0) -> None:
        super().__init__()
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


class Scripted(Contestant):
    """Not a segmenter: answers click k with the k-th mask it was given, then with the last one."""

    abilities = frozenset({"click"})

    def __init__(self, name: str, masks: list[BoolArray]) -> None:
        super().__init__()
        self.name, self.masks = name, masks

    def start(self, image: Image) -> None:
        del image

    def begin(self) -> None:
        self.clicks = 0

    def click(self, x: float, y: float, positive: bool) -> BoolArray:
        del x, y, positive
        self.clicks += 1
        return self.masks[min(self.clicks, len(self.masks)) - 1]


class Answering(Contestant):
    """Not a segmenter: gives the answers that it was handed, by the name of the method; callables are called."""

    abilities = frozenset(ABILITIES)

    def __init__(self, name: str = "answering", settings: str = "", **answers) -> None:
        super().__init__()
        self.name, self.settings, self.answers = name, settings, answers
        self.calls: list[str] = []

    def start(self, image: Image) -> None:
        self.image = image
        self.calls.append("start")

    def begin(self) -> None:
        self.calls.append("begin")

    def _answer(self, name, *given):
        self.calls.append(name)
        answer = self.answers[name]
        return answer(self.image, *given) if callable(answer) else answer

    def click(self, x, y, positive):
        return self._answer("click", x, y, positive)

    def point(self, x, y):
        return self._answer("point", x, y)

    def boxes(self, boxes):
        return self._answer("boxes", boxes)

    def everything(self):
        return self._answer("everything")

    def edges(self):
        return self._answer("edges")

    def semantic(self, vocabulary):
        return self._answer("semantic", vocabulary)

    def panoptic(self, vocabulary):
        return self._answer("panoptic", vocabulary)

    def instances(self, vocabulary):
        return self._answer("instances", vocabulary)

    def phrases(self, phrases, *, together=False):
        return self._answer("phrases", phrases, together)

    def matches(self, phrase):
        return self._answer("matches", phrase)

    def reference(self, image, mask):
        return self._answer("reference", image, mask)

    def labels(self, segments, vocabulary, top):
        return self._answer("labels", segments, vocabulary, top)

    def track(self, frames, mask):
        self.image = frames[0]
        return iter(self._answer("track", frames, mask))


def segments(*masks: BoolArray, scores=None, labels=()) -> Segments:
    size = masks[0].shape
    given = np.ones(len(masks)) if scores is None else scores
    return Segments(size, tuple(map(RLE.encode, masks)), scores=np.asarray(given, np.float32), labels=labels)


def panoptic_of(numbers: np.ndarray, categories) -> PanopticSegments:
    """Makes segments of (H, W) numbers; n belongs to the n-th category given, 0 to none."""
    masks = tuple(RLE.encode(numbers == n) for n in range(1, len(categories) + 1))
    names = tuple(category.name for category in categories)
    return PanopticSegments(Segments(numbers.shape, masks, labels=names), tuple(categories))


def readings(summary, contestant: int = 0) -> dict[str, float]:
    return {each.name: each.value.mean for each in summary.results[contestant].readings}


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
            {"id": 12, "image_id": 7, "category_id": 1, "segmentation": RLE.encode(SMALL).to_coco(), "area": 81},
            {"id": 11, "image_id": 7, "category_id": 2, "segmentation": RLE.encode(BALL).to_coco(), "iscrowd": 0},
            {"id": 13, "image_id": 7, "category_id": 2, "segmentation": RLE.encode(BALL).to_coco(), "iscrowd": 1},
            {"id": 10, "image_id": 3, "category_id": 2, "segmentation": [[10, 5, 30, 5, 30, 25, 10, 25]], "area": 400},
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

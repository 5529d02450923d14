"""Which data sets are there, and how often each is drawn.

A folder of data holds any of these, each with `images/`:

| folder | labels |
|---|---|
| voc, ccp | `labels/*.png` index masks, `classes.json`: names, the first is the background, 255 is unknown |
| coco | `instances.json`; `panoptic.json` and `panoptic/*.png` for some of the pictures |
| caltech101, imagenet1000, grocery, clothing | `labels.json`: name of the class by picture |
| indoor, fruit, kangaroo, raccoon | `boxes.json`: [{label, box}] by picture; only the named classes are boxed |
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from promptseg.datasets.open import DatasetSource
from promptseg.datasets.samples import Dataset, Sample
from promptseg.errors import FormatError, InputError
from promptseg.train.recipes.seem_tiny import phrases
from promptseg.train.recipes.seem_tiny.examples import (
    Boxed,
    ClassMaps,
    Everywhere,
    Example,
    ExampleSet,
    Instances,
    Labelled,
    People,
)
from promptseg.vocabulary import plain_name

MASKS = ("voc", "coco", "ccp")
LABELS = ("caltech101", "imagenet1000", "grocery", "clothing")
BOXES = ("indoor", "fruit", "kangaroo", "raccoon")

MIXTURES: Mapping[str, Mapping[str, float]] = {
    "all": {
        "voc": 0.33,
        "coco": 0.22,
        "stuff": 0.08,
        "ccp": 0.12,
        "people": 0.02,
        "imagenet1000": 0.08,
        "caltech101": 0.06,
        "grocery": 0.02,
        "clothing": 0.02,
        "indoor": 0.03,
        "fruit": 0.01,
        "kangaroo": 0.005,
        "raccoon": 0.005,
    },
    "clothes": {
        "voc": 0.2,
        "coco": 0.27,
        "stuff": 0.08,
        "ccp": 0.34,
        "people": 0.02,
        "imagenet1000": 0.04,
        "caltech101": 0.02,
        "grocery": 0.01,
        "clothing": 0.01,
        "indoor": 0.02,
    },
    "even": {
        "voc": 0.26,
        "coco": 0.3,
        "stuff": 0.12,
        "ccp": 0.16,
        "people": 0.01,
        "imagenet1000": 0.06,
        "caltech101": 0.03,
        "grocery": 0.02,
        "clothing": 0.01,
        "indoor": 0.03,
    },
}
"""How often each set is drawn: at first, in a continuation that is to know clothes better, and in a long one."""


def open_sets(root: Path) -> dict[str, ExampleSet]:
    """Returns the data sets of a folder by name.

    Raises:
        InputError: there is none with masks.
        FormatError: labels are malformed.
    """
    found: dict[str, ExampleSet] = {}
    if (root / "voc" / "classes.json").is_file():
        classes, samples = _index_masks(root / "voc")
        found["voc"] = ClassMaps(name="voc", names=classes, aliases=phrases.VOC, samples=samples, largest=True)
    if (root / "coco" / "instances.json").is_file():
        coco = _open(root / "coco", "objects", "coco")
        found["coco"] = Instances(
            name="coco", names=coco.class_names, aliases=phrases.COCO, samples=coco.samples, most=9
        )
    if (root / "coco" / "panoptic.json").is_file():
        stuff = _open(root / "coco", "panoptic", "coco")
        there = [sample for sample in stuff.samples if sample.picture.exists()]
        spoken = [plain_name(name).replace("-", " ") for name in stuff.class_names]
        found["stuff"] = Everywhere(name="stuff", names=spoken, aliases={}, samples=there)
    if (root / "ccp" / "classes.json").is_file():
        classes, samples = _index_masks(root / "ccp")
        found["ccp"] = ClassMaps(name="ccp", names=classes, aliases=phrases.CLOTHES, samples=samples, most=5, every=3)
        found["people"] = People(name="people", names=["person"], aliases=phrases.COCO, samples=samples)
    if not found:
        raise InputError(f"{root} holds no folder {', '.join(MASKS)} with masks: nothing to learn outlines from.")
    for name in LABELS:
        if (root / name / "labels.json").is_file():
            single = _open(root / name, "objects", "named")
            found[name] = Labelled(name=name, names=single.class_names, aliases={}, samples=single.samples)
    boxed = {name: _open(root / name, "boxes", "boxes") for name in BOXES if (root / name / "boxes.json").is_file()}
    classes = sorted({name for each in boxed.values() for name in each.class_names})  # all sets share one list
    for name, each in boxed.items():
        samples = [sample for sample in each.samples if sample.targets]
        found[name] = Boxed(name=name, names=classes, aliases=phrases.COCO, samples=samples)
    return found


def _open(root: Path, truth: str, layout: str) -> Dataset:
    return DatasetSource(path=str(root), truth=truth, layout=layout, keep_empty=True, min_area=0)()


def _index_masks(root: Path) -> tuple[Sequence[str], Sequence[Sample]]:
    """Returns the classes of index masks but for the first, which is the background, and the pictures."""
    dataset = _open(root, "semantic", "labels")
    if len(dataset.categories) < 2:
        raise FormatError(f"{root / 'classes.json'} names no class besides a background.")
    return dataset.class_names[1:], dataset.samples


class Mixture:
    """Draws from several data sets, each with its weight."""

    def __init__(self, sets: Mapping[str, ExampleSet], weights: Mapping[str, float]) -> None:
        self._sets: Sequence[ExampleSet] = [sets[name] for name in weights if name in sets]
        chosen = np.array([weights[item.name] for item in self._sets])
        self._chances = chosen / chosen.sum()

    def draw(self, random: np.random.Generator) -> Example:
        """Draws an example of one of the sets."""
        return self._sets[random.choice(len(self._sets), p=self._chances)].draw(random)

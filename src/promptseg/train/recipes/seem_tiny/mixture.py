"""Which data sets are there, and how often each is drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from promptseg.errors import InputError
from promptseg.train.recipes.seem_tiny import phrases
from promptseg.train.recipes.seem_tiny.datasets import (
    DataSet,
    Example,
    people_of,
    read_boxes,
    read_coco,
    read_index_masks,
    read_labels,
    read_stuff,
)

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


def open_sets(root: Path) -> dict[str, DataSet]:
    """Returns the data sets of a folder by name.

    Raises:
        InputError: there is none with masks.
        FormatError: labels are malformed.
    """
    found: dict[str, DataSet] = {}
    if (root / "voc" / "classes.json").is_file():
        found["voc"] = read_index_masks(root, "voc", phrases.VOC)
    if (root / "coco" / "instances.json").is_file():
        found["coco"] = read_coco(root, phrases.COCO)
    if (root / "coco" / "panoptic.json").is_file():
        found["stuff"] = read_stuff(root)
    if (root / "ccp" / "classes.json").is_file():
        clothes = read_index_masks(root, "ccp", phrases.CLOTHES)
        found["ccp"], found["people"] = clothes, people_of(clothes, phrases.COCO)
    if not found:
        raise InputError(
            f"{root} holds no folder {', '.join(MASKS)} with masks: nothing to learn outlines from."
        )
    found |= {name: read_labels(root, name, {}) for name in LABELS if (root / name / "labels.json").is_file()}
    boxed = [name for name in BOXES if (root / name / "boxes.json").is_file()]
    found |= {item.name: item for item in read_boxes(root, boxed, phrases.COCO)}
    return found


class Mixture:
    """Draws from several data sets, each with its weight."""

    def __init__(self, sets: Mapping[str, DataSet], weights: Mapping[str, float]) -> None:
        self._sets: Sequence[DataSet] = [sets[name] for name in weights if name in sets]
        chosen = np.array([weights[item.name] for item in self._sets])
        self._chances = chosen / chosen.sum()

    def draw(self, random: np.random.Generator) -> Example:
        """Draws an example of one of the sets."""
        return self._sets[random.choice(len(self._sets), p=self._chances)].draw(random)

"""Measures what the default model knows of meaning, on the labelled dev pictures: one row per figure.

    python benchmarks/semantics.py DEV                          # all figures; hours on a small processor
    python benchmarks/semantics.py DEV --only voc coco --limit 60

Figures: text on VOC (mean IoU of classes in 20 pictures and more, all classes asked together and each phrase alone), on
COCO (IoU of the union of what is found, per picture and present class; absent phrases answered with nothing; recall of
present ones), on CCP (mean IoU of the 15 commonest garments); labels of ground-truth masks (COCO) and of
whole pictures (Caltech-101, grocery, clothing); references (region of a class in one VOC picture, sought in another);
words and one click together on COCO; panoptic quality on COCO; seconds.
"""

import argparse
import datetime
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from promptseg import Point, Reference, Segmenter, Text
from promptseg.geometry import Size
from promptseg.masks.distance import distance_transform
from promptseg.masks.overlap import union
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments


def spread(items: list[Any], limit: int) -> list[Any]:
    """Takes `limit` items at equal distances."""
    step = max(1, len(items) // limit) if limit else 1
    return items[::step]


def joined(found: Segments) -> np.ndarray:
    """Returns the union of what was found."""
    return union(found.masks, found.size).dense() if len(found) else np.zeros(found.size, bool)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the IoU of two masks."""
    return float((a & b).sum() / max(1, (a | b).sum()))


class Counts:
    """Intersections and unions of classes over pictures."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.shared, self.either, self.pictures = (np.zeros(len(names)) for _ in range(3))

    def add(self, number: int, found: np.ndarray, truth: np.ndarray, known: np.ndarray) -> None:
        """Counts one class in one picture."""
        self.shared[number] += (found & truth & known).sum()
        self.either[number] += ((found | truth) & known).sum()
        self.pictures[number] += (truth & known).any()

    def mean(self, least: float = 0, commonest: int = 0) -> float:
        """Returns the mean IoU of classes in enough pictures."""
        chosen = np.flatnonzero(self.pictures >= max(1, least))
        if commonest:
            chosen = np.argsort(-self.pictures, kind="stable")[:commonest]
        return float((self.shared[chosen] / np.maximum(1, self.either[chosen])).mean())


def dense_labels(folder: Path, limit: int) -> list[tuple[Path, np.ndarray]]:
    """Returns pictures with index masks."""
    files = sorted((folder / "images").glob("*.jpg"))
    return [
        (file, np.asarray(Image.open(folder / "labels" / f"{file.stem}.png")).astype(int))
        for file in spread(files, limit)
    ]


def index_masks(segmenter: Segmenter, folder: Path, limit: int) -> dict[str, Any]:
    """Text on a data set of index masks: all names asked together, and each alone."""
    names = json.loads((folder / "classes.json").read_text())[1:]
    together, alone = Counts(names), Counts(names)
    for file, truth in dense_labels(folder, limit):
        image = segmenter.embed(file)
        known = truth != 255
        found = segmenter.semantic(image, names)
        masks = dict(zip([category.name for category in found.categories], found.segments.masks, strict=True))
        for number, name in enumerate(names):
            right = truth == number + 1
            empty = np.zeros(truth.shape, bool)
            together.add(number, masks[name].dense() if name in masks else empty, right, known)
            if folder.name == "voc" or right.any():
                alone.add(number, joined(segmenter.segment(image, Text(name))), right, known)
    share = (limit or 10**9) / len(list((folder / "images").glob("*.jpg")))
    least = 20 * min(1.0, share)
    if folder.name == "voc":
        return {
            "voc: all classes together, mIoU": together.mean(least),
            "voc: each phrase alone, mIoU": alone.mean(least),
        }
    return {
        "ccp: all together, 15 commonest, mIoU": together.mean(commonest=15),
        "ccp: each phrase alone where present, 15 commonest, mIoU": alone.mean(commonest=15),
    }


def coco_pictures(dev: Path, limit: int) -> list[tuple[Path, Segments]]:
    """Returns COCO pictures with their instances."""
    content = json.loads((dev / "coco/instances.json").read_text())
    found = sorted(Segments.all_from_coco(content).values(), key=lambda pair: pair[0])
    return [(dev / "coco/images" / name, segments) for name, segments in spread(found, limit) if len(segments)]


def coco_names(dev: Path) -> list[str]:
    """Returns the 80 names."""
    return [category["name"] for category in json.loads((dev / "coco/instances.json").read_text())["categories"]]


def coco_text(segmenter: Segmenter, dev: Path, limit: int) -> dict[str, Any]:
    """Union of what is found for present classes, and silence for absent ones."""
    names = coco_names(dev)
    scores, answered, silent, absent = [], 0, 0, 0
    for file, truth in coco_pictures(dev, limit):
        image = segmenter.embed(file)
        present = sorted({label for label in truth.labels if label})
        for name in present:
            found = joined(segmenter.segment(image, Text(name)))
            right = joined(truth[[label == name for label in truth.labels]])
            scores.append(overlap(found, right))
            answered += bool(found.any())
        for name in names:
            if name not in present:
                absent += 1
                silent += not len(segmenter.segment(image, Text(name)))
    return {
        "coco: text, union IoU per picture and class": float(np.mean(scores)),
        "coco: present phrases answered": answered / len(scores),
        "coco: absent phrases answered with nothing": silent / absent,
    }


def coco_labels(segmenter: Segmenter, dev: Path, limit: int) -> dict[str, Any]:
    """Names of ground-truth masks."""
    names = coco_names(dev)
    first, five, count = 0, 0, 0
    for file, truth in coco_pictures(dev, limit):
        image = segmenter.embed(file)
        chances = segmenter.name_chances(image, truth, names)
        order = np.argsort(-chances, axis=1, kind="stable")[:, :5]
        for row, label in zip(order, truth.labels, strict=True):
            count += 1
            first += names[row[0]] == label
            five += label in [names[number] for number in row]
    return {"coco: labels of masks, top 1": first / count, "coco: labels of masks, top 5": five / count}


def whole_pictures(segmenter: Segmenter, folder: Path, limit: int) -> dict[str, Any]:
    """Names of whole pictures."""
    labels = json.loads((folder / "labels.json").read_text())
    names = sorted(set(labels.values()))
    first, five, files = 0, 0, spread(sorted(labels), limit)
    for file in files:
        pixels = np.asarray(Image.open(folder / "images" / file).convert("RGB"))
        size = Size(*pixels.shape[:2])
        whole = Segments(size, (RLE.encode(np.ones(size, bool)),))
        chances = segmenter.name_chances(pixels, whole, names)[0]
        order = [names[number] for number in np.argsort(-chances, kind="stable")[:5]]
        first += order[0] == labels[file]
        five += labels[file] in order
    name = folder.name
    return {f"{name}: label, top 1": first / len(files), f"{name}: label, top 5": five / len(files)}


def references(segmenter: Segmenter, dev: Path, limit: int) -> dict[str, Any]:
    """Region of a class in one VOC picture, sought in another that shows the class."""
    names = json.loads((dev / "voc/classes.json").read_text())
    pictures = dense_labels(dev / "voc", 0)
    pairs = []
    for number in range(1, len(names)):
        showing = [(file, truth) for file, truth in pictures if (truth == number).mean() > 0.02]
        pairs += [(number, showing[i], showing[i + 1]) for i in range(0, len(showing) - 1, 2)]
    scores = []
    for number, (file, truth), (other, wanted) in spread(pairs, limit):
        found = segmenter.segment(other, Reference(file, truth == number))
        scores.append(overlap(joined(found) & (wanted != 255), wanted == number))
    return {"voc: reference, IoU": float(np.mean(scores))}


def together(segmenter: Segmenter, dev: Path, limit: int) -> dict[str, Any]:
    """One object by its name and one click, by the click alone, by the name alone."""
    both, click, word = [], [], []
    for file, truth in coco_pictures(dev, limit):
        image = segmenter.embed(file)
        order = np.argsort(-truth.areas)[:3]
        for number in order.tolist():
            right, label = truth.masks[number], truth.labels[number]
            depth = distance_transform(right)
            row, column = np.unravel_index(int(depth.argmax()), depth.shape)
            point = Point(column + 0.5, row + 0.5)
            dense = right.dense()
            found = segmenter.segment(image, Text(label))
            best = found[:1] if len(found) else found
            word.append(overlap(joined(best), dense))
            click.append(overlap(segmenter.segment(image, point).dense()[0], dense))
            both.append(overlap(segmenter.segment(image, [Text(label), point]).dense()[0], dense))
    return {
        "coco: name and click, mean IoU": float(np.mean(both)),
        "coco: click alone": float(np.mean(click)),
        "coco: name alone (its best mask)": float(np.mean(word)),
    }


def seconds(segmenter: Segmenter, dev: Path, limit: int) -> dict[str, Any]:
    """Seconds of the parts."""
    files = [file for file, _ in coco_pictures(dev, min(limit or 8, 8))]
    embed, look, text = [], [], []
    segmenter.segment(files[0], Text("a dog"))
    for file in files:
        start = time.perf_counter()
        image = segmenter.embed(file)
        embed.append(time.perf_counter() - start)
        start = time.perf_counter()
        segmenter.look(image)
        look.append(time.perf_counter() - start)
        start = time.perf_counter()
        segmenter.segment(image, Text("person"))
        text.append(time.perf_counter() - start)
    return {
        "seconds: embedding for SAM": statistics.median(embed),
        "seconds: look of seem-tiny": statistics.median(look),
        "both, as multiple of SAM's": statistics.median((a + b) / a for a, b in zip(embed, look, strict=True)),
        "seconds: a phrase after that": statistics.median(text),
    }


FIGURES: dict[str, Callable[[Segmenter, Path, int], dict[str, Any]]] = {
    "voc": lambda s, dev, limit: index_masks(s, dev / "voc", limit),
    "coco": coco_text,
    "ccp": lambda s, dev, limit: index_masks(s, dev / "ccp", limit),
    "labels": coco_labels,
    "caltech101": lambda s, dev, limit: whole_pictures(s, dev / "caltech101", limit),
    "grocery": lambda s, dev, limit: whole_pictures(s, dev / "grocery", limit),
    "clothing": lambda s, dev, limit: whole_pictures(s, dev / "clothing", limit),
    "reference": references,
    "together": together,
    "seconds": seconds,
}


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dev", type=Path)
    parser.add_argument("--only", nargs="*", choices=FIGURES, default=list(FIGURES))
    parser.add_argument("--limit", type=int, default=0, help="pictures per figure; 0: all")
    parser.add_argument("--words", type=Path, help="seem-tiny of another training run")
    parser.add_argument("--cache", type=Path, help="folder of embeddings")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    segmenter = Segmenter(words=given.words, cache=given.cache, threads=given.threads)
    print(f"{datetime.date.today()}, {platform.processor() or platform.machine()}, {segmenter!r}, limit {given.limit}")
    print("\n| figure | value |\n|---|---|")
    for name in given.only:
        for row, value in FIGURES[name](segmenter, given.dev, given.limit).items():
            print(f"| {row} | {value:.3f} |", flush=True)


if __name__ == "__main__":
    main()

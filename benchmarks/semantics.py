"""Measures what the default model knows of meaning, on the labelled dev pictures: one row per figure.

    python benchmarks/semantics.py DEV                          # all figures; hours on a small processor
    python benchmarks/semantics.py DEV --only voc coco --limit 60

Figures: text on VOC (mean IoU of classes in 20 pictures and more, all classes asked together and each phrase alone), on
COCO (IoU of the union of what is found, per picture and present class; absent phrases answered with nothing; recall of
present ones; mask AP of all phrases; finds per true thing; specks), all things of COCO's classes (mask AP,
calibration), look-alikes (a phrase asked of what only looks like it), on CCP (mean IoU of the 15 commonest garments);
labels of ground-truth masks (COCO) and of whole pictures (Caltech-101, grocery, clothing); references (region of a
class in one VOC picture, sought in another); words and one click together on COCO; phrases of colour and place that
mean one of several things, and Japanese names, on COCO; panoptic quality on COCO; seconds.
"""

import argparse
import contextlib
import datetime
import io
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from promptseg import Point, Reference, Segmenter, Text
from promptseg.geometry import Size
from promptseg.masks.distance import distance_transform
from promptseg.masks.overlap import iou, union
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.segment.words.choose import choose
from promptseg.segment.words.find import FoundThing
from promptseg.segment.words.phrases.read import read_phrase
from promptseg.segment.words.phrases.spoken import SPOKEN


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


def precision(dev: Path, found: dict[str, list[tuple[str, float, RLE]]]) -> tuple[float, float]:
    """Returns COCO's mask AP and AP50 of what was found, by the picture's file name, over those pictures."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(dev / "coco/instances.json"))
        numbers = {picture["file_name"]: picture["id"] for picture in truth.dataset["images"]}
        classes = {category["name"]: category["id"] for category in truth.dataset["categories"]}
        records = [
            {"image_id": numbers[name], "category_id": classes[label], "score": score, "segmentation": mask.to_coco()}
            for name, things in found.items()
            for label, score, mask in things
        ]
        if not records:
            return 0.0, 0.0
        judge = COCOeval(truth, truth.loadRes(records), "segm")
        judge.params.imgIds = [numbers[name] for name in found]
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0]), float(judge.stats[1])


def things_of(found: Segments, label: str | None = None) -> list[tuple[str, float, RLE]]:
    """Returns label, score and mask of what was found."""
    labels = [label or str(own) for own in found.labels]
    return list(zip(labels, found.scores.tolist(), found.masks, strict=True))


def coco_instances(segmenter: Segmenter, dev: Path, limit: int) -> dict[str, Any]:
    """All things of the 80 classes, and how well their scores are what they say."""
    found = {file.name: things_of(segmenter.instances(file)) for file, _ in coco_pictures(dev, limit)}
    rows = [
        (score, max((iou(mask, own) for own in truth[[name == label for name in truth.labels]].masks), default=0.0))
        for file, truth in coco_pictures(dev, limit)
        for label, score, mask in found[file.name]
    ]
    whole, half = precision(dev, found)
    return {
        "coco: instances, mask AP": whole,
        "coco: instances, mask AP50": half,
        "coco: instances, calibration error of scores (right: mask IoU of 0.5)": calibration_error(
            [score for score, _ in rows], [shared >= 0.5 for _, shared in rows]
        ),
    }


def calibration_error(scores: list[float], right: list[bool], bins: int = 10) -> float:
    """Returns the mean distance of scores from the share that is right, over bins of equal width."""
    places = np.minimum((np.array(scores) * bins).astype(int), bins - 1)
    gaps = [
        abs(float(np.mean(np.array(scores)[places == place]) - np.mean(np.array(right)[places == place])))
        * float((places == place).mean())
        for place in np.unique(places)
    ]
    return float(np.sum(gaps))


def coco_text(segmenter: Segmenter, dev: Path, limit: int) -> dict[str, Any]:
    """All 80 names asked: the union of what is found, separate things, silence for absent ones, specks."""
    names = coco_names(dev)
    scores, answered, silent, absent, things, finds, specks = [], 0, 0, 0, 0, 0, 0
    everything: dict[str, list[tuple[str, float, RLE]]] = {}
    for file, truth in coco_pictures(dev, limit):
        image = segmenter.embed(file)
        present = sorted({label for label in truth.labels if label})
        all_of_it = everything.setdefault(file.name, [])
        for name in names:
            found = segmenter.segment(image, Text(name))
            all_of_it += things_of(found, name)
            right = truth[[label == name for label in truth.labels]]
            small = [mask for mask in found.masks if mask.area < SPECK * file_area(found)]
            specks += sum(max((iou(mask, own) for own in right.masks), default=0) < 0.5 for mask in small)
            finds += len(found)
            if name not in present:
                absent += 1
                silent += not len(found)
                continue
            scores.append(overlap(joined(found), joined(right)))
            answered += bool(len(found))
            things += len(right)
    here = sum(
        label in {own for own in truth.labels}
        for file, truth in coco_pictures(dev, limit)
        for label, _, _ in everything[file.name]
    )
    whole, half = precision(dev, everything)
    return {
        "coco: text, union IoU per picture and class": float(np.mean(scores)),
        "coco: present phrases answered": answered / len(scores),
        "coco: absent phrases answered with nothing": silent / absent,
        "coco: text, mask AP of all 80 phrases": whole,
        "coco: text, mask AP50 of all 80 phrases": half,
        "coco: text, finds of present phrases per true thing": here / things,
        "coco: text, share of finds that are false and under 0.001 of the picture": specks / max(1, finds),
    }


SPECK = 0.001
"""Of the picture: smaller finds are specks."""


def file_area(found: Segments) -> int:
    """Returns how many pixels the picture has."""
    return found.size[0] * found.size[1]


LOOKALIKES = {
    "horse": ("cow", "zebra"), "cow": ("sheep", "horse"), "sheep": ("cow", "dog"), "zebra": ("giraffe", "horse"),
    "giraffe": ("zebra",), "dog": ("cat", "sheep", "bear"), "cat": ("dog", "teddy bear"), "bear": ("dog", "cow"),
    "bus": ("train", "truck"), "train": ("bus", "truck"), "car": ("truck",), "truck": ("car", "bus"),
    "cup": ("bowl", "vase"), "bowl": ("cup",), "orange": ("apple", "carrot"), "apple": ("orange",),
    "motorcycle": ("bicycle",), "bicycle": ("motorcycle",), "couch": ("bed", "chair"), "bed": ("couch",),
    "skis": ("snowboard", "surfboard"), "surfboard": ("snowboard", "skateboard"), "laptop": ("tv",),
    "tv": ("laptop", "microwave"), "microwave": ("oven",), "cake": ("pizza", "sandwich"), "pizza": ("cake",),
    "kite": ("umbrella",), "umbrella": ("kite",), "camel": ("horse", "giraffe", "cow"), "goat": ("sheep", "cow"),
    "donkey": ("horse",), "wolf": ("dog",), "fox": ("dog", "cat"), "lion": ("cat", "bear"), "tiger": ("cat", "zebra"),
    "deer": ("horse", "giraffe"), "pig": ("cow", "elephant"), "rhinoceros": ("elephant",),
    "kangaroo": ("giraffe", "cow"), "helicopter": ("airplane",), "tractor": ("truck", "bus"),
    "tram": ("train", "bus"), "lemon": ("orange",), "pear": ("apple", "banana"), "wheelchair": ("bicycle",),
    "piano": ("keyboard", "laptop"), "guitar": ("tennis racket", "baseball bat"), "canoe": ("surfboard",),
}  # fmt: skip
"""Phrases, and classes that look like what they name: asked where the class is and the phrase's own is not."""
OTHER_LOOKALIKES = {
    "caltech101": {
        "dog": ("kangaroo", "cougar body", "hedgehog"), "horse": ("llama", "gerenuk", "okapi"), "zebra": ("okapi",),
        "sheep": ("llama",), "cat": ("cougar face", "leopards"), "camel": ("llama",), "swan": ("flamingo", "ibis"),
        "duck": ("flamingo", "ibis", "pigeon"), "airplane": ("helicopter",), "cow": ("okapi", "gerenuk"),
        "bird": ("butterfly", "dragonfly"), "elephant": ("rhino",), "motorcycle": ("wheelchair",), "train": ("ferry",),
        "bicycle": ("wheelchair", "motorbikes"), "clock": ("yin yang",), "knife": ("wrench",), "cup": ("ewer",),
        "bottle": ("ewer",), "bus": ("car side",), "truck": ("car side",), "umbrella": ("lamp",),
    },
    "grocery": {
        "orange": ("lemon", "peach", "red grapefruit"), "apple": ("tomato", "peach", "pear", "nectarine"),
        "banana": ("zucchini", "cucumber"), "carrot": ("cucumber",), "broccoli": ("cabbage",), "tomato": ("apple",),
        "lemon": ("lime",), "potato": ("kiwi",),
    },
}  # fmt: skip
"""The same, of labelled pictures of one thing."""
SHOWN_OF_EACH = 4


def lookalikes(segmenter: Segmenter, dev: Path, limit: int) -> dict[str, Any]:
    """Phrases asked of what only looks like them; right is to answer nothing."""
    pictures = coco_pictures(dev, limit)
    questions: list[tuple[str, Path]] = []
    for phrase, classes in LOOKALIKES.items():
        for shown in classes:
            showing = [
                file
                for file, truth in pictures
                if phrase not in truth.labels
                and sum(area for area, own in zip(truth.areas, truth.labels, strict=True) if own == shown)
                > 0.02 * truth.size[0] * truth.size[1]
            ]
            questions += [(phrase, file) for file in showing[:SHOWN_OF_EACH]]
    for folder, table in OTHER_LOOKALIKES.items():
        labels = json.loads((dev / folder / "labels.json").read_text())
        for phrase, classes in table.items():
            files = [dev / folder / "images" / name for name, label in sorted(labels.items()) if label in classes]
            questions += [(phrase, file) for file in spread(files, SHOWN_OF_EACH)[:SHOWN_OF_EACH]]
    names = coco_names(dev)
    silent: dict[bool, list[bool]] = {True: [], False: []}
    for phrase, file in sorted(spread(questions, limit), key=lambda pair: pair[1]):
        silent[phrase in names].append(not len(segmenter.segment(segmenter.embed(file), Text(phrase))))
    return {
        f"look-alikes answered with nothing, {len(silent[True])} of COCO's classes": float(np.mean(silent[True])),
        f"the same, {len(silent[False])} other phrases": float(np.mean(silent[False])),
        "the same, all": float(np.mean(silent[True] + silent[False])),
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


SIDES = {
    "the leftmost {}": "left",
    "the {} on the left": "left",
    "the rightmost {}": "right",
    "the {} on the right": "right",
    "the topmost {}": "top",
    "the {} at the bottom": "bottom",
    "the second {} from the left": "second",
    "second {} from the right": "second from right",
    "the {} in the middle": "middle",
    "the largest {}": "large",
    "the smallest {}": "small",
}
"""Phrases, and the rule by which the truth is known."""
MARGIN, LARGE_ENOUGH, TIMES = 0.12, 0.004, 1.6
"""Of the picture's side, by which a thing is first; the least share of the picture of each thing; how much larger."""


def placed(truth: Segments, rule: str) -> int | None:
    """Returns which thing is clearly the one that a rule of place or size means, by the middles of boxes; else None."""
    height, width = truth.size
    boxes = np.array([mask.box for mask in truth.masks], float)
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2 / width, (boxes[:, 1] + boxes[:, 3]) / 2 / height
    areas = np.array([mask.area for mask in truth.masks], float)
    if rule in ("large", "small"):
        order = np.argsort(-areas if rule == "large" else areas)
        a, b = sorted((areas[order[0]], areas[order[1]]))
        return int(order[0]) if b > TIMES * a else None
    line = {"top": y, "bottom": -y, "right": -x, "second from right": -x}.get(rule, x)
    order, place = np.argsort(line), 0
    if rule in ("second", "second from right", "middle"):
        if len(line) < 3 or (rule == "middle" and len(line) != 3):
            return None
        place = 1
    gaps = np.diff(line[order])
    near = gaps[max(0, place - 1) : place + 1]
    return int(order[place]) if near.min() > MARGIN else None


def hues(pixels: np.ndarray) -> dict[str, float]:
    """Returns which share of pixels has a colour beyond doubt, by bands of HSV: another rule than the answer's own."""
    hue, strong, light = np.moveaxis(np.asarray(Image.fromarray(pixels[None]).convert("HSV"))[0] / 255.0, -1, 0)
    hue, vivid = hue * 360, (strong > 0.35) & (light > 0.25)
    bands = {
        "red": vivid & (strong > 0.5) & ((hue < 12) | (hue > 345)),
        "yellow": vivid & (light > 0.5) & (hue > 45) & (hue < 65),
        "orange": (hue > 18) & (hue < 40) & (light > 0.65) & (strong > 0.6),
        "green": vivid & (hue > 80) & (hue < 160),
        "blue": vivid & (hue > 195) & (hue < 250),
        "white": (strong < 0.18) & (light > 0.75),
        "grey": (strong < 0.15) & (light > 0.3) & (light < 0.65),
        "black": light < 0.22,
        "brown": (hue > 10) & (hue < 45) & (strong > 0.3) & (light > 0.2) & (light < 0.55),
    }
    return {name: float(band.mean()) for name, band in bands.items()}


CLEAR, TIMES_AS_MUCH = 0.35, 2.5
"""A thing is clearly of a colour with the first share of its pixels, if that is so many times as much as any other of
its class has."""


def phrases_of(truth: Segments, pixels: np.ndarray) -> list[tuple[str, str, int]]:
    """Returns sort, phrase and thing for all that can be said without doubt of the things of one class."""
    if len(truth) < 2 or min(truth.areas) < LARGE_ENOUGH * truth.size[0] * truth.size[1]:
        return []
    found = []
    for phrase, rule in SIDES.items():
        thing = placed(truth, rule)
        if thing is not None:
            found.append(("position and size", phrase, thing))
    shares = [hues(pixels[mask.dense()]) for mask in truth.masks]
    for colour in shares[0]:
        own = np.array([share[colour] for share in shares])
        second, first = np.sort(own)[-2:]
        if first > max(CLEAR, TIMES_AS_MUCH * second):
            found.append(("colour", f"the {colour} {{}}", int(own.argmax())))
    return found


def phrases(segmenter: Segmenter, dev: Path, limit: int) -> dict[str, Any]:
    """Phrases that mean one of several things of a class: the right one of what is found, and of the true masks."""
    rows: dict[str, list[tuple[bool, bool]]] = {"position and size": [], "colour": []}
    for file, truth in coco_pictures(dev, limit):
        asked = []
        pixels = np.asarray(Image.open(file).convert("RGB"))
        for name in sorted({label for label in truth.labels if label}):
            own = truth[[label == name for label in truth.labels]]
            asked += [(own, sort, phrase.format(name), thing) for sort, phrase, thing in phrases_of(own, pixels)]
        image = segmenter.embed(file) if asked else None
        for own, sort, phrase, thing in asked:
            found = segmenter.segment(image, Text(phrase))
            right = len(found) == 1 and iou(found.masks[0], own.masks[thing]) >= 0.5
            known = [FoundThing(mask, np.zeros((1, 1), np.float32), 1.0) for mask in own.masks]
            chosen = choose(known, read_phrase(phrase), pixels)
            rows[sort].append((right, len(chosen) == 1 and chosen[0].mask is own.masks[thing]))
    result = {}
    for sort, answers in rows.items():
        result[f"phrases of {sort}, {len(answers)}: right"] = float(np.mean([right for right, _ in answers]))
        result[f"phrases of {sort}: right among the true masks"] = float(np.mean([right for _, right in answers]))
    return result


def japanese(segmenter: Segmenter, dev: Path, limit: int) -> dict[str, Any]:
    """Names of present classes in Japanese against English: the share of equal answers, union IoU."""
    same, scores = [], {"en": [], "ja": []}
    for file, truth in coco_pictures(dev, limit):
        image = segmenter.embed(file)
        for name in sorted({label for label in truth.labels if label}):
            right = joined(truth[[label == name for label in truth.labels]])
            english = joined(segmenter.segment(image, Text(name)))
            spoken = joined(segmenter.segment(image, Text(SPOKEN[name].split()[0])))
            same.append(bool((english == spoken).all()))
            scores["en"].append(overlap(english, right))
            scores["ja"].append(overlap(spoken, right))
    return {
        "japanese: same answer as in English": float(np.mean(same)),
        "japanese: union IoU of present classes": float(np.mean(scores["ja"])),
        "the same in English": float(np.mean(scores["en"])),
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
    "instances": coco_instances,
    "lookalikes": lookalikes,
    "ccp": lambda s, dev, limit: index_masks(s, dev / "ccp", limit),
    "labels": coco_labels,
    "caltech101": lambda s, dev, limit: whole_pictures(s, dev / "caltech101", limit),
    "grocery": lambda s, dev, limit: whole_pictures(s, dev / "grocery", limit),
    "clothing": lambda s, dev, limit: whole_pictures(s, dev / "clothing", limit),
    "reference": references,
    "together": together,
    "phrases": phrases,
    "japanese": japanese,
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

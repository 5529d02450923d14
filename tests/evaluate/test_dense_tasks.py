"""Semantic and panoptic segmentation against torchmetrics and a plain reading of panopticapi's definition."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes_for_evaluate import Answering, panoptic_of, picture, readings
from promptseg.datasets.samples import UNKNOWN, Dataset, PanopticTruth, Sample
from promptseg.errors import InputError
from promptseg.evaluate.run import run
from promptseg.evaluate.summary import summarise
from promptseg.evaluate.tasks.panoptic import PanopticTask, count_matches, quality
from promptseg.evaluate.tasks.semantic import SemanticTask, count_pixels, mean_iou
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.vocabulary import Category

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torchmetrics.classification import MulticlassJaccardIndex
    from torchmetrics.detection import PanopticQuality

CLASSES = (
    Category(1, "cat", True),
    Category(2, "dog", True),
    Category(3, "sky-other-merged", False),
    Category(4, "grass-merged", False),
)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(1, 3))
def test_mean_iou_is_torchmetrics(seed, classes, pictures):
    random = np.random.default_rng(seed)
    truth = random.integers(-1, classes, (pictures, 9, 11)).astype(np.int32)
    found = random.integers(0, classes, (pictures, 9, 11)).astype(np.int32)
    table = np.stack([count_pixels(f, t, classes) for f, t in zip(found, truth, strict=True)]).astype(float)
    ours = mean_iou(table.reshape(pictures, -1).sum(axis=0)[None])[0]
    metric = MulticlassJaccardIndex(classes, average="macro", ignore_index=UNKNOWN)
    expected = float(metric(torch.from_numpy(found.astype(np.int64)), torch.from_numpy(truth.astype(np.int64))))
    occurring = set(truth[truth >= 0].tolist()) | set(found[truth >= 0].tolist())
    if len(occurring) == classes:  # the library counts classes that occur nowhere in its own way
        assert ours == pytest.approx(expected, abs=1e-6)


def random_scene(random, shape=(24, 30), crowd=False):
    """Rectangles of truth, and the same ones moved, relabelled or forgotten, over one kind of ground each."""
    truth = np.zeros(shape, np.int32)
    found = np.zeros(shape, np.int32)
    classes, places, crowds = [], [], []
    for _ in range(random.integers(1, 7)):
        top, left = random.integers(0, shape[0] - 6), random.integers(0, shape[1] - 6)
        height, width = random.integers(3, 14, 2)
        label = int(random.integers(4))
        classes.append(label)
        crowds.append(bool(crowd and random.random() < 0.3 and label < 2 and label not in classes[:-1]))
        truth[top : top + height, left : left + width] = len(classes)
        if random.random() < 0.85:
            dy, dx = random.integers(-1, 2, 2)
            places.append(label if random.random() < 0.85 else int(random.integers(4)))
            y, x = max(0, top + dy), max(0, left + dx)
            found[y : y + height, x : x + width] = len(places)
    if random.random() < 0.5:
        places.append(int(random.integers(4)))
        found[:3, :9] = len(places)
    return PanopticTruth(truth, tuple(classes), tuple(crowds)), found, places


def by_definition(truth, found, places, classes):
    """Panopticapi's rules for one picture, one pair of segments after the other."""
    counts = np.zeros((4, classes))
    true_ids = [n for n in range(1, len(truth.classes) + 1) if (truth.numbers == n).any()]
    found_ids = [n for n in range(1, len(places) + 1) if (found == n).any()]
    matched_true, matched_found = set(), set()
    for a in true_ids:
        for b in found_ids:
            if truth.crowds[a - 1] or truth.classes[a - 1] != places[b - 1]:
                continue
            mine, theirs = truth.numbers == a, found == b
            shared = (mine & theirs).sum()
            union = mine.sum() + theirs.sum() - shared - (theirs & (truth.numbers == 0)).sum()
            if shared / union > 0.5:
                counts[0, places[b - 1]] += shared / union
                counts[1, places[b - 1]] += 1
                matched_true.add(a)
                matched_found.add(b)
    for a in true_ids:
        if a not in matched_true and not truth.crowds[a - 1]:
            counts[3, truth.classes[a - 1]] += 1
    for b in found_ids:
        if b in matched_found:
            continue
        excused = ((found == b) & (truth.numbers == 0)).sum()
        for a in true_ids:
            if truth.crowds[a - 1] and truth.classes[a - 1] == places[b - 1]:
                excused += ((found == b) & (truth.numbers == a)).sum()
        if excused / (found == b).sum() <= 0.5:
            counts[2, places[b - 1]] += 1
    return counts


@settings(max_examples=80)
@given(st.integers(0, 10**6), st.booleans())
def test_matches_are_those_of_the_definition(seed, crowd):
    truth, found, places = random_scene(np.random.default_rng(seed), crowd=crowd)
    assert np.allclose(count_matches(truth, found, places, 4), by_definition(truth, found, places, 4), atol=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_quality_is_torchmetrics(seed):
    """The library joins stuff of one class and knows no crowds, so scenes have one segment of each stuff class."""
    random = np.random.default_rng(seed)
    metric = PanopticQuality(things={0, 1}, stuffs={2, 3}, allow_unknown_preds_category=True)
    total = np.zeros((4, 4))
    for _ in range(4):
        truth, found, places = random_scene(random)
        truth, found, places = _one_stuff(truth, found, places)
        total += count_matches(truth, found, places, 4)
        metric.update(_coloured(found, places), _coloured(truth.numbers, truth.classes))
    ours = quality(total.reshape(1, -1), np.ones(4, bool), 0)[0]
    assert ours == pytest.approx(float(metric.compute()), abs=1e-6)


def _one_stuff(truth, found, places):
    """Fills unknown pixels with stuff 3 and gives each stuff class one number."""

    def joined(numbers, classes):
        result, kinds = np.zeros_like(numbers), []
        for number, label in enumerate(classes, start=1):
            known = label >= 2 and label in kinds
            if not known:
                kinds.append(label)
            result[numbers == number] = kinds.index(label) + 1 if label >= 2 else len(kinds)
        if 3 not in kinds:
            kinds.append(3)
        result[result == 0] = kinds.index(3) + 1
        return result, kinds

    numbers, classes = joined(truth.numbers, truth.classes)
    answer, kinds = joined(found, places)
    return PanopticTruth(numbers, tuple(classes), (False,) * len(classes)), answer, kinds


def _coloured(numbers, classes):
    """(1, H, W, 2): class and number of each pixel, as the library wants it."""
    labels = np.array([0, *classes])[numbers]
    return torch.from_numpy(np.stack([labels, np.where(labels < 2, numbers, 0)], axis=-1)[None].astype(np.int64))


@pytest.fixture
def dataset(tmp_path):
    numbers = np.zeros((20, 30), np.int32)
    numbers[:10], numbers[10:, :15] = 1, 2
    truth = PanopticTruth(numbers, (2, 0), (False, False))
    samples = [
        Sample(
            picture(tmp_path / f"{name}.png", 20, 30),
            name,
            (),
            panoptic=lambda: truth,
            semantic=lambda: np.array([UNKNOWN, 2, 0], np.int32)[numbers],
        )
        for name in "ab"
    ]
    return Dataset("d", "coco", tuple(samples), CLASSES)


def answer(perfect=True):
    numbers = np.zeros((20, 30), np.int32)
    numbers[:10], numbers[10:, :15] = 1, 2
    sky = Category(1, "sky", False)  # as people say it
    return panoptic_of(numbers if perfect else np.where(numbers == 1, 1, 0), [sky, CLASSES[0]][: 2 if perfect else 1])


def test_panoptic_task(dataset):
    perfect = Answering("perfect", panoptic=lambda image, words: answer())
    blind = Answering("blind to cats", panoptic=lambda image, words: answer(perfect=False))
    summary = summarise(run(PanopticTask(), dataset, [perfect, blind]))
    assert readings(summary)["PQ"] == readings(summary)["SQ"] == readings(summary)["RQ things"] == 1
    second = readings(summary, 1)
    assert (second["PQ"], second["PQ things"], second["PQ stuff"]) == (0.5, 0, 1)
    assert summary.results[1].reading("PQ").difference.mean == -0.5
    assert [row.score for row in summary.results[1].rows] == [0.5, 0.5]


def test_semantic_task(dataset):
    perfect = Answering("perfect", semantic=lambda image, words: answer())
    blind = Answering("blind to cats", semantic=lambda image, words: answer(perfect=False))
    summary = summarise(run(SemanticTask(), dataset, [perfect, blind]))
    assert set(readings(summary).values()) >= {1.0}
    assert readings(summary)["mIoU"] == readings(summary)["pixel accuracy"] == 1
    second = readings(summary, 1)
    assert second["mIoU"] == pytest.approx(0.5)
    assert second["pixel accuracy"] == pytest.approx(300 / 450)


@pytest.mark.parametrize("rest", ["background", "null"])
def test_the_rest_is_what_no_class_claims(dataset, rest):
    def look(image, words):
        assert words.names == ("cat", "sky-other-merged")
        assert words.ids == (1, 3)
        return panoptic_of(np.repeat([[0], [1]], 10, axis=0) * np.ones((1, 30), int), [CLASSES[0]])

    classes = (CLASSES[0], Category(9, rest, False), CLASSES[2])
    truth = np.repeat([[1], [0]], 10, axis=0) * np.ones((1, 30), np.int32)
    samples = [
        Sample(sample.picture, sample.name, (), semantic=lambda: truth.astype(np.int32)) for sample in dataset.samples
    ]
    summary = summarise(
        run(SemanticTask(), Dataset("r", "labels", tuple(samples), classes), [Answering(semantic=look)])
    )
    assert readings(summary)["pixel accuracy"] == readings(summary)["mIoU"] == 1


def test_a_class_that_nobody_asked_for_is_refused(dataset):
    numbers = np.ones((20, 30), np.int32)
    odd = Answering("odd", panoptic=panoptic_of(numbers, [Category(9, "unicorn", True)]))
    with pytest.raises(InputError, match="odd answered with the class 'unicorn', which it was not asked for"):
        run(PanopticTask(), dataset, [odd])
    small = Answering("small", semantic=panoptic_of(np.ones((3, 3), np.int32), [CLASSES[0]]))
    with pytest.raises(InputError, match="small answered with 1 masks of size"):
        run(SemanticTask(), dataset, [small])


def test_no_classes(dataset, tmp_path):
    bare = Dataset("bare", "folder", dataset.samples)
    with pytest.raises(InputError, match="names no classes"):
        run(SemanticTask(), bare, [Answering(semantic=answer())])
    assert Segments(dataset.samples[0].semantic().shape, (RLE.empty((20, 30)),)).areas.tolist() == [0]

"""Points, boxes, phrases, words, references, names, instances: doubles answer, measures are worked out by hand."""

import json

import numpy as np
import pytest

from fakes_for_evaluate import BALL, SMALL, Answering, dataset_of, picture, readings, segments
from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.errors import FormatError, InputError
from promptseg.evaluate.run import run
from promptseg.evaluate.summary import summarise
from promptseg.evaluate.tasks.boxes import BoxesTask
from promptseg.evaluate.tasks.instances import InstancesTask
from promptseg.evaluate.tasks.labels import LabelsTask
from promptseg.evaluate.tasks.latency import LatencyTask
from promptseg.evaluate.tasks.point import PointTask
from promptseg.evaluate.tasks.reference import ByReference, references
from promptseg.evaluate.tasks.referring import ReferringTask
from promptseg.evaluate.tasks.text import TextTask
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.vocabulary import Category

HALF = BALL & (np.arange(60) < 29)
NOTHING = np.zeros((40, 60), bool)
CLASSES = (Category(1, "ball", True), Category(2, "small", True), Category(3, "ghost", True))


def target(name, mask, label=None, phrases=()):
    return Target(name, int(mask.sum()), RLE.encode(mask), label=label, phrases=phrases)


@pytest.fixture
def labelled(tmp_path):
    """Two pictures with a ball and something small each, and one with a ball only."""
    samples = []
    for name in "abc":
        targets = [target("ball 1", BALL, "ball", ("the ball", "a round thing"))]
        if name != "c":
            targets.append(target("small 2", SMALL, "small", ("the small one",)))
        samples.append(Sample(picture(tmp_path / f"{name}.png"), name, tuple(targets)))
    return Dataset("d", "coco", tuple(samples), CLASSES)


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_point(tmp_path):
    dataset = dataset_of(tmp_path, {"a": [BALL], "b": [BALL]})
    asked = []

    def point(image, x, y):
        asked.append((x, y))
        return segments(HALF, BALL)

    rows = run(PointTask(), dataset, [Answering(point=point)], seed=3)
    values = readings(summarise(rows))
    assert values["mIoU"] == pytest.approx(iou(HALF, BALL), abs=1e-5)
    assert values["oracle mIoU"] == values["random point oracle"] == 1
    assert 0 < values["boundary IoU"] < 1
    assert asked[0] == asked[2] == (25, 20), "the centre"
    assert asked[1] != asked[3], "each object has a point of its own"
    assert all(BALL[int(y), int(x)] for x, y in asked)
    before = list(asked)
    run(PointTask(), dataset, [Answering(point=point)], seed=3)
    assert asked[4:] == before, "the same seed, the same points"
    run(PointTask(), dataset, [Answering(point=point)], seed=4)
    assert asked[8:] != before
    empty = run(PointTask(), dataset, [Answering(point=Segments.empty((40, 60)))])
    assert readings(summarise(empty))["oracle mIoU"] == 0


def test_true_boxes(labelled):
    def boxes(image, given):
        masks = [BALL if box[2] - box[0] > 15 else NOTHING for box in given]
        return segments(*masks, scores=np.linspace(0.9, 0.8, len(masks)))

    values = readings(summarise(run(BoxesTask(), labelled, [Answering(boxes=boxes)])))
    assert values["mIoU"] == pytest.approx(3 / 5)
    assert values["AP"] == pytest.approx(0.5)  # all balls, no small one
    assert values["boundary IoU"] == pytest.approx(3 / 5)


def test_detected_boxes(tmp_path):
    """Boxes, classes and ranks of a detector: the picture's number is in its name, as in COCO."""
    samples = [
        Sample(picture(tmp_path / f"{name}.png"), name, (target("ball 1", BALL, "ball"),))
        for name in ("000000000007", "000000000008")
    ]
    dataset = Dataset("d", "coco", tuple(samples), CLASSES)
    file = tmp_path / "boxes.json"
    box = {"category_id": 1, "bbox": [13, 8, 24, 25]}
    file.write_text(json.dumps([{"image_id": 7, "score": 0.9, **box}, {"image_id": 8, "score": 0.4, **box}]))
    asked = []

    def boxes(image, given):
        asked.extend(given)
        return segments(*[BALL] * len(given), scores=[0.1] * len(given))

    found = run(BoxesTask(detections=str(file)), dataset, [Answering(boxes=boxes)])
    assert asked == [(13, 8, 37, 33)] * 2
    assert readings(summarise(found))["AP"] == 1
    assert [row.values["scores"] for answer in found.answers[0] for row in answer.rows] == [[0.9], [0.4]]
    other = tmp_path / "other.json"
    other.write_text(json.dumps([{"image_id": 7, "score": 0.9, "category_id": 99, "bbox": [1, 1, 5, 5]}]))
    with pytest.raises(FormatError, match="category_id 99"):
        run(BoxesTask(detections=str(other)), dataset, [Answering(boxes=boxes)])
    with pytest.raises(FormatError, match="not a COCO results file"):
        run(BoxesTask(detections=str(tmp_path / "none.json")), dataset, [Answering(boxes=boxes)])
    with pytest.raises(InputError, match="Unknown protocol 'voc'"):
        BoxesTask(protocol="voc")


def test_boxes_need_as_many_answers(labelled):
    with pytest.raises(InputError, match=r"lazy answered with 1 masks .* expected 2 masks"):
        run(BoxesTask(), labelled, [Answering("lazy", boxes=segments(BALL))])


def test_instances(labelled):
    def instances(image, words):
        assert words.names == ("ball", "small", "ghost")
        return segments(BALL, SMALL, labels=("ball", "ghost"), scores=[0.9, 0.5])

    values = readings(summarise(run(InstancesTask(), labelled, [Answering(instances=instances)])))
    assert values["AP"] == pytest.approx(0.5)
    assert values["AP50"] == pytest.approx(0.5)


def test_referring(labelled):
    def phrases(image, given, together):
        assert not together
        return segments(*[HALF if "ball" in phrase else SMALL for phrase in given])

    found = run(ReferringTask(), labelled, [Answering(phrases=phrases)])
    values, half = readings(summarise(found)), iou(HALF, BALL)
    assert values["mIoU"] == pytest.approx((3 * half + 2) / 5)
    assert values["cIoU"] == pytest.approx((3 * HALF.sum() + 2 * SMALL.sum()) / (3 * BALL.sum() + 2 * SMALL.sum()))
    assert values["P@0.5"] == 1
    assert values["P@0.9"] == pytest.approx(2 / 5)
    assert [row.shown["words"] for row in found.answers[0][0].rows] == ["the ball", "the small one"]


def test_all_sentences_in_one_go(labelled):
    asked = []

    def phrases(image, given, together):
        asked.append((tuple(given), together))
        return segments(*[BALL] * len(given))

    run(ReferringTask(sentences="all", together=True), labelled, [Answering(phrases=phrases)])
    assert asked[0] == (("the ball", "a round thing", "the small one"), True)
    with pytest.raises(InputError, match="'first' or 'all'"):
        ReferringTask(sentences="some")


def test_text(labelled):
    crowd = Target("ball 9", 10, RLE.encode(disc_at_the_right()), label="ball")
    crowded = Dataset(
        "d",
        "coco",
        tuple(Sample(each.picture, each.name, each.targets, (crowd,)) for each in labelled.samples),
        CLASSES,
    )

    def matches(image, phrase):
        return segments(BALL, disc_at_the_right()) if phrase == "ball" else segments(NOTHING)

    values = readings(summarise(run(TextTask(), crowded, [Answering(matches=matches)])))
    assert values["mIoU"] == pytest.approx(3 / 5), "what lies on the crowd does not count"
    assert values["mIoU over classes"] == pytest.approx(0.5)
    assert values["P@0.5"] == pytest.approx(3 / 5)


def disc_at_the_right():
    mask = np.zeros((40, 60), bool)
    mask[20:38, 48:58] = True
    return mask


def test_reference(labelled):
    shown = []

    def reference(image, other, mask):
        shown.append((image.name, other.name, mask))
        return segments(BALL)

    found = run(ByReference(), labelled, [Answering(reference=reference)])
    values = readings(summarise(found))
    assert len(shown) == 5
    assert all(image != other for image, other, _ in shown)
    assert [mask.area for image, _, mask in shown if image.startswith("a")] == [BALL.sum(), SMALL.sum()]
    overlap = iou(BALL, SMALL)
    assert values["mIoU of the class"] == pytest.approx((3 + 2 * overlap) / 5, abs=1e-6)
    assert values["mIoU of the best object"] == values["mIoU of either"] == values["mIoU of the class"]
    alone = Dataset("d", "coco", labelled.samples[2:], CLASSES)
    (scene,) = ByReference().scenes(alone, 0)
    assert references(scene) == {}, "no other picture has the class"
    with pytest.raises(InputError, match="has anything to do reference on"):
        summarise(run(ByReference(), alone, [Answering(reference=reference)]))


def test_names(labelled):
    def labels(image, masks, words, top):
        assert top == 5
        return [("ball", "small", "ghost") if mask.area > 100 else ("ghost", "ball", "small") for mask in masks.masks]

    values = readings(summarise(run(LabelsTask(), labelled, [Answering(labels=labels)])))
    assert values["top-1"] == pytest.approx(3 / 5)
    assert values["top-5"] == 1
    assert values["top-1 over classes"] == pytest.approx(0.5)
    single = Answering(labels=lambda image, masks, words, top: [("ball",)] * len(masks))
    assert np.isnan(readings(summarise(run(LabelsTask(), labelled, [single])))["top-5"]), "one name is no five"
    short = Answering("short", labels=lambda image, masks, words, top: [])
    with pytest.raises(InputError, match="short named 0 masks of 2"):
        run(LabelsTask(), labelled, [short])


def test_names_without_a_list_of_classes(labelled):
    bare = Dataset("d", "labelme", labelled.samples)
    seen = []

    def labels(image, masks, words, top):
        seen.append(words.names)
        return [("ball",)] * len(masks)

    run(LabelsTask(), bare, [Answering(labels=labels)])
    assert seen[0] == ("ball", "small")


def test_latency(labelled):
    one = Answering(click=lambda image, x, y, positive: HALF)
    found = run(LatencyTask(), labelled, [one])
    assert one.calls[:3] == ["start", "begin", "click"], "the first picture warms up"
    assert one.calls.count("start") == 4
    assert one.calls.count("click") == 1 + 3 * 3
    values = readings(summarise(found))
    assert values["first click p50"] <= values["first click p99"]
    assert values["embed p50"] >= 0
    row = found.answers[0][0].rows[0]
    assert len(row.values["further click"]) == 2


def test_classes_are_needed(tmp_path):
    bare = dataset_of(tmp_path, {"a": [BALL]})
    for task, name in ((TextTask(), "matches"), (InstancesTask(), "instances"), (LabelsTask(), "labels")):
        with pytest.raises(InputError, match=r"(names no classes|has anything to do|at least one name)"):
            summarise(run(task, bare, [Answering(**{name: segments(BALL)})]))


def test_a_contestant_that_cannot(labelled):
    from promptseg.evaluate.contestants.classical import ClassicalEdges
    from promptseg.evaluate.edges import Sobel

    with pytest.raises(InputError, match=r"Sobel cannot take part: the task needs 'boxes' .*it can do: edges"):
        run(BoxesTask(), labelled, [ClassicalEdges(Sobel())])
    with pytest.raises(InputError, match="Sobel does not know boxes"):
        ClassicalEdges(Sobel()).boxes([])

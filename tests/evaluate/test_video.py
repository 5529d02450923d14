"""Videos: contours by brute force, decay by hand, and contestants that follow well, badly, or not at all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes_for_evaluate import BALL, SMALL, Answering, disc, picture, readings, segments
from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.errors import InputError
from promptseg.evaluate.contestants.ours import Ours
from promptseg.evaluate.contours import contour, contour_accuracy, decay
from promptseg.evaluate.run import run
from promptseg.evaluate.summary import summarise
from promptseg.evaluate.tasks.video import Frames, VideoTask
from promptseg.images import Image
from promptseg.masks.rle import RLE
from promptseg.prompts.types import Box


def official(found, truth, reach=0.008):
    """DAVIS's contour accuracy as its paper and toolkit have it, pixel by pixel."""
    radius = int(np.ceil(reach * np.hypot(*truth.shape)))

    def outline(mask):
        height, width = mask.shape
        edge = np.zeros_like(mask)
        for y in range(height):
            for x in range(width):
                right = mask[y, x] != mask[y, min(x + 1, width - 1)]
                below = mask[y, x] != mask[min(y + 1, height - 1), x]
                both = mask[y, x] != mask[min(y + 1, height - 1), min(x + 1, width - 1)]
                last_row, last_column = y == height - 1, x == width - 1
                edge[y, x] = (
                    False
                    if last_row and last_column
                    else right
                    if last_row
                    else below
                    if last_column
                    else right or below or both
                )
        return edge

    def near(edge):
        grown = np.zeros_like(edge)
        for y, x in np.argwhere(edge):
            ys, xs = np.mgrid[: edge.shape[0], : edge.shape[1]]
            grown |= (ys - y) ** 2 + (xs - x) ** 2 <= radius**2
        return grown

    ours, theirs = outline(found), outline(truth)
    if not ours.any() and not theirs.any():
        return 1.0
    if not ours.any() or not theirs.any():
        return 0.0
    precision = (ours & near(theirs)).sum() / ours.sum()
    recall = (theirs & near(ours)).sum() / theirs.sum()
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(0.02, 0.2))
def test_contours_are_those_of_davis(seed, reach):
    random = np.random.default_rng(seed)
    found, truth = (random.random((4, 5)).repeat(4, 0).repeat(4, 1) > random.random() for _ in range(2))
    assert contour_accuracy(found, truth, reach) == pytest.approx(official(found, truth, reach), abs=1e-12)


def test_contours_of_nothing():
    nothing = np.zeros_like(BALL)
    assert contour_accuracy(nothing, nothing) == 1
    assert contour_accuracy(nothing, BALL) == contour_accuracy(BALL, nothing) == 0
    assert contour_accuracy(BALL, BALL) == 1
    assert not contour(np.ones((5, 5), bool)).any()


def test_decay_compares_the_first_and_the_last_quarter():
    assert decay(np.array([1.0, 1, 0.5, 0.5, 0.5, 0.5, 0, 0])) == pytest.approx(1 - 1 / 6, abs=0.2)
    assert decay(np.full(9, 0.4)) == 0
    assert np.isnan(decay(np.empty(0)))
    values = np.linspace(1, 0, 12)
    marks = (np.round(np.linspace(1, 12, 5) + 1e-10) - 1).astype(int)
    assert decay(values) == values[: marks[1] + 1].mean() - values[marks[3] :].mean()


@pytest.fixture
def videos(tmp_path):
    """A ball that moves right, and something small that is gone on the third of five frames; one frame alone."""
    samples = []
    for frame in range(5):
        ball = disc(40, 60, 25 + frame, 20, 12)
        targets = [Target("object 1", int(ball.sum()), RLE.encode(ball))]
        if frame != 2:
            targets.append(Target("object 2", int(SMALL.sum()), RLE.encode(SMALL)))
        path = picture(tmp_path / f"v_{frame}.png")
        samples.append(Sample(path, f"v/{frame}", tuple(targets), sequence="v"))
    samples.append(Sample(picture(tmp_path / "w.png"), "w/0", samples[0].targets, sequence="w"))
    return Dataset("d", "davis", tuple(samples))


def test_following(videos):
    def still(image, frames, mask):
        return [mask] * (len(frames) - 1)

    found = run(VideoTask(), videos, [Answering("still", track=still)])
    ball, small = found.answers[0][0].rows
    assert len(found.answers[0]) == 1, "one frame is no video"
    assert len(ball.values["j"]) == 3, "neither the first nor the last frame counts"
    assert ball.values["j"][0] > ball.values["j"][1] > ball.values["j"][2]
    assert small.values["j"] == [1, 0, 1]
    assert small.values["f"] == [1, 0, 1]
    values = readings(summarise(found))
    j = (np.mean(ball.values["j"]) + 2 / 3) / 2
    assert values["J"] == pytest.approx(j, abs=1e-6)
    assert values["J&F"] == pytest.approx((values["J"] + values["F"]) / 2)
    assert values["J recall"] == pytest.approx((1 + 2 / 3) / 2)
    assert ball.shown["frame"] == "v/3"
    assert len(found.answers[0][0].seconds["frame"]) == 8


def test_what_is_no_answer(videos):
    for answer in ([], [RLE.empty((3, 3))] * 4):
        with pytest.raises(InputError, match="lazy gave no mask of the size of each frame of v"):
            run(VideoTask(), videos, [Answering("lazy", track=answer)])


def test_what_is_given_first(videos):
    """With a box or a click, the contestant's own mask of the first frame is followed."""
    begun = []

    def still(image, frames, mask):
        begun.append(mask)
        return [mask] * (len(frames) - 1)

    guess = disc(40, 60, 25, 20, 5)
    one = Answering("still", track=still, click=guess, boxes=segments(guess))
    for first in ("click", "box"):
        begun.clear()
        run(VideoTask(first=first), videos, [one])
        assert begun == [RLE.encode(guess)] * 2
    with pytest.raises(InputError, match="expected one of mask, box, click"):
        VideoTask(first="wish")


def test_objects_that_come_in_later_and_frames_without_labels(videos):
    """As in YouTube-VOS: an object counts from its first frame on, and only where frames are labelled."""
    from dataclasses import replace

    late = []
    for number, sample in enumerate(videos.samples[:5]):
        targets = tuple(target for target in sample.targets if target.name == "object 1" or number > 0)
        late.append(replace(sample, targets=targets if number != 3 else (), labelled=number != 3))
    asked = []

    def still(image, frames, mask):
        asked.append(len(frames))
        return [mask] * (len(frames) - 1)

    found = run(VideoTask(), replace(videos, samples=tuple(late), layout="youtube-vos"), [Answering("s", track=still)])
    ball, *rest = found.answers[0][0].rows
    assert len(ball.values["j"]) == 3, "frames 1, 2 and 4"
    assert asked[0] == 5
    assert [(row.item, row.values["j"]) for row in rest] == [("object 2", [0, 1])]
    assert asked[1] == 4


def test_frames_are_read_one_by_one(videos):
    frames = Frames(videos.samples)
    assert len(frames) == 6
    assert len(frames[2:]) == 4
    assert frames[1] is not frames[1], "no picture is kept"


def test_youtube_vos_and_mose(tmp_path):
    from PIL import Image as Pillow

    from promptseg.datasets.open import DatasetSource

    for root in (tmp_path, tmp_path / "parted" / "valid"):
        for name in ("00000", "00005", "00010"):
            place = root / "JPEGImages" / "v" / f"{name}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            Pillow.new("RGB", (20, 10)).save(place)
        numbers = np.zeros((10, 20), np.uint8)
        numbers[2:5, 3:8] = 1
        numbers[6:9, 3:8] = 2
        label = root / "Annotations" / "v" / "00000.png"
        label.parent.mkdir(parents=True)
        Pillow.fromarray(numbers).convert("P").save(label)
    for root in (tmp_path, tmp_path / "parted"):
        found = DatasetSource(path=str(root), truth="frames")()
        assert found.layout == "youtube-vos"
        known = [(sample.labelled, len(sample.targets)) for sample in found.samples]
        assert known == [(True, 2), (False, 0), (False, 0)]
        assert {sample.sequence for sample in found.samples} == {"v"}


def test_our_way_by_memory(segmenter, examples):
    image = Image.open(examples / "chelsea.jpg")
    first = segmenter.segment(image, Box(100, 30, 380, 290)).masks[0]
    found = list(Ours(segmenter, eager=False).track([image, image], first))
    assert len(found) == 1
    assert (found[0].dense() & first.dense()).sum() / (found[0].dense() | first.dense()).sum() > 0.85


def test_our_way_by_boxes(segmenter, examples):
    """The cat stays where it is: so does its mask."""
    image = Image.open(examples / "chelsea.jpg")
    ours = Ours(segmenter, eager=False, follow="box")
    first = segmenter.segment(image, Box(100, 30, 380, 290)).masks[0]
    found = list(ours.track([image, image], first))
    assert len(found) == 1
    assert (found[0].dense() & first.dense()).sum() / (found[0].dense() | first.dense()).sum() > 0.8

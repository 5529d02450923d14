"""Runs of doubles against the simulated click."""

import numpy as np
import pytest

from fakes_for_evaluate import BALL, SMALL, GrowingDisc, Scripted, dataset_of, disc, picture
from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.errors import FormatError, InputError
from promptseg.evaluate.metrics import iou
from promptseg.evaluate.run import run
from promptseg.evaluate.tasks.clicks import ClicksTask
from promptseg.masks.rle import RLE


def run_clicks(dataset, contestants, clicks=20, **options):
    """Returns, for each contestant, the rows."""
    found = run(ClicksTask(clicks=clicks), dataset, contestants, **options)
    return [[row for answer in answers for row in answer.rows] for answers in found.answers]


def ious_of(rows):
    return np.array([row.values["ious"] for row in rows])


def test_calls_come_in_the_promised_order(tmp_path):
    dataset = dataset_of(tmp_path, {"a": [BALL, SMALL], "b": [BALL]})
    contestant = GrowingDisc("discs", 4)
    run_clicks(dataset, [contestant], clicks=2)
    kinds = [call if isinstance(call, str) else "click" for call in contestant.calls]
    assert kinds == ["start", *["begin", "click", "click"] * 2, "start", "begin", "click", "click"]
    assert contestant.calls[2] == (25.0, 20.0, True)
    assert all(isinstance(value, float) for call in contestant.calls if isinstance(call, tuple) for value in call[:2])


def test_every_contestant_gets_clicks_from_its_own_mistakes(tmp_path):
    dataset = dataset_of(tmp_path, {"a": [BALL]})
    small, large = GrowingDisc("small", 6), GrowingDisc("large", 18)
    run_clicks(dataset, [small, large], clicks=2)
    assert small.calls[2] == large.calls[2]
    assert small.calls[3][2] is True
    assert large.calls[3][2] is False


def test_ious_are_kept_per_click_and_grow(tmp_path):
    dataset = dataset_of(tmp_path, {"a": [BALL], "b": [SMALL]})
    (rows,) = run_clicks(dataset, [GrowingDisc("discs", 4, -0.1)], clicks=15)
    ious = ious_of(rows)
    assert ious.shape == (2, 15)
    assert ious[0, 0] == pytest.approx(iou(disc(40, 60, 25, 20, 4), BALL), abs=1e-6)
    assert ious[0, -1] > 0.7 > ious[0, 5] > ious[0, 0]
    assert [row.item for row in rows] == ["object 0", "object 0"]
    assert [row.picture for row in rows] == ["a", "b"]
    assert rows[0].metadata == {"size": "small"}
    assert rows[0].score == pytest.approx(ious[0, 2], abs=1e-6)
    assert len(rows[0].shown["clicks"]) == 3


def test_perfect_mask_ends_the_target_and_keeps_its_value(tmp_path):
    contestant = Scripted("perfect at two", [BALL & ~SMALL & (np.arange(60) < 25), BALL])
    ((row,),) = run_clicks(dataset_of(tmp_path, {"a": [BALL]}), [contestant], clicks=8)
    assert contestant.clicks == 2
    assert row.values["ious"][1:] == [1.0] * 7
    assert row.values["ious"][0] < 1
    assert row.values["boundary"][1] == 1.0
    assert row.values["boundary"][0] < 1


def test_a_worse_mask_after_more_clicks_is_recorded(tmp_path):
    contestant = Scripted("collapses", [disc(40, 60, 25, 20, 11), SMALL])
    ((row,),) = run_clicks(dataset_of(tmp_path, {"a": [BALL]}), [contestant], clicks=3)
    assert row.values["ious"] == pytest.approx([iou(disc(40, 60, 25, 20, 11), BALL), 0, 0], abs=1e-6)
    assert row.values["boundary"][1] is None


def test_ignored_pixels_do_not_count(tmp_path):
    ring = disc(40, 60, 25, 20, 15) & ~BALL
    target = Target("ball", int(BALL.sum()), RLE.encode(BALL), RLE.encode(ring))
    dataset = Dataset("d", "labels", (Sample(picture(tmp_path / "a.png"), "a", (target,)),))
    ((row,),) = run_clicks(dataset, [Scripted("generous", [BALL | ring])], clicks=5)
    assert row.values["ious"] == [1.0] * 5


def test_limit_and_progress(tmp_path):
    dataset = dataset_of(tmp_path, {"a": [BALL, SMALL], "b": [BALL, SMALL]})
    seen: list[tuple[int, int]] = []
    (rows,) = run_clicks(dataset.subset(2), [GrowingDisc("d", 4)], clicks=1, progress=lambda *done: seen.append(done))
    assert seen == [(1, 2), (2, 2)]
    assert [row.picture for row in rows] == ["a", "b"]


def test_two_runs_agree(tmp_path):
    dataset = dataset_of(tmp_path, {"a": [BALL, SMALL]})
    first, second = (ious_of(run_clicks(dataset, [GrowingDisc("d", 3)], clicks=6)[0]) for _ in range(2))
    assert np.array_equal(first, second)


def test_bad_requests_are_refused(tmp_path):
    dataset = dataset_of(tmp_path, {"a": [BALL]})
    with pytest.raises(InputError, match="at least one contestant"):
        run_clicks(dataset, [])
    with pytest.raises(InputError, match="name of its own"):
        run_clicks(dataset, [GrowingDisc("d", 3), GrowingDisc("d", 4)])
    with pytest.raises(InputError, match="at least one click"):
        run_clicks(dataset, [GrowingDisc("d", 3)], clicks=0)


@pytest.mark.parametrize("answer", [np.zeros((20, 20), bool), np.zeros((40, 60), np.float32)])
def test_wrong_answer_names_the_contestant(tmp_path, answer):
    with pytest.raises(InputError, match=r"odd answered a click with .* expected bool of shape \(40, 60\)"):
        run_clicks(dataset_of(tmp_path, {"a": [BALL]}), [Scripted("odd", [answer])])


def test_label_and_picture_must_have_one_size(tmp_path):
    target = Target("ball", 9, RLE.encode(np.ones((3, 3), bool)))
    dataset = Dataset("d", "masks", (Sample(picture(tmp_path / "a.png"), "a", (target,)),))
    with pytest.raises(FormatError, match=r"60 x 40 pixels, but the mask of 'ball' is 3 x 3"):
        run_clicks(dataset, [GrowingDisc("d", 3)])


def test_empty_truth_is_refused(tmp_path):
    target = Target("ball", 9, lambda: RLE.encode(np.zeros((40, 60), bool)))
    dataset = Dataset("d", "masks", (Sample(picture(tmp_path / "a.png"), "a", (target,)),))
    with pytest.raises(FormatError, match="no pixel that counts"):
        run_clicks(dataset, [GrowingDisc("d", 3)])


def test_a_drawing_hand_clicks_alike_for_all_contestants_and_differs_by_draw(tmp_path):
    dataset = dataset_of(tmp_path, {"a": [BALL]})
    one, two = GrowingDisc("one", 6), GrowingDisc("two", 6)
    found = run(ClicksTask(clicks=2, hand="loose", draws=3), dataset, [one, two], seed=5)
    assert one.calls == two.calls
    first = [call for call in one.calls if isinstance(call, tuple)][::2]
    assert len(set(first)) == 3
    rows = [row for answer in found.answers[0] for row in answer.rows]
    assert [row.item for row in rows] == ["object 0", "object 0, draw 2", "object 0, draw 3"]
    measures = {each.name: each.value for each in ClicksTask(clicks=2).sum_up(dataset, rows).measures}
    assert measures["IoU@1 worst tenth"] == pytest.approx(ious_of(rows)[:, 0].min())
    assert measures["NoC@90 worst tenth"] == 2
    with pytest.raises(InputError, match="shaky"):
        ClicksTask(hand="shaky")

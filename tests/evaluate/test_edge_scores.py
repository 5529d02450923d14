"""ODS, OIS, AP and R50 from counts worked out by hand."""

import numpy as np
import pytest

from promptseg.errors import InputError
from promptseg.evaluate.edges.scores import Tally, score, tally, thresholds


def lines(*rows, height=40, width=60):
    mask = np.zeros((height, width), bool)
    mask[list(rows)] = True
    return mask


def counts(recalled, wanted, correct, predicted):
    return Tally(*(np.array(values) for values in (recalled, wanted, correct, predicted)))


def test_a_perfect_map_scores_one():
    truth = lines(10, 25)
    result = tally(truth.astype(np.float32), [truth, truth], thresholds(5))
    assert result.recalled.tolist() == [240] * 5
    assert result.wanted.tolist() == [240] * 5
    assert result.correct.tolist() == result.predicted.tolist() == [120] * 5
    found = score([result], thresholds(5))
    assert (found.ods, found.ois, found.ods_precision, found.ods_recall) == (1, 1, 1, 1)


def test_counts_over_annotators():
    """Precision asks whether any annotator has the line, recall counts the lines of each."""
    strength = np.zeros((40, 60), np.float32)
    strength[10], strength[25], strength[35] = 0.9, 0.5, 0.2
    result = tally(strength, [lines(10), lines(10, 25), lines(18)], [0.1, 0.4, 0.7, 0.95])
    assert result.predicted.tolist() == [180, 120, 60, 0]
    assert result.correct.tolist() == [120, 120, 60, 0]
    assert result.recalled.tolist() == [180, 180, 120, 0]
    assert result.wanted.tolist() == [240] * 4
    assert result.precision().tolist() == pytest.approx([2 / 3, 1, 1, 0])
    assert result.recall().tolist() == [0.75, 0.75, 0.5, 0]


@pytest.mark.parametrize(("shift", "found"), [(0, True), (2, True), (3, False)])
def test_the_tolerance_is_a_share_of_the_diagonal(shift, found):
    """400 x 300 pixels have a diagonal of 500: 0.005 of it are 2.5 pixels."""
    strength = lines(100 + shift, height=300, width=400).astype(np.float32)
    result = tally(strength, [lines(100, height=300, width=400)], [0.5], tolerance=0.005)
    assert result.recalled.tolist() == ([400] if found else [0])
    assert result.correct.tolist() == ([400] if found else [0])


def test_thick_predictions_are_thinned():
    strength = np.zeros((40, 60), np.float32)
    strength[18:23, 5:55] = 1
    result = tally(strength, [lines(20)], [0.5])
    assert result.predicted[0] <= 50
    assert result.correct[0] == result.predicted[0]


def test_a_double_line_is_right_only_once():
    """Every true pixel has one partner, however many predicted pixels are near it; the nearer line is taken."""
    strength = np.zeros((300, 400), np.float32)
    strength[100], strength[103] = 1, 1
    result = tally(strength, [lines(101, height=300, width=400)] * 5, [0.5])
    assert result.predicted.tolist() == [800]
    assert result.correct.tolist() == [400]


def test_scores_by_hand():
    """Two pictures that are best at different thresholds."""
    levels = [0.25, 0.5, 0.75]
    first = counts([90, 80, 10], [100] * 3, [90, 80, 10], [180, 100, 10])
    second = counts([60, 20, 10], [100] * 3, [60, 20, 10], [60, 20, 10])
    assert first.precision().tolist() == [0.5, 0.8, 1]
    found = score([first, second], levels)
    # together: recall .75 .5 .1, precision 150/240 100/120 1; F .682 .625 .182, and a little more between
    share = np.arange(101) / 100
    precision, recall = 0.625 + share * (100 / 120 - 0.625), 0.75 - share * 0.25
    between = 2 * precision * recall / (precision + recall)
    best = int(between.argmax())
    assert 0 < best < 100
    assert found.ods == pytest.approx(between.max())
    assert found.ods_threshold == pytest.approx(0.25 + 0.25 * share[best])
    assert (found.ods_precision, found.ods_recall) == pytest.approx((precision[best], recall[best]))
    # apart: 80 of 100 at .5 (F .8) and 60 of 60 at .25 (F .75): together 140 of 160 and of 200
    assert found.ois == pytest.approx(2 * 0.875 * 0.7 / 1.575)
    # trapezia from recall .1 to .75, sampled in steps of .01
    steps = np.arange(10, 76) / 100
    assert found.ap == pytest.approx(np.interp(steps, [0.1, 0.5, 0.75], [1, 100 / 120, 0.625]).sum() / 100)
    assert found.r50 == pytest.approx(0.75)


def test_recall_at_half_precision_lies_between_points():
    result = counts([80, 40], [100, 100], [80, 40], [200, 50])
    assert score([result], [0.3, 0.6]).r50 == pytest.approx(0.7, abs=1e-3)
    never = counts([80, 40], [100, 100], [80, 10], [200, 50])
    assert score([never], [0.3, 0.6]).r50 == 0


def test_ods_is_looked_for_between_thresholds():
    """Of two points with F .5 the one half-way has (.75, .5): more."""
    result = counts([100, 34], [100, 100], [100, 34], [300, 34])
    found = score([result], [0.2, 0.6])
    assert found.ods > 0.52
    assert 0.2 < found.ods_threshold < 0.6


def test_nothing_found_and_nothing_there():
    nothing = tally(np.zeros((40, 60), np.float32), [lines(10)], thresholds(3))
    found = score([nothing], thresholds(3))
    assert (found.ods, found.ois, found.ap, found.r50) == (0, 0, 0, 0)
    empty = tally(np.ones((40, 60), np.float32), [lines()], thresholds(3))
    assert empty.recall().tolist() == [0, 0, 0]


def test_refusals():
    with pytest.raises(InputError, match=r"\(40, 60\) cannot be compared with \(4, 5\)"):
        tally(np.zeros((40, 60), np.float32), [np.zeros((4, 5), bool)], [0.5])
    with pytest.raises(InputError, match="at least one picture"):
        score([], [0.5])
    with pytest.raises(InputError, match="At least one threshold"):
        thresholds(0)

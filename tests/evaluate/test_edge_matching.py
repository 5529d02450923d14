"""Thinning and matching of edge pixels, against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from promptseg.evaluate.edges.matching import ALONE, match
from promptseg.evaluate.edges.thinning import thin

EIGHT = np.ones((3, 3), int)


def cost(predicted, truth, pairs, tolerance):
    """Distances of the pairs, and the price of everything that stays alone."""
    (rows_a, columns_a), (rows_b, columns_b) = (np.divmod(side, truth.shape[1]) for side in pairs)
    distances = np.hypot(rows_a - rows_b, columns_a - columns_b)
    assert (distances <= tolerance).all()
    alone = predicted.sum() + truth.sum() - 2 * len(distances)
    return distances.sum() + ALONE * tolerance * alone


def brute_force(predicted, truth, tolerance):
    """The benchmark's own formulation: every pixel, predicted or true, may also take a partner that is no pixel."""
    found, wanted = np.argwhere(predicted), np.argwhere(truth)
    n, m = len(found), len(wanted)
    costs = np.full((n + m, n + m), ALONE * tolerance)
    distances = np.hypot(*(found[:, None] - wanted[None]).transpose(2, 0, 1))
    costs[:n, :m] = np.where(distances <= tolerance, distances, 1e9)
    costs[n:, m:] = 0
    rows, columns = linear_sum_assignment(costs)
    return costs[rows, columns].sum()


@settings(max_examples=60)
@given(
    hnp.arrays(bool, (7, 9), elements=st.booleans()),
    hnp.arrays(bool, (7, 9), elements=st.booleans()),
    st.sampled_from([0.5, 1.0, 1.5, 2.3, 4.34]),
)
def test_the_matching_is_the_cheapest(predicted, truth, tolerance):
    pairs = match(predicted, truth, tolerance)
    found, wanted = pairs
    assert len(set(found.tolist())) == len(found) == len(wanted) == len(set(wanted.tolist()))
    assert predicted.ravel()[found].all()
    assert truth.ravel()[wanted].all()
    expected = brute_force(predicted, truth, tolerance)
    assert cost(predicted, truth, pairs, tolerance) == pytest.approx(expected, abs=1e-6)


def test_sparse_lines_of_a_larger_picture():
    random = np.random.default_rng(3)
    for share in (0.02, 0.1):
        predicted, truth = random.random((2, 60, 50)) < share
        pairs = match(predicted, truth, 3.3)
        expected = brute_force(predicted, truth, 3.3)
        assert cost(predicted, truth, pairs, 3.3) == pytest.approx(expected, abs=1e-6)


def test_more_pairs_go_before_short_ones():
    predicted, truth = np.zeros((2, 1, 9), bool)
    predicted[0, [2, 4]] = True
    truth[0, [0, 2]] = True
    # 2-2 alone would be free, but then 4 and 0 stay alone.
    found, wanted = match(predicted, truth, 2.0)
    assert sorted(zip(found.tolist(), wanted.tolist(), strict=True)) == [(2, 0), (4, 2)]
    assert match(predicted, truth, 1.0)[0].tolist() == [2]


def test_nothing_to_match():
    empty, full = np.zeros((4, 5), bool), np.ones((4, 5), bool)
    for predicted, truth in ((empty, full), (full, empty), (empty, empty)):
        assert [len(side) for side in match(predicted, truth, 2.0)] == [0, 0]
    assert [len(side) for side in match(full, full, 2.0)] == [20, 20]


def plain_thin(mask):
    """The two half-steps as the survey states them, pixel by pixel."""
    now = np.pad(mask, 1)
    while True:
        before = now.copy()
        for half in (0, 1):
            gone = []
            for y, x in np.argwhere(now):
                # x1 to x8, from the right counterclockwise, and x1 again
                n = [now[y + dy, x + dx] for dy, dx in ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1))]
                n += [now[y + dy, x + dx] for dy, dx in ((1, -1), (1, 0), (1, 1), (0, 1))]
                crossings = sum(not n[i] and (n[i + 1] or n[i + 2]) for i in (0, 2, 4)) + (not n[6] and (n[7] or n[0]))
                ones = min(sum(n[i] or n[i + 1] for i in (0, 2, 4, 6)), sum(n[i] or n[i + 1] for i in (1, 3, 5, 7)))
                side = ((n[1] or n[2] or not n[7]) and n[0], (n[5] or n[6] or not n[3]) and n[4])[half]
                if crossings == 1 and 2 <= ones <= 3 and not side:
                    gone.append((y, x))
            for place in gone:
                now[place] = False
        if np.array_equal(now, before):
            return now[1:-1, 1:-1]


@pytest.mark.parametrize(
    ("thick", "thinned"),
    [
        (["..#..", "..#..", "#####", "..#..", "..#.."], ["..#..", "..#..", "#####", "..#..", "..#.."]),
        (["#....", ".#...", "..###"], ["#....", ".#...", "..###"]),
        (["#####", "#####", "#####"], [".....", ".###.", "....."]),
    ],
)
def test_thinning_of_known_shapes(thick, thinned):
    mask = np.array([[letter == "#" for letter in row] for row in thick])
    assert ["".join("#" if pixel else "." for pixel in row) for row in thin(mask)] == thinned


@settings(max_examples=60)
@given(hnp.arrays(bool, (9, 11), elements=st.booleans()), st.integers(0, 2))
def test_thinning_is_what_the_survey_says(mask, grown):
    if grown:
        mask = ndimage.binary_dilation(mask & (np.arange(11) % 4 == 0), EIGHT, iterations=grown)
    assert np.array_equal(thin(mask), plain_thin(mask))


@settings(max_examples=60)
@given(hnp.arrays(bool, (12, 14), elements=st.booleans()))
def test_thinning_keeps_what_belongs_together(mask):
    result = thin(mask)
    assert not (result & ~mask).any()
    assert np.array_equal(thin(result), result)
    assert ndimage.label(result, EIGHT)[1] == ndimage.label(mask, EIGHT)[1]
    holes = [ndimage.label(np.pad(~part, 1, constant_values=True))[1] for part in (mask, result)]
    assert holes[0] == holes[1]


def test_thick_lines_become_one_pixel_wide():
    rows, columns = np.mgrid[:80, :80]
    ring = np.abs(np.hypot(rows - 40, columns - 40) - 25) < 4
    line = thin(ring)
    assert np.abs(np.hypot(*(np.argwhere(line) - 40).T) - 25).max() < 2
    assert 130 <= line.sum() <= 2 * np.pi * 25
    blocks = line[1:, 1:] & line[:-1, 1:] & line[1:, :-1] & line[:-1, :-1]
    assert not blocks.any()
    assert ring[40, 12:19].all(), "the argument is left as it was"

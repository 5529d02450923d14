"""Measures of summed counts, their intervals and differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptseg.errors import InputError
from promptseg.evaluate.measures import counted, mean, plain, ratio, read


def bootstrap(values, groups, seed, rounds):
    """The percentile interval of the mean, by the plain definition: whole pictures are drawn."""
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    sizes, sums = np.bincount(index).astype(float), np.bincount(index, weights=values)
    random, means = np.random.default_rng(seed), []
    for block in range(0, rounds, 100):
        drawn = random.integers(sizes.size, size=(min(100, rounds - block), sizes.size))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.percentile(np.concatenate(means), (2.5, 97.5))


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abcdef")), min_size=1, max_size=30), st.integers(0, 9))
def test_a_mean_is_the_bootstrap_over_pictures(pairs, seed):
    values, pictures = np.array([value for value, _ in pairs]), [name for _, name in pairs]
    reading = read(mean("m", values, pictures), seed=seed, rounds=300)
    low, high = bootstrap(values, pictures, seed, 300)
    assert reading.value.mean == pytest.approx(values.mean())
    assert (reading.value.low, reading.value.high) == pytest.approx((low, high))


def test_unknown_values_do_not_count():
    measure = mean("m", [0.5, np.nan, 1.0], ["a", "a", "b"])
    assert measure.value == 0.75
    assert np.isnan(mean("m", [np.nan], ["a"]).value)


def test_differences_are_paired():
    """Two contestants that differ by the same on every picture differ for sure, however much pictures vary."""
    values = np.array([0.0, 0.3, 0.9, 0.5])
    pictures = list("abcd")
    first, second = mean("m", values, pictures), mean("m", values + 0.1, pictures)
    reading = read(second, first)
    assert reading.value.high - reading.value.low > 0.2
    assert reading.difference.mean == pytest.approx(0.1)
    assert reading.difference.low == pytest.approx(0.1)
    assert reading.difference.high == pytest.approx(0.1)
    assert read(first).difference is None


def test_a_ratio_of_sums_is_no_mean_of_ratios():
    measure = counted("cIoU", [[90, 100], [1, 10]], ratio)
    assert measure.value == pytest.approx(91 / 110)
    assert np.isnan(counted("cIoU", [[0, 0]], ratio).value)


def test_plain_numbers_have_no_interval():
    reading = read(plain("AP", 0.4), plain("AP", 0.3))
    assert np.isnan(reading.value.low)
    assert reading.difference.mean == pytest.approx(0.1)


def test_refusals():
    with pytest.raises(InputError, match="at least one value"):
        mean("m", [], [])
    with pytest.raises(InputError, match="one picture for each"):
        mean("m", [1.0], [])
    with pytest.raises(InputError, match="at least one picture"):
        counted("m", np.zeros((0, 2)), ratio)
    with pytest.raises(InputError, match="different pictures"):
        read(mean("m", [1.0], ["a"]), mean("m", [1.0, 0.0], ["a", "b"]))


def interval_of(values, pictures, seed=0):
    return read(mean("m", values, pictures), seed=seed, rounds=2000).value


def test_bootstrap_is_seeded_and_holds_the_mean():
    values = np.random.default_rng(5).uniform(size=60)
    groups = [f"picture {number // 2}" for number in range(60)]
    interval = interval_of(values, groups)
    assert interval == interval_of(values, groups)
    assert interval != interval_of(values, groups, seed=1)
    assert interval.low < interval.mean < interval.high
    assert interval.mean == pytest.approx(values.mean())


def test_bootstrap_width_matches_theory():
    values = np.random.default_rng(5).normal(size=400)
    interval = interval_of(values, [str(number) for number in range(400)])
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_bootstrap_draws_pictures_not_objects():
    values = np.repeat([0.0, 1.0, 0.0, 1.0], 25)
    one_each = interval_of(values, [str(number) for number in range(100)])
    together = interval_of(values, [str(number // 25) for number in range(100)])
    assert together.high - together.low > 2 * (one_each.high - one_each.low)


def test_bootstrap_of_nothing_is_refused():
    with pytest.raises(InputError, match="at least one value"):
        interval_of(np.empty(0), [])
    with pytest.raises(InputError, match="at least one value, got 1"):
        interval_of(np.ones(2), ["a"])

"""Measures of summed counts, their intervals and differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptseg.errors import InputError
from promptseg.evaluate.measures import counted, mean, plain, ratio, read
from promptseg.evaluate.metrics import bootstrap


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abcdef")), min_size=1, max_size=30),
    st.integers(0, 9),
)
def test_a_mean_is_the_bootstrap_over_pictures(pairs, seed):
    values, pictures = np.array([value for value, _ in pairs]), [name for _, name in pairs]
    reading = read(mean("m", values, pictures), seed=seed, rounds=300)
    expected = bootstrap(values, pictures, seed=seed, rounds=300)
    assert reading.value.mean == pytest.approx(values.mean())
    assert (reading.value.low, reading.value.high) == pytest.approx((expected.low, expected.high))


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

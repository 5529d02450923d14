"""Pickles of plain containers are read without the pickle machinery; everything else is refused."""

import collections
import datetime
import os
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptseg.datasets.layouts.plain_pickle import read_plain_pickle
from promptseg.errors import FormatError

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.tuples(inner, inner, inner, inner)
    ),
    max_leaves=20,
)


@settings(max_examples=40)
@given(plain, st.integers(0, 5))
def test_plain_values_come_back(value, protocol):
    assert read_plain_pickle(pickle.dumps(value, protocol), "refs") == value


def test_shared_and_large_values_come_back():
    shared = [1, 2]
    value = {"a": shared, "b": shared, "many": list(range(3000)), "set": {1, 2}, "bytes": b"x" * 300}
    for protocol in range(4, 6):
        assert read_plain_pickle(pickle.dumps(value, protocol), "refs") == value
    again = read_plain_pickle(
        pickle.dumps(value, 2)[:0] + pickle.dumps({"a": shared, "b": shared}, 2), "refs"
    )
    assert again["a"] is again["b"]


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [
        Evil(),
        [1, {"x": Evil()}],
        datetime.date(2020, 1, 1),
        collections.OrderedDict(a=1),
        complex(1, 2),
        os.mkdir,
    ],
    ids=["call", "nested", "date", "ordered", "complex", "function"],
)
def test_whatever_could_run_code_is_refused(tmp_path, monkeypatch, value, protocol):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=r"refs is a pickle that holds more than plain lists and dicts"):
        read_plain_pickle(pickle.dumps(value, protocol), "refs")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["empty", "cut", "text", "stack", "no end", "append to int"])
def test_damaged_streams(how):
    good = pickle.dumps({"a": [1, 2, 3]}, 2)
    data = {
        "empty": b"",
        "cut": good[:-5],
        "text": b"not a pickle at all",
        "stack": b"\x80\x02e.",
        "no end": good[:-1],
        "append to int": b"\x80\x02K\x01K\x02a.",
    }[how]
    with pytest.raises(FormatError, match="refs"):
        read_plain_pickle(data, "refs")

"""Pickles of plain containers are read; everything else is refused, and nothing is ever found or called."""

import collections
import datetime
import io
import os
import pickle
import pickletools
import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptseg.datasets.layouts import plain_pickle
from promptseg.datasets.layouts.plain_pickle import _PLAIN, _PlainUnpickler, read_plain_pickle
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
    again = read_plain_pickle(pickle.dumps(value, 2)[:0] + pickle.dumps({"a": shared, "b": shared}, 2), "refs")
    assert again["a"] is again["b"]


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [Evil(), [1, {"x": Evil()}], datetime.date(2020, 1, 1), collections.OrderedDict(a=1), complex(1, 2), os.mkdir],
    ids=["call", "nested", "date", "ordered", "complex", "function"],
)
def test_whatever_could_run_code_is_refused(tmp_path, monkeypatch, value, protocol):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=r"refs is a pickle that holds more than plain lists and dicts"):
        read_plain_pickle(pickle.dumps(value, protocol), "refs")
    assert list(tmp_path.iterdir()) == []


UNPLAIN = sorted(code.name for code in pickletools.opcodes if code.name not in _PLAIN)


def test_no_instruction_that_looks_up_or_calls_is_plain():
    assert {
        *("GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "REDUCE", "BUILD"),
        *("PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "BYTEARRAY8", "NEXT_BUFFER", "READONLY_BUFFER"),
    } == set(UNPLAIN)


@pytest.mark.parametrize("name", UNPLAIN)
def test_each_other_instruction_is_refused(name):
    (code,) = (code.code.encode("latin-1") for code in pickletools.opcodes if code.name == name)
    rest = b"os\nmkdir\n" if name in ("GLOBAL", "INST") else b"\x00" * 8 + b"\n"
    with pytest.raises(FormatError, match=rf"more than plain lists and dicts \({name}\)"):
        read_plain_pickle(b"\x80\x04N" + code + rest + b".", "refs")


@pytest.mark.parametrize("stream", [b"cos\nmkdir\n.", b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93.", b"Pname\n.", b"NQ."])
def test_the_unpickler_itself_finds_nothing(stream):
    """The second wall, were the first one not there."""
    with pytest.raises(pickle.UnpicklingError, match="it names"):
        _PlainUnpickler(io.BytesIO(stream)).load()


@pytest.mark.parametrize(
    "stream",
    [
        b"]r" + struct.pack("<I", 0x0FFFFFFF) + b".",
        b"]p268435455\n.",
        b"]p-1\n.",
        b"\x8e" + struct.pack("<Q", 1 << 40) + b"abc.",
        b"\x8d" + struct.pack("<Q", 1 << 40) + b"abc.",
        b"B" + struct.pack("<I", 1 << 31) + b"abc.",
        b"\x8b" + struct.pack("<I", 0x7FFFFFFF) + b"abc.",
        b"\x95" + struct.pack("<Q", 1 << 40) + b"].",
        b"K\x01h\x09.",
    ],
    ids=["far place", "far place in text", "no place", "bytes", "text", "short bytes", "number", "frame", "unknown"],
)
def test_bombs_take_no_memory(stream):
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="refs is a damaged pickle"):
            read_plain_pickle(b"\x80\x04" + stream, "refs")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_streams_that_are_too_long(monkeypatch):
    monkeypatch.setattr(plain_pickle, "LONGEST", 10)
    with pytest.raises(FormatError, match="refs has 16 bytes; plain pickles of at most 10 are read"):
        read_plain_pickle(b"\x80\x04" + b"]0" * 6 + b"N.", "refs")


def test_texts_of_python_2_come_back():
    assert read_plain_pickle(b"\x80\x02}q\x01U\x04sentU\x04caf\xe9s.", "refs") == {"sent": "café"}


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

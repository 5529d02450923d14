"""Adding an engine is one class and one row: a toy one segments by its name."""

import numpy as np
import pytest

from promptseg import Point, Segmenter, Text
from promptseg.errors import InputError
from promptseg.runtimes import table
from promptseg.runtimes.onnx import OnnxRuntime


class ToyRuntime(OnnxRuntime):
    """ONNX Runtime under another name."""

    name = "toy"


ROW = table.RuntimeRow(package="numpy", adapter=f"{__name__}:ToyRuntime")


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(table.RUNTIMES, "toy", ROW)


def test_it_segments_by_its_name(segmenter, embedded):
    own, click, cat = Segmenter(runtime="toy", threads=1), Point(230, 150), embedded("chelsea")
    assert isinstance(own.runtime, ToyRuntime)
    assert own.segment(cat, click) == segmenter.segment(cat, click)
    assert own.segment(cat, Text("a cat")).masks == segmenter.segment(cat, Text("a cat")).masks
    np.testing.assert_array_equal(own.embed(cat.image).features, cat.features)


def test_it_is_offered_and_its_limits_are_said():
    assert "toy" in table.runtime_names()
    assert "toy" in table.available_runtimes()
    assert table.spoken_runtimes() == "auto, onnx, openvino, torch or toy"
    with pytest.raises(InputError, match=r"The toy runtime computes in float32 on the CPU, got precision='bfloat16'\."):
        Segmenter(runtime="toy", precision="bfloat16")
    with pytest.raises(InputError, match=r"Use runtime='torch'\."):
        Segmenter(runtime="toy", device="cuda")

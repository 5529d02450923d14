"""Which engine is made, and what is said when it cannot be."""

import sys

import pytest

from promptseg.errors import InputError, UnavailableError
from promptseg.models.network import Network
from promptseg.runtimes import table
from promptseg.runtimes.factory import create_runtime, default_threads
from promptseg.runtimes.table import available_runtimes, runtime_names, spoken_runtimes


@pytest.fixture(scope="module")
def network():
    return Network.load()


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"runtime": "tensorrt"}, "Unknown runtime 'tensorrt': expected one of auto, onnx, openvino, torch"),
        ({"runtime": ""}, "Unknown runtime"),
        ({"runtime": "onnx", "threads": 0}, "threads must be at least 1, got 0"),
        ({"runtime": "onnx", "threads": -3}, "threads must be at least 1"),
        ({"runtime": "onnx", "device": "cuda"}, "Use runtime='torch'"),
        ({"runtime": "openvino", "device": "mps"}, "Use runtime='torch'"),
        ({"runtime": "onnx", "precision": "bfloat16"}, "float32 on the CPU"),
        ({"runtime": "onnx", "precision": "float16"}, "float32 on the CPU"),
        ({"runtime": "openvino", "precision": "int8"}, "float32 or bfloat16 or float16"),
        ({"runtime": "torch", "precision": "int8"}, "float32 or bfloat16"),
        ({"runtime": "torch", "device": "nonsense"}, "cannot be used here"),
        ({"runtime": "torch", "device": "cuda:99"}, "cannot be used here"),
        ({"runtime": "auto", "device": "cuda:99"}, "cannot be used here"),
    ],
)
def test_refusals(network, options, hint):
    with pytest.raises(InputError, match=hint) as caught:
        create_runtime(network, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "package", "hint"),
    [("openvino", "openvino", r"promptseg\[openvino\]"), ("torch", "torch", r"promptseg\[torch\]")],
)
def test_missing_packages(network, monkeypatch, name, package, hint):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UnavailableError, match=hint):
        create_runtime(network, name, threads=1)


def test_onnxruntime_missing(network, monkeypatch):
    runtime = create_runtime(network, "onnx", threads=1)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UnavailableError, match="pip install onnxruntime"):
        runtime.encode(None)


@pytest.mark.parametrize(
    ("installed", "options", "expected"),
    [
        ({"openvino", "onnxruntime", "torch"}, {}, "openvino"),
        ({"onnxruntime", "torch"}, {}, "onnx"),
        ({"onnxruntime"}, {}, "onnx"),
        ({"onnxruntime", "torch"}, {"precision": "bfloat16"}, "torch"),
        ({"openvino", "onnxruntime", "torch"}, {"precision": "bfloat16"}, "openvino"),
        ({"openvino", "onnxruntime", "torch"}, {"device": "meta"}, "torch"),
    ],
)
def test_auto(network, monkeypatch, installed, options, expected):
    monkeypatch.setattr(table, "find_spec", lambda package: package if package in installed else None)
    assert create_runtime(network, threads=1, **options).name == expected


def test_names():
    assert set(available_runtimes()) < set(runtime_names())
    assert spoken_runtimes() == "auto, onnx, openvino or torch"
    assert "onnx" in available_runtimes()
    assert default_threads() >= 1

"""Weightless graphs joined with tensors: the same bytes of meaning as the onnx package makes."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import helper, numpy_helper

from promptseg.errors import WeightsError
from promptseg.models.graphs.assembly import assemble
from promptseg.models.network import GRAPHS, Network
from promptseg.runtimes.onnx_graphs import run_model

ARRAYS = st.dictionaries(
    st.text(min_size=1, max_size=200),
    arrays.arrays(st.sampled_from([np.float32, np.int64]), arrays.array_shapes(min_dims=0, max_dims=4, max_side=7)),
    max_size=4,
)


def bare_graph():
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 3])
    out = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2, 3])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["y"])], "g", [value], [out])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


@given(ARRAYS)
def test_initializers_are_those_of_the_onnx_package(tensors):
    model = onnx.ModelProto.FromString(assemble(bare_graph().SerializeToString(), tensors, tensors))
    expected = [numpy_helper.from_array(array, name) for name, array in tensors.items()]
    found = list(model.graph.initializer)
    assert [t.SerializeToString(deterministic=True) for t in found] == [
        t.SerializeToString(deterministic=True) for t in expected
    ]
    assert len(model.graph.node) == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.float32, ">f4"])
def test_other_floats_are_widened(dtype):
    weight = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    content = assemble(bare_graph().SerializeToString(), ["w"], {"w": weight, "unused": weight})
    onnx.checker.check_model(onnx.ModelProto.FromString(content), full_check=True)
    (result,) = run_model(content, {"x": np.full((2, 3), 2, np.float32)})
    assert result.tolist() == [[2, 4, 6], [8, 10, 12]]
    transposed = assemble(bare_graph().SerializeToString(), ["w"], {"w": np.asfortranarray(weight)})
    assert transposed == content


def test_a_missing_tensor_is_named():
    with pytest.raises(WeightsError, match="lack the tensor 'w'"):
        assemble(b"", ["w"], {"v": np.zeros(1)})


@pytest.mark.parametrize("graph", GRAPHS)
def test_embedded_models_are_valid(graph, segmenter):
    content = Network.load().model(graph)
    model = onnx.ModelProto.FromString(content)
    onnx.checker.check_model(model)
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name for value in model.graph.input}
    assert not held & inputs
    known = held | inputs | {name for node in model.graph.node for name in node.output} | {""}
    assert {name for node in model.graph.node for name in node.input} <= known

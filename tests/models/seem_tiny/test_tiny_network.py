"""seem-tiny's graphs beside its torch modules, and its stored weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from promptseg.errors import WeightsError
from promptseg.export.tiny_graphs import tiny_inputs, trace_tiny
from promptseg.models.graphs.stored import graph_manifest
from promptseg.models.int8 import in_int8
from promptseg.models.seem_tiny.network import SeemTiny
from promptseg.models.seem_tiny.weights import GRAPHS, TinyNetwork
from promptseg.runtimes.onnx_graphs import OnnxGraphs
from promptseg.runtimes.openvino import OpenVinoGraphs


@pytest.fixture(scope="module")
def network():
    return TinyNetwork.load()


@pytest.fixture(scope="module")
def modules(network):
    tiny = SeemTiny().eval()
    state = {name: torch.tensor(np.asarray(network.tensor(name), np.float32)) for name in tiny.state_dict()}
    tiny.load_state_dict(state)
    return tiny


@pytest.mark.parametrize("engine", [OnnxGraphs, OpenVinoGraphs])
@pytest.mark.parametrize("graph", GRAPHS)
def test_graphs_compute_what_the_modules_compute(network, modules, graph, engine):
    inputs = tiny_inputs(graph, seed=3)
    with torch.no_grad():
        wanted = getattr(modules, graph)(*inputs.values())
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    found = engine(network, threads=1).run(graph, {name: value.numpy() for name, value in inputs.items()})
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-4)


def test_the_stored_graphs_are_those_of_the_modules():
    traced = trace_tiny("name")
    entry = graph_manifest()["models"]["seem-tiny"]["name"]
    assert list(traced.tensors) == entry["tensors"]


def test_vectors_have_length_one(network):
    vectors, _, names = OnnxGraphs(network, threads=1).run("read", _ids())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(names, axis=1), 1, atol=1e-4)


def _ids():
    return {name: value.numpy() for name, value in tiny_inputs("read").items()}


def test_padding_changes_nothing(network):
    engine = OnnxGraphs(network, threads=1)
    ids = np.array([[101, 3899, 102]], np.int64)
    wide = np.array([[101, 3899, 102, 0, 0, 0]], np.int64)
    alone = engine.run("read", {"ids": ids, "present": np.ones_like(ids)})[0]
    padded = engine.run("read", {"ids": wide, "present": (wide > 0).astype(np.int64)})[0]
    np.testing.assert_allclose(alone, padded, atol=1e-5)


@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 2**31))
def test_int8_is_within_half_a_step(rows, columns, seed):
    matrix = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    numbers, scales = in_int8(matrix)
    step = scales.astype(np.float32)[:, None]
    # float16 rounds the step itself by up to 2**-11 of it, times at most 127 steps
    assert (np.abs(numbers * step - matrix) <= step * (0.5 + 127 * 2.0**-11) + 1e-7).all()


def test_a_missing_tensor_is_named(network):
    tensors = dict(network.tensors)
    del tensors["head.out.weight"]
    with pytest.raises(WeightsError, match=r"head\.out\.weight"):
        TinyNetwork(tensors).check()


def test_a_wrong_shape_is_named(network):
    with pytest.raises(WeightsError, match="shape"):
        TinyNetwork({**network.tensors, "bias": np.zeros(3), "head.out.bias": np.zeros(3)}).check()

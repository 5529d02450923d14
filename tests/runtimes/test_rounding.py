"""The encoder that loses less in bfloat16. What it gains there is in test_engines, which has the engine already."""

import io
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from promptseg.images import preprocess
from promptseg.images.preprocess import PIXEL_MEAN, PIXEL_STD
from promptseg.models.network import Network
from promptseg.runtimes.openvino_rounding import round_filters, spare_encoder, to_bfloat16, whole_levels

FINITE = st.floats(-1e3, 1e3, width=32)
TINY = 1e-37


@given(arrays(np.float32, 9, elements=FINITE))
def test_rounds_as_torch_does(values):
    assert np.array_equal(to_bfloat16(values), torch.tensor(values).bfloat16().float().numpy())


@given(arrays(np.float32, (2, 3, 3, 3), elements=FINITE))
def test_rounded_filters_keep_their_sums(weights):
    rounded = round_filters(weights)
    assert np.array_equal(rounded, to_bfloat16(rounded))
    largest, least = np.abs(weights).max((2, 3)), np.abs(weights).min((2, 3))
    assert (abs(rounded - weights).max((2, 3)) <= largest / 120 + TINY).all()
    wrong = abs(rounded.sum((2, 3), dtype=np.float64) - weights.sum((2, 3), dtype=np.float64))
    assert (wrong <= least / 2**8 + largest / 2**15 + TINY).all(), "the error of the last weight only"


def test_an_even_surface_keeps_its_value():
    """Rounded one by one, these nine weights sum to 0.0098 instead of 0.0081."""
    weights = np.array([0.3337, -0.3331, 0.2219, -0.2213, 0.1117, -0.1109, 0.0523, -0.0519, 0.0057], np.float32)
    weights = weights.reshape(1, 1, 3, 3)
    exact = float(weights.sum())
    assert abs(float(to_bfloat16(weights).sum()) - exact) > 20 * abs(float(round_filters(weights).sum()) - exact)


def test_levels_are_whole_numbers(embedded):
    image = embedded("chelsea")
    levels = whole_levels(preprocess(image.image, image.frame))
    height, width = image.frame.resized
    shown = levels[:, :, :height, :width]
    assert abs(shown - np.round(shown)).max() < 1e-4
    assert np.array_equal(to_bfloat16(np.round(shown)), np.round(shown))
    assert abs(levels[:, :, height:]).max() < 0.5


def compiled(model: Any, precision: str) -> Any:
    import openvino

    options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1}
    return openvino.Core().compile_model(model, "CPU", options).create_infer_request()


@pytest.fixture(scope="module")
def read():
    """Reads the embedded encoder into OpenVINO, for one picture."""
    import openvino

    content = Network.load().model("encoder")

    def make():
        model = openvino.Core().read_model(io.BytesIO(content))
        model.reshape({"image": [1, 3, 1024, 1024]})
        return model

    return make


def error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def test_the_same_function_in_float32(read, embedded):
    image = embedded("chelsea")
    model = read()
    spare_encoder(model)
    found = compiled(model, "f32").infer([whole_levels(preprocess(image.image, image.frame))])[0]
    assert 1e-4 < error(found, image.features) < 3e-3, "only weights of filters are rounded"


def test_an_encoder_without_batch_norm():
    """The ViT encoders begin with a convolution that has a bias, and their last norm is left alone."""
    import openvino
    from openvino import opset13

    generator = np.random.default_rng(0)
    weights, bias = (generator.standard_normal(size).astype(np.float32) for size in ((8, 3, 4, 4), (1, 8, 1, 1)))

    def make():
        image = opset13.parameter([1, 3, 16, 16], np.float32)
        patches = opset13.convolution(image, opset13.constant(weights), [4, 4], [0, 0], [0, 0], [1, 1])
        return openvino.Model([opset13.add(patches, opset13.constant(bias))], [image])

    levels = generator.integers(0, 256, (1, 3, 16, 16)).astype(np.float32)
    mean, deviation = (np.array(each, np.float32).reshape(3, 1, 1) for each in (PIXEL_MEAN, PIXEL_STD))
    picture = (levels - mean) / deviation
    spared = make()
    spare_encoder(spared)
    expected = compiled(make(), "f32").infer([picture])[0]
    assert error(compiled(spared, "f32").infer([whole_levels(picture)])[0], expected) < 5e-3
    assert error(compiled(make(), "f32").infer([whole_levels(picture)])[0], expected) > 1, "control"

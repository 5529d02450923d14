"""The quick decoder for a hovering mouse, beside the whole one."""

import numpy as np
import pytest

from promptseg.models.network import Network
from promptseg.runtimes.onnx_graphs import run_model
from promptseg.runtimes.protocol import DecoderInputs
from promptseg.runtimes.scout import scout_view


@pytest.fixture(scope="module")
def network():
    return Network.load()


@pytest.mark.parametrize("name", ["chelsea", "rocket"])
def test_it_answers_as_the_whole_decoder_does(network, segmenter, embedded, name):
    picture = embedded(name)
    rows, columns = (-(-side // 16) for side in picture.frame.resized)
    feeds = {"features": picture.features, "rows": np.arange(rows), "columns": np.arange(columns)}
    image, positions, margin, margin_positions, margin_bias = run_model(network.model("view"), feeds)

    expected = scout_view(network, picture.features, picture.frame.resized)
    np.testing.assert_array_equal(image, expected.image)
    np.testing.assert_allclose(positions, expected.positions, atol=1e-4)
    real = margin_bias > -1
    assert real.sum() == len(expected.margin_bias)
    np.testing.assert_allclose(margin_bias[real], expected.margin_bias, atol=1e-5)
    np.testing.assert_allclose(margin[:, real], expected.margin, atol=1e-4)
    np.testing.assert_allclose(margin_positions[:, real], expected.margin_positions, atol=1e-4)

    height, width = picture.frame.resized
    points = np.array([[width * 0.5, height * 0.55], [width * 0.2, height * 0.2]], np.float32)
    feeds = {
        "image": image,
        "positions": positions,
        "margin": margin,
        "margin_positions": margin_positions,
        "margin_bias": margin_bias,
        "points": points,
    }
    logits, scores = run_model(network.model("sketch"), feeds)
    assert logits.shape == (2, 3, rows, columns)

    inputs = DecoderInputs(np.stack([points, np.zeros_like(points)], 1), np.array([[1, -1], [1, -1]], np.int64))
    whole = segmenter.runtime.decode(picture.features, inputs)
    fine = whole.logits[:, 1:, 2::4, 2::4][:, :, :rows, :columns]
    assert ((logits > 0) != (fine > 0)).mean() < 0.01  # the condensed padding changes a few cells
    np.testing.assert_allclose(scores, whole.scores[:, 1:], atol=0.03)


def test_without_padding_it_is_the_same(network, segmenter):
    features = np.random.default_rng(0).normal(0, 0.1, (1, 256, 64, 64)).astype(np.float32)
    view = run_model(network.model("view"), {"features": features, "rows": np.arange(64), "columns": np.arange(64)})
    assert (view[4] < -1e8).all()
    names = ("image", "positions", "margin", "margin_positions", "margin_bias")
    point = np.array([[500, 400]], np.float32)
    logits, scores = run_model(network.model("sketch"), {**dict(zip(names, view, strict=True)), "points": point})
    inputs = DecoderInputs(np.stack([point, 0 * point], 1), np.array([[1, -1]], np.int64))
    whole = segmenter.runtime.decode(features, inputs)
    np.testing.assert_allclose(logits, whole.logits[:, 1:, 2::4, 2::4], atol=0.05)
    np.testing.assert_allclose(scores, whole.scores[:, 1:], atol=1e-3)

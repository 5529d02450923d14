"""Many single clicks: condensed padding and drawing on demand give what the plain decoder gives."""

import numpy as np
import pytest

from promptseg.geometry import LABEL_PAD, LABEL_POSITIVE, Size
from promptseg.runtimes.factory import create_runtime
from promptseg.runtimes.protocol import DecoderInputs
from promptseg.runtimes.scout import BLOCK, scout_view


@pytest.fixture(params=["onnx", "openvino", "torch"])
def runtime(request, network):
    return create_runtime(network, request.param, precision="float32", threads=1)


@pytest.fixture(scope="module")
def network():
    from promptseg.models.network import Network

    return Network.load("mobile-sam")


def plain(runtime, embedded, x, y):
    points = np.array([[embedded.frame.to_model(np.array([[x, y]]))[0], (0, 0)]], np.float32)
    answer = runtime.decode(embedded.features, DecoderInputs(points, np.array([[LABEL_POSITIVE, LABEL_PAD]], np.int64)))
    return answer.logits[0, 1:], answer.scores[0, 1:]


@pytest.mark.parametrize(("name", "x", "y"), [("astronaut", 225, 110), ("coffee", 300, 180)])
def test_a_scout_sees_what_the_decoder_sees(runtime, embedded, name, x, y):
    picture = embedded(name)
    view = runtime.view(picture.features, picture.frame.resized)
    answer = runtime.scout(view, picture.frame.to_model(np.array([[x, y]]))[0].astype(np.float32), 0.0)
    logits, scores = plain(runtime, picture, x, y)
    rows, columns = (-(-side // 4) for side in picture.frame.resized)
    ours, theirs = answer.logits[:, :rows, :columns] > 0, logits[:, :rows, :columns] > 0
    overlap = (ours & theirs).sum((1, 2)) / (ours | theirs).sum((1, 2))
    # A square picture has no padding to condense; otherwise blocks of padding stand for their cells.
    exact = name == "astronaut"
    assert overlap.min() >= (0.9999 if exact else 0.98)
    assert np.abs(answer.scores - scores).max() <= (1e-5 if exact else 0.02)


def test_nothing_is_drawn_when_no_score_is_worth_it(runtime, embedded):
    picture = embedded("coffee")
    view = runtime.view(picture.features, picture.frame.resized)
    point = np.array([300, 200], np.float32)
    answer = runtime.scout(view, point, 0.0)
    assert answer.logits is not None
    assert runtime.scout(view, point, float(answer.scores.max())).logits is None
    drawn = runtime.scout(view, point, float(np.nextafter(answer.scores.max(), np.float32(0))))
    assert np.array_equal(drawn.logits, answer.logits)


def test_condensed_padding_stands_for_every_cell(network):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((1, 256, 64, 64)).astype(np.float32)
    view = scout_view(network, features, Size(700, 1024))
    rows = -(-700 // 16)
    assert view.image.shape == (1, rows, 64, 256)
    assert np.array_equal(view.image[0, 3, 5], features[0, :, 3, 5])
    counts = np.exp(view.margin_bias)
    assert counts.sum() == pytest.approx((64 - rows) * 64, rel=1e-5)
    first = features[0, :, rows : -(-rows // BLOCK) * BLOCK, :BLOCK].mean((1, 2))
    assert np.allclose(view.margin[0, 0], first, atol=1e-6)
    total = (counts[:, None] * view.margin[0]).sum(0)
    assert np.allclose(total, features[0, :, rows:].sum((1, 2)), atol=1e-2)


def test_a_square_picture_has_a_margin_that_counts_nothing(network):
    view = scout_view(network, np.zeros((1, 256, 64, 64), np.float32), Size(1024, 1024))
    assert view.image.shape == (1, 64, 64, 256)
    assert np.exp(view.margin_bias).tolist() == [0.0]

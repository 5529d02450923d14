"""Weights of the decoder alone answer prompts; everything else is the model to the bit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from promptseg import Point, Segmenter
from promptseg.errors import WeightsError
from promptseg.models.network import DECODER, Network
from promptseg.models.tensors import write_safetensors
from promptseg.runtimes.factory import create_runtime
from promptseg.runtimes.protocol import DecoderInputs
from promptseg.segment.embedded import EmbeddedImage

CLICK = DecoderInputs(np.array([[[300, 400], [0, 0]]], np.float32), np.array([[1, -1]]))
MASKED = DecoderInputs(CLICK.points, CLICK.labels, np.full((1, 1, 256, 256), -3, np.float32))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded decoder, a little disturbed."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("weights") / "click.safetensors"
    tensors = {
        name: (tensor * (1 + 0.02 * random.normal(size=tensor.shape))).astype(tensor.dtype)
        for name, tensor in Network.load("mobile-sam").tensors.items()
        if name.startswith(DECODER)
    }
    write_safetensors(path, tensors)
    return path


@pytest.fixture(scope="module")
def plain() -> Segmenter:
    return Segmenter("mobile-sam", runtime="onnx", threads=1)


@pytest.fixture(scope="module")
def other(weights: Path) -> Segmenter:
    return Segmenter(weights=weights, runtime="onnx", threads=1)


def test_the_checkpoint_stays_as_it_is(weights: Path, tmp_path: Path) -> None:
    network, plain = Network.load(weights=weights), Network.load("mobile-sam")
    assert network.digest == plain.digest
    assert plain.clicks == {}
    assert set(network.clicks) == {name for name in plain.tensors if name.startswith(DECODER)}
    write_safetensors(tmp_path / "bad.safetensors", {"mask_decoder.iou_token.weight": np.zeros((1, 9), np.float32)})
    with pytest.raises(WeightsError, match=r"iou_token.weight has shape \(1, 9\)"):
        Network.load(weights=tmp_path / "bad.safetensors")


@pytest.mark.parametrize("inputs", [CLICK, MASKED], ids=["click", "memory"])
def test_official_decoding_is_that_of_the_model(
    other: Segmenter, plain: Segmenter, embedded: Callable[[str], EmbeddedImage], inputs: DecoderInputs
) -> None:
    features = embedded("coffee").features
    expected = plain.runtime.decode(features, inputs)
    for runtime in (plain.runtime, other.runtime):
        answer = runtime.decode(features, inputs, official=True)
        assert np.array_equal(answer.logits, expected.logits)
        assert np.array_equal(answer.scores, expected.scores)
    assert np.abs(other.runtime.decode(features, inputs).scores - expected.scores).max() > 1e-3


@pytest.mark.parametrize("inputs", [CLICK, MASKED], ids=["click", "memory"])
def test_engines_agree_on_both_decoders(
    other: Segmenter, weights: Path, embedded: Callable[[str], EmbeddedImage], inputs: DecoderInputs
) -> None:
    features = embedded("coffee").features
    for engine in ("torch", "openvino"):
        runtime = create_runtime(Network.load(weights=weights), engine, precision="float32", threads=1)
        for official in (False, True):
            one = other.runtime.decode(features, inputs, official=official)
            two = runtime.decode(features, inputs, official=official)
            assert np.abs(one.logits - two.logits).max() < 5e-3
            assert np.abs(one.scores - two.scores).max() < 1e-4


def test_automatic_masks_are_those_of_the_model(
    other: Segmenter, plain: Segmenter, embedded: Callable[[str], EmbeddedImage]
) -> None:
    options = {"points_per_side": 4, "pred_iou_thresh": 0.7, "stability_score_thresh": 0.8}
    for mode in ("fast", "exact"):
        one = plain.everything(embedded("coffee"), mode=mode, **options)
        two = other.everything(embedded("coffee"), mode=mode, **options)
        assert len(one) > 0
        assert np.array_equal(one.dense(), two.dense())
        assert np.array_equal(one.scores, two.scores)


def test_prompts_are_answered_by_the_other_decoder(
    other: Segmenter, plain: Segmenter, embedded: Callable[[str], EmbeddedImage]
) -> None:
    one, two = (each.segment(embedded("coffee"), Point(300, 200)) for each in (plain, other))
    assert one.scores[0] != two.scores[0]

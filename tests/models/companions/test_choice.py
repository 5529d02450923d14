"""The choice among the three masks of a click: what it sees, by hand, and that it is the default model's alone."""

import numpy as np
import pytest

from promptseg import Point, Segmenter
from promptseg.geometry import ResizeFrame
from promptseg.models.companions.choice import FEATURES, Choice, features
from promptseg.models.companions.perceptron import Perceptron
from promptseg.models.network import Network
from promptseg.models.registry import CARDS, companions_of, loaded
from promptseg.segment.places.predictor import Candidates

OF_ONE = 12


def squares() -> np.ndarray:
    """A whole picture, a square of 10 x 20 cells at (4, 6), and nothing; 40 rows, 50 columns."""
    logits = np.full((3, 40, 50), -5.0, np.float32)
    logits[0] = 2
    logits[1, 6:16, 4:24] = 10
    return logits


def test_what_it_sees():
    order, found = features(squares(), np.array([0.5, 0.9, 0.1], np.float32), (9.5, 8.2))
    assert order.tolist() == [2, 1, 0]
    assert found.shape == (FEATURES,)
    empty, square, whole = found[:36].reshape(3, OF_ONE)
    np.testing.assert_allclose(empty, [0.1, *[0] * 11], rtol=1e-6)
    share = 200 / 2000
    depth = 3 / 5  # the click is in the third row of ten
    expected = [0.9, 1, 1, share, np.log(share) / 5, 10 / 40, 20 / 50, 1, 0, 0, depth, 1]
    np.testing.assert_allclose(square, expected, rtol=1e-5)
    np.testing.assert_allclose(whole, [0.5, 1, 0.2, 1, 0, 1, 1, 1, 1, 4, 9 / 20, 1], rtol=1e-5)
    np.testing.assert_allclose(found[36:], [0, 0, share, 40 / 50], rtol=1e-5)


def test_a_click_beside_the_mask_is_not_deep_in_it():
    _, found = features(squares(), np.zeros(3, np.float32), (40, 30))
    assert found[OF_ONE + 10 : OF_ONE + 12].tolist() == [0, 0]


def test_large_grids_are_measured_coarsely():
    logits = np.full((3, 200, 200), -1.0, np.float32)
    logits[0, 50:150, 50:150] = 1
    _, found = features(logits, np.zeros(3, np.float32), (100, 100))
    assert found[2 * OF_ONE + 10] == pytest.approx(1, abs=0.05)


def test_it_follows_its_numbers():
    weight = np.zeros((3, FEATURES), np.float32)
    for rank, size in ((0, 1.0), (1, 5.0), (2, 3.0)):
        weight[rank, OF_ONE * rank] = size  # scores of the masks by size
    network = Perceptron(np.zeros(FEATURES, np.float32), np.ones(FEATURES, np.float32), (weight,), (np.zeros(3),))
    choice = Choice(network, network)
    scores = np.array([0.8, 0.6, 0.9], np.float32)  # of whole, square, nothing: 3 * .8, 5 * .6, 1 * .9
    assert choice.best(squares(), scores, (9, 9)) == 1


def test_candidates_ask_it_for_single_clicks_only():
    frame = ResizeFrame.fit((160, 200))
    logits = np.full((4, 256, 256), -5.0, np.float32)
    logits[1:, :205, :256] = 3
    scores = np.array([0, 0.1, 0.2, 0.3], np.float32)

    class Second:
        def expected(self, masks, given, click):
            assert masks.shape == (3, 205, 256)
            assert given.tolist() == scores[1:].tolist()
            assert click == (100, 50)
            return np.array([0.1, 0.9, 0.2])

    asked = Candidates(logits, scores, click=(400, 200), choice=Second())  # type: ignore[arg-type]
    assert asked.likeliest(frame).number == 2
    assert Candidates(logits, scores, click=(400, 200)).likeliest(frame).number == 3


def test_the_default_model_has_one_and_others_have_none(tmp_path):
    network = Network.load()
    assert isinstance(loaded(Choice.read, network.companions.choice), Choice)
    assert [card.name for card in CARDS if card.companions.choice] == [network.name]
    assert network.companions == companions_of(network.name)
    assert loaded(Choice.read, Network.load("mobile-sam").companions.choice) is None
    assert not companions_of("sam-vit-b").choice
    assert not companions_of("no such model").choice


@pytest.mark.parametrize("runtime", ["onnx", "openvino", "torch"])
def test_it_stands_beside_every_engine(runtime):
    pytest.importorskip(runtime if runtime != "onnx" else "onnxruntime")
    learned = loaded(Choice.read, companions_of("mobile-sam-clicks").choice)
    assert learned is not None
    assert Segmenter(runtime=runtime, threads=1).companions.choice is learned
    assert Segmenter("mobile-sam", runtime=runtime, threads=1).companions.choice is None


def test_a_click_on_the_cat_gets_the_cat(segmenter, embedded):
    found = segmenter.segment(embedded("chelsea"), Point(230, 150))
    assert 0.3 < found.areas[0] / np.prod(found.size) < 0.9

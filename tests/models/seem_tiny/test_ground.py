"""The layer of the ground: the same numbers as on features laid out in full, and what it says of examples."""

import numpy as np
import pytest

from promptseg.models.seem_tiny.ground import REACH, GroundHead, surroundings
from promptseg.train.recipes.seem_tiny.ground import features_of
from promptseg.vocabulary import COCO_STUFF


@pytest.mark.parametrize("size", [(5, 7), (20, 31)])
def test_surroundings_are_means_of_the_cells_that_are_there(size):
    maps = np.random.default_rng(3).normal(size=(2, *size)).astype(np.float32)
    found = surroundings(maps)
    for row, column in ((0, 0), (size[0] - 1, 2), (size[0] // 2, size[1] // 2)):
        part = maps[:, max(0, row - REACH) : row + REACH + 1, max(0, column - REACH) : column + REACH + 1]
        np.testing.assert_allclose(found[:, row, column], part.mean((1, 2)), atol=1e-5)


def test_the_layer_computes_what_it_was_trained_to():
    vectors = np.random.default_rng(1).normal(size=(256, 9, 12)).astype(np.float32)
    head = GroundHead.load()
    logits = head.weight @ features_of(vectors) + head.bias[:, None]
    wanted = np.exp(logits - logits.max(0))
    np.testing.assert_allclose(head.chances(vectors).reshape(len(logits), -1), wanted / wanted.sum(0), atol=1e-4)


def test_it_knows_the_kinds_of_stuff_and_things():
    assert GroundHead.load().weight.shape == (len(COCO_STUFF) + 1, 3 * 256 + 3)

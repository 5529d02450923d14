"""The logistic function at the sizes that networks give, and at those they should not."""

import numpy as np

from promptseg.arrays import sigmoid


def test_any_size_without_a_warning():
    logits = np.array([-np.inf, -2000, -100, 0, np.log(3), 100, np.inf], np.float32)
    chances = sigmoid(logits)
    assert chances.dtype == np.float32
    np.testing.assert_allclose(chances, [0, 0, 0, 0.5, 0.75, 1, 1], rtol=0, atol=1e-7)


def test_leaves_its_argument_alone():
    logits = np.array([[1.0, -1.0]], np.float32)
    assert sigmoid(logits).sum() == 1
    assert logits.tolist() == [[1.0, -1.0]]

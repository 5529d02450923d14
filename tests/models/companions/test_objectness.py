"""The small-object head: its NumPy arithmetic is torch's, and it points at small things."""

import numpy as np
import torch
from torch.nn import functional as F

from promptseg.models.companions.objectness import SCALE, ObjectnessHead, sample
from promptseg.models.registry import companions_of, loaded


def test_numpy_computes_what_torch_computes():
    head = loaded(ObjectnessHead.read, companions_of("mobile-sam").objectness)
    features = np.random.default_rng(0).standard_normal((1, 256, 64, 64)).astype(np.float32) * 0.2
    x = torch.tensor(features * SCALE)
    *hidden, last = zip(head.weights, head.biases, strict=True)
    for weight, bias in hidden:
        x = F.gelu(
            F.conv2d(x, torch.tensor(weight), torch.tensor(bias), padding=weight.shape[2] // 2), approximate="tanh"
        )
    expected = torch.sigmoid(F.conv2d(x, *(torch.tensor(value) for value in last)))[0, 0].numpy()
    assert np.abs(head.chances(features) - expected).max() < 1e-5


def test_sampling_is_bilinear_between_cell_centres_and_flat_at_the_border():
    chances = np.arange(12, dtype=np.float32).reshape(3, 4)
    cells = np.array([[0.5, 0.5], [1.0, 0.5], [2.5, 2.5], [1.0, 1.0], [-3, -3], [9, 9]])
    assert sample(chances, cells).tolist() == [0, 0.5, 10, 2.5, 0, 11]


def test_other_models_have_no_head():
    assert loaded(ObjectnessHead.read, companions_of("sam-vit-b").objectness) is None


def test_small_things_have_higher_chances_than_bare_ground(embedded):
    """The spoon and the cup's details in examples/coffee.jpg against the bare table."""
    picture = embedded("rocket")
    chances = loaded(ObjectnessHead.read, companions_of("mobile-sam").objectness).chances(picture.features)
    rows = picture.frame.resized.height // 16
    assert 0 <= chances.min() <= chances.max() <= 1
    sky, pad = chances[2 : rows // 3, 4:16], chances[rows // 2 : rows - 2]
    assert pad.max() > 3 * sky.mean(), "the launch pad is full of small things, the sky is not"

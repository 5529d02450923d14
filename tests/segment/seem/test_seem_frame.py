"""How pictures are resized and padded for SEEM."""

import numpy as np
import pytest
from PIL import Image as Pillow

from promptseg.errors import InputError
from promptseg.images import Image
from promptseg.models.seem.config import PIXEL_MEAN, PIXEL_STD
from promptseg.segment.seem.picture import SeemFrame, network_input


@pytest.mark.parametrize(
    ("size", "model", "scale", "resized", "padded"),
    [
        ((480, 640), "seem-focal-t", "prompts", (512, 682), (512, 704)),  # cut off, not rounded: 682.67
        ((640, 480), "seem-focal-l", "prompts", (682, 512), (704, 512)),
        ((480, 640), "seem-focal-t", "classes", (800, 1067), (800, 1088)),  # rounded: 1066.67
        ((300, 900), "seem-focal-t", "classes", (444, 1333), (448, 1344)),
        ((1, 5000), "seem-focal-t", "prompts", (1, 2048), (32, 2048)),
        ((480, 640), "seem-sam-vit-b", "prompts", (768, 1024), (1024, 1024)),
        ((500, 500), "seem-sam-vit-l", "classes", (1000, 1000), (1024, 1024)),
    ],
)
def test_sizes(size, model, scale, resized, padded):
    frame = SeemFrame.fit(size, model, scale)
    assert (frame.resized, frame.padded) == (resized, padded)


@pytest.mark.parametrize(("model", "side"), [("seem-focal-t", 31), ("seem-focal-t", 3000), ("seem-sam-vit-b", 20)])
def test_sides_out_of_range(model, side):
    with pytest.raises(InputError, match="short_side must be from 32"):
        SeemFrame.fit((480, 640), model, short_side=side)


@pytest.mark.parametrize(
    ("scale", "kind"), [("prompts", Pillow.Resampling.BICUBIC), ("classes", Pillow.Resampling.BILINEAR)]
)
def test_network_input(scale, kind):
    pixels = np.random.default_rng(5).integers(0, 256, (50, 70, 3), np.uint8)
    frame = SeemFrame.fit((50, 70), "seem-focal-t", scale, short_side=40)
    assert (frame.resized, frame.padded) == ((40, 56), (64, 64))
    values = network_input(Image(pixels), frame)
    small = np.asarray(Pillow.fromarray(pixels).resize((56, 40), kind), np.float64)
    expected = np.moveaxis((small - PIXEL_MEAN) / PIXEL_STD, -1, 0)
    np.testing.assert_allclose(values[0, :, :40, :56], expected, atol=1e-5)
    assert not values[:, :, 40:].any()
    assert not values[:, :, :, 56:].any()

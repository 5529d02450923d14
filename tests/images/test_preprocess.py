"""The model's input is bit for bit what the official code makes (golden_preprocess.json says with what)."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from picture_factory import gradient

from promptseg.errors import ImageError
from promptseg.geometry import ResizeFrame
from promptseg.images import Image, preprocess

GOLDEN = json.loads((Path(__file__).parent / "golden_preprocess.json").read_text())


@pytest.mark.parametrize("golden", GOLDEN["inputs"], ids=lambda golden: "x".join(map(str, golden["size"])))
def test_equals_the_official_input(golden: dict) -> None:
    image = Image(gradient(*golden["size"]))
    frame = ResizeFrame.fit(image.size)
    made = preprocess(image, frame)
    assert list(frame.resized) == golden["resized"]
    assert (made.shape, made.dtype) == ((1, 3, 1024, 1024), np.float32)
    height, width = frame.resized
    assert made[0, :, height - 1, width - 1].tolist() == golden["corner"]
    assert hashlib.sha256(made.tobytes()).hexdigest() == golden["sha256"]


@pytest.mark.parametrize(("height", "width", "new_height", "new_width"), GOLDEN["shapes"])
def test_shape_rule(height: int, width: int, new_height: int, new_width: int) -> None:
    assert ResizeFrame.fit((height, width)).resized == (new_height, new_width)


def test_padding_is_zero_and_thin_pictures_work() -> None:
    image = Image(np.full((1, 5000, 3), 255, np.uint8))
    frame = ResizeFrame.fit(image.size)
    made = preprocess(image, frame)
    assert frame.resized == (1, 1024)
    assert (made[0, :, 1:] == 0).all()
    assert (made[0, :, 0] > 2).all()


def test_another_side() -> None:
    image = Image(gradient())
    assert preprocess(image, ResizeFrame.fit(image.size, 256)).shape == (1, 3, 256, 256)


def test_a_frame_of_another_picture_is_refused() -> None:
    with pytest.raises(ImageError, match="is for a picture"):
        preprocess(Image(gradient()), ResizeFrame.fit((53, 37)))

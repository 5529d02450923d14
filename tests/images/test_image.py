"""`Image` as a value: arrays, digests, crops."""

import dataclasses
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_factory import encoded, gradient
from PIL import Image as Pillow

from promptseg.errors import ImageError
from promptseg.geometry import Size
from promptseg.images import Image, ImageLimits

RGB = gradient()
GREY = RGB[:, :, 0]
TRIPLE = np.repeat(GREY[:, :, None], 3, 2)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (RGB, RGB),
        (RGB[:, ::-1], RGB[:, ::-1]),
        (np.asfortranarray(RGB), RGB),
        (GREY, TRIPLE),
        (GREY[:, :, None], TRIPLE),
        (GREY > 99, np.where(TRIPLE > 99, 255, 0)),
        (RGB.astype(np.uint16) * 257, RGB),
        (RGB.astype(">u2") * 256 + 255, RGB),
        (RGB / 255, RGB),
        ((RGB / 255).astype(np.float16), RGB),
        ((GREY / 255).astype(np.float32), TRIPLE),
        (np.dstack([RGB, np.full_like(GREY, 255)]), RGB),
        (np.dstack([RGB, np.where(GREY > 0, 0, 255)]).astype(np.uint8), np.where(TRIPLE > 0, 255, RGB)),
        (np.dstack([RGB / 255, np.ones_like(GREY)]), RGB),
        (np.zeros((1, 1)), np.zeros((1, 1, 3))),
    ],
)
def test_arrays(array: np.ndarray, expected: np.ndarray) -> None:
    image = Image.open(array)
    assert np.array_equal(image.pixels, expected)
    assert image.pixels.dtype == np.uint8
    assert image.pixels.flags.c_contiguous
    assert not image.pixels.flags.writeable


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (np.zeros((3, 4, 5)), r"shape \(3, 4, 5\)"),
        (np.zeros((3, 4, 2)), r"shape \(3, 4, 2\)"),
        (np.zeros((1, 3, 4, 3)), "Expected"),
        (np.zeros(5), "Expected"),
        (np.zeros(()), "Expected"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((4, 0)), "no pixels"),
        (np.zeros((4, 4), np.int64), "int64.*astype"),
        (np.zeros((4, 4), np.uint32), "uint32"),
        (np.zeros((4, 4), complex), "complex"),
        (np.array([["a"]]), "type <U1"),
        (np.array([[None]]), "object"),
        (np.full((4, 4), 200.0), "divide by 255"),
        (np.full((4, 4), -0.1), "from -0.1"),
        (np.full((4, 4), np.nan), "from nan"),
        (np.full((4, 4), np.inf), "from inf"),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray, hint: str) -> None:
    with pytest.raises(ImageError, match=hint):
        Image.open(array)


def test_limits_hold_for_arrays_and_images() -> None:
    limits = ImageLimits(max_pixels=10)
    for source in (RGB, Image(RGB), Pillow.fromarray(RGB)):
        with pytest.raises(ImageError, match="limit is 10"):
            Image.open(source, limits=limits)


def test_the_caller_cannot_change_it_and_it_does_not_change_the_caller() -> None:
    mine = RGB.copy()
    for image in (Image.open(mine), Image(mine)):
        mine[:] = 0
        assert np.array_equal(image.pixels, RGB)
        mine[:] = RGB
        with pytest.raises(ValueError, match="read-only"):
            image.pixels[0, 0] = 1
        with pytest.raises(dataclasses.FrozenInstanceError):
            image.name = "x"  # type: ignore[misc]
    assert mine.flags.writeable


@pytest.mark.parametrize("pixels", [GREY, RGB.astype(float), np.zeros((0, 3, 3), np.uint8), "no", None])
def test_the_constructor_is_strict(pixels: object) -> None:
    with pytest.raises(ImageError):
        Image(pixels)  # type: ignore[arg-type]


def test_digest_and_equality() -> None:
    image = Image.open(RGB)
    same = Image.open(encoded(Pillow.fromarray(RGB), "PNG"), name="other.png")
    assert image == same
    assert hash(image) == hash(same)
    assert image.digest == same.digest
    assert image.digest is image.digest
    assert len(image.digest) == 64
    assert image != Image.open(RGB[::-1])
    assert image != 3
    flat = np.zeros((2, 6, 3), np.uint8)
    assert Image(flat).digest != Image(flat.reshape(6, 2, 3)).digest
    assert Image(np.zeros((1, 1, 3), np.uint8)).digest == hashlib.sha256(b"1x1x3:\0\0\0").hexdigest()


def test_names_sizes_and_repr() -> None:
    image = Image.open(RGB, name="dog")
    assert (image.size, image.size.width, image.name) == (Size(37, 53), 53, "dog")
    assert Image.open(image) is image
    assert Image.open(image, name="cat").name == "cat"
    assert repr(image) == "Image(53 x 37, 'dog')"
    assert repr(Image(RGB)) == "Image(53 x 37)"
    data = encoded(Pillow.fromarray(RGB), "PNG")
    assert Image.open(bytearray(data)) == Image.open(memoryview(data)) == image


@given(st.tuples(*[st.integers(-3, 60)] * 4))
def test_crop(box: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = box
    image = Image(RGB, "a.png")
    if 0 <= x0 < x1 <= 53 and 0 <= y0 < y1 <= 37:
        part = image.crop(box)
        assert np.array_equal(part.pixels, RGB[y0:y1, x0:x1])
        assert part.pixels.flags.c_contiguous
        assert not part.pixels.flags.writeable
        assert part.name == "a.png"
    else:
        with pytest.raises(ImageError, match="crop"):
            image.crop(box)


@pytest.mark.parametrize("box", [(0, 0, 1.5, 2), (0, 0, 1), None, ("a", 0, 1, 1), (0, 0, float("nan"), 1)])
def test_odd_crops(box: object) -> None:
    with pytest.raises(ImageError, match="crop"):
        Image(RGB).crop(box)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_pillow_pictures_without_pixels(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="is empty"):
        Image.open(Pillow.new("RGB", size))

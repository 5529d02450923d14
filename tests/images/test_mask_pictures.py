"""Mask pictures of every kind have the same inside."""

import io

import numpy as np
import pytest
from picture_factory import encoded
from PIL import Image as Pillow
from PIL import ImageFilter

from promptseg.errors import ImageError
from promptseg.images.mask_pictures import open_mask, read_mask
from promptseg.notes import Note
from promptseg.prompts.types import Mask

BALL = (np.mgrid[:60, :80][0] - 30) ** 2 + (np.mgrid[:60, :80][1] - 45) ** 2 < 300
GREY = Pillow.fromarray(BALL.astype(np.uint8) * 255)


def palette(colours: list[int], values: np.ndarray = BALL) -> Pillow.Image:
    picture = Pillow.fromarray(values.astype(np.uint8), "P")
    picture.putpalette(colours)
    return picture


def with_alpha(colour: tuple[int, int, int], mode: str = "RGBA") -> Pillow.Image:
    picture = Pillow.new("RGB", (80, 60), colour).convert(mode)
    picture.putalpha(GREY)
    return picture


def photograph() -> Pillow.Image:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    return Pillow.fromarray(np.dstack([noise, np.asarray(GREY)]))


CASES = {
    "0/255": lambda: encoded(GREY, "PNG"),
    "0/1": lambda: encoded(Pillow.fromarray(BALL.astype(np.uint8)), "PNG"),
    "0/2": lambda: encoded(Pillow.fromarray(BALL.astype(np.uint8) * 2), "PNG"),
    "one bit": lambda: encoded(Pillow.fromarray(BALL), "PNG"),
    "16 bits": lambda: encoded(Pillow.fromarray(BALL.astype(np.uint16)), "PNG"),
    "16 bits, TIFF": lambda: encoded(Pillow.fromarray(BALL.astype(np.uint16) * 65535), "TIFF"),
    "float, TIFF": lambda: encoded(Pillow.fromarray(BALL.astype(np.float32)), "TIFF"),
    "dark colour": lambda: encoded(Pillow.fromarray(BALL[..., None] * np.array([0, 0, 9], np.uint8)), "PNG"),
    "palette": lambda: encoded(palette([0, 0, 0, 128, 0, 0]), "PNG"),
    "palette with black last": lambda: encoded(palette([255, 255, 255, 0, 0, 0], ~BALL), "PNG"),
    "palette, 0 transparent": lambda: encoded(palette([0, 0, 0, 128, 0, 0]), "PNG", transparency=0),
    "white, transparent around": lambda: encoded(with_alpha((255, 255, 255)), "PNG"),
    "black, transparent around": lambda: encoded(with_alpha((0, 0, 0)), "PNG"),
    "grey with alpha": lambda: encoded(with_alpha((9, 9, 9), "L"), "PNG"),
    "cut-out": lambda: encoded(photograph(), "PNG"),
    "cut-out, TIFF": lambda: encoded(photograph(), "TIFF"),
    "nowhere opaque": lambda: encoded(Pillow.merge("RGBA", [GREY, GREY, GREY, Pillow.new("L", (80, 60), 0)]), "PNG"),
    "opaque everywhere": lambda: encoded(GREY.convert("RGBA"), "PNG"),
    "GIF": lambda: encoded(GREY, "GIF"),
    "BMP": lambda: encoded(GREY.convert("RGB"), "BMP"),
    "WebP": lambda: encoded(GREY.convert("RGB"), "WEBP", lossless=True),
}


@pytest.mark.parametrize("case", CASES)
def test_one_inside(case, tmp_path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(CASES[case]())
    assert np.array_equal(read_mask(str(path)), BALL)
    assert np.array_equal(Mask.from_text(str(path), "--mask").inside, BALL)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_soft_edges_are_cut_at_one_half(kind) -> None:
    soft = GREY.filter(ImageFilter.GaussianBlur(1.5))
    inside = open_mask(encoded(soft if kind == "PNG" else GREY, kind, quality=70), "m").inside()
    assert np.count_nonzero(inside != BALL) < 0.01 * BALL.size


def test_several_numbers_are_taken_with_a_note_or_chosen(tmp_path) -> None:
    values = BALL.astype(np.uint8)
    values[:10, :10], values[:10, 20:30] = 3, 255
    for name, picture in (("grey.png", Pillow.fromarray(values)), ("index.png", palette([0, 0, 0] * 256, values))):
        path = tmp_path / name
        picture.save(path)
        with pytest.warns(Note, match=rf"holds the numbers 0, 1, 3, 255.*Choose one, like {name}@1"):
            inside = read_mask(str(path))
        voided = name == "index.png"
        assert np.array_equal(inside, values != 0 if not voided else (values != 0) & (values != 255))
        assert np.array_equal(read_mask(f"{path}@3"), values == 3)
        with pytest.raises(ImageError, match=r"the numbers 0, 1, 3, 255; there is no 7"):
            read_mask(f"{path}@7")
    colours = np.where(BALL[..., None], np.array([255, 0, 0]), np.array([0, 0, 255])).astype(np.uint8)
    Pillow.fromarray(colours).save(tmp_path / "colours.png")
    assert np.array_equal(read_mask(f"{tmp_path / 'colours.png'}@#ff0000"), BALL)
    (tmp_path / "odd@2").write_bytes(encoded(GREY, "PNG"))
    assert np.array_equal(read_mask(str(tmp_path / "odd@2")), BALL)


def test_a_mask_is_turned_upright() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    for picture in (GREY, palette([0, 0, 0, 9, 9, 9])):
        inside = open_mask(encoded(picture, "PNG", exif=exif), "m").inside()
        assert np.array_equal(inside, np.rot90(BALL, -1))


def test_a_mask_array_of_0_and_another_number() -> None:
    for value in (1, 2, 255):
        assert np.array_equal(Mask(BALL * np.int64(value)).inside, BALL)
    assert np.array_equal(Mask(np.array([[0, 100], [200, 255]])).inside, [[False, False], [True, True]])


def test_what_is_no_picture(tmp_path) -> None:
    with pytest.raises(ImageError, match="There is no file"):
        read_mask(str(tmp_path / "none.png@3"))
    with pytest.raises(ImageError, match="not a picture"):
        open_mask(io.BytesIO(b"nothing").getvalue(), "m")

"""Every format and mode becomes the RGB that its colours mean, upright."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from picture_factory import READABLE, encoded, gradient, sample
from PIL import Image as Pillow
from PIL import ImageOps

from promptseg.errors import ImageError
from promptseg.images import Image, ImageLimits
from promptseg.notes import Note

RGB = Pillow.fromarray(gradient())
GREY = np.asarray(RGB.convert("L"))
LOSSLESS = ("PNG", "WEBP", "TIFF", "BMP")


def near(pixels: np.ndarray, expected: np.ndarray, tolerance: int = 0) -> bool:
    return pixels.shape == expected.shape and np.abs(pixels.astype(int) - expected.astype(int)).max() <= tolerance


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_rgb_is_exact(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    image = Image.open(encoded(RGB, kind, **options))
    assert np.array_equal(image.pixels, gradient())
    assert image.size == (37, 53)


@pytest.mark.parametrize(("kind", "tolerance"), [("JPEG", 12), ("WEBP", 40), ("GIF", 60)])
def test_lossy_rgb_is_near(kind: str, tolerance: int) -> None:
    options = {} if kind == "GIF" else {"quality": 95}
    assert near(Image.open(encoded(RGB, kind, **options)).pixels, gradient(), tolerance)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_deflate"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_compressions_and_orientations(compression: str | None, orientation: int) -> None:
    data = encoded(RGB, "TIFF", compression=compression, tiffinfo={274: orientation})
    assert np.array_equal(Image.open(data).pixels, upright(gradient(), orientation))


GREY_CASES = {
    "PNG L": (lambda: encoded(RGB.convert("L"), "PNG"), GREY, 0),
    "JPEG L": (lambda: encoded(RGB.convert("L"), "JPEG", quality=98), GREY, 6),
    "TIFF L": (lambda: encoded(RGB.convert("L"), "TIFF"), GREY, 0),
    "BMP L": (lambda: encoded(RGB.convert("L"), "BMP"), GREY, 0),
    "GIF L": (lambda: encoded(RGB.convert("L"), "GIF"), GREY, 0),
    "PNG 16": (lambda: encoded(Pillow.fromarray(GREY.astype(np.uint16) * 257), "PNG"), GREY, 0),
    "PNG 16 high byte": (lambda: encoded(Pillow.fromarray(GREY.astype(np.uint16) * 256 + 255), "PNG"), GREY, 0),
    "TIFF 16": (lambda: encoded(Pillow.fromarray(GREY.astype(np.uint16) * 257), "TIFF"), GREY, 0),
    "TIFF 16 big": (lambda: big_endian_tiff(GREY.astype(np.uint16) * 257), GREY, 0),
    "TIFF I 8": (lambda: encoded(Pillow.fromarray(GREY.astype(np.int32)), "TIFF"), GREY, 0),
    "TIFF I 16": (lambda: encoded(Pillow.fromarray(GREY.astype(np.int32) * 257), "TIFF"), GREY, 0),
    "TIFF I negative": (lambda: encoded(Pillow.fromarray(GREY.astype(np.int32) * 1000 - 70_000), "TIFF"), GREY, 0),
    "TIFF F unit": (lambda: encoded(Pillow.fromarray(GREY.astype(np.float32) / 255), "TIFF"), GREY, 0),
    "TIFF F bytes": (lambda: encoded(Pillow.fromarray(GREY.astype(np.float32)), "TIFF"), GREY, 0),
    "TIFF F wide": (lambda: encoded(Pillow.fromarray(GREY.astype(np.float32) * 40 - 9), "TIFF"), GREY, 0),
    "PNG 1": (lambda: encoded(RGB.convert("1"), "PNG"), np.asarray(RGB.convert("1")) * np.uint8(255), 0),
    "TIFF 1 group4": (
        lambda: encoded(RGB.convert("1"), "TIFF", compression="group4"),
        np.asarray(RGB.convert("1")) * np.uint8(255),
        0,
    ),
}


def big_endian_tiff(values: np.ndarray) -> bytes:
    data = encoded(Pillow.frombytes("I;16B", values.shape[::-1], values.astype(">u2").tobytes()), "TIFF")
    assert Pillow.open(io.BytesIO(data)).mode == "I;16B"
    return data


@pytest.mark.parametrize("case", GREY_CASES)
def test_grey(case: str) -> None:
    make, expected, tolerance = GREY_CASES[case]
    grey = expected
    if "negative" in case or "wide" in case:  # stretched from the least to the greatest
        low, high = int(grey.min()), int(grey.max())
        grey = np.rint((grey.astype(float) - low) * 255 / (high - low)).astype(np.uint8)
    pixels = Image.open(make()).pixels
    assert near(pixels, np.repeat(grey[:, :, None], 3, 2), tolerance)


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("TIFF", "RGBA"), ("TIFF", "LA"), ("WEBP", "RGBA")]
)
def test_alpha_lies_over_white(kind: str, mode: str) -> None:
    slope = np.linspace(-255, 510, 53) if kind == "TIFF" else np.linspace(0, 255, 53)  # a TIFF's is mostly at its ends
    alpha = np.tile(slope.clip(0, 255).astype(np.uint8), (37, 1))
    picture = RGB.convert(mode)
    picture.putalpha(Pillow.fromarray(alpha))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    base = gradient() if mode == "RGBA" else np.repeat(GREY[:, :, None], 3, 2)
    weight = alpha[:, :, None] / 255
    expected = np.rint(base * weight + 255 * (1 - weight)).astype(np.uint8)
    pixels = Image.open(encoded(picture, kind, **options)).pixels
    assert near(pixels, expected, 1)
    assert (pixels[:, 0] == 255).all()
    assert np.array_equal(pixels[:, -1], base[:, -1])


def test_premultiplied_and_palette_alpha() -> None:
    clear = Pillow.new("RGBA", (3, 2), (200, 100, 0, 0))
    clear.putpixel((0, 0), (9, 9, 9, 255))
    for mode in ("RGBA", "LA"):
        source = clear.convert(mode).convert(mode[:-1] + "a")
        pixels = Image.open(source).pixels
        assert (pixels[0, 0] == 9).all()
        assert (pixels.reshape(-1, 3)[1:] == 255).all()
    palette = Pillow.new("P", (3, 2), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert (Image.open(palette).pixels == (10, 20, 30)).all()
    assert (Image.open(palette.convert("PA")).pixels == (10, 20, 30)).all()


def test_colour_keys() -> None:
    palette = Pillow.new("P", (2, 1), 1)
    palette.putpalette([9, 9, 9, 50, 60, 70])
    palette.putpixel((0, 0), 0)
    white = [255, 255, 255]
    for kind, key in (("PNG", 0), ("GIF", 0), ("PNG", b"\x00\xff")):
        pixels = Image.open(encoded(palette, kind, transparency=key)).pixels
        assert pixels.tolist() == [[white, [50, 60, 70]]], kind
    rgb = Pillow.new("RGB", (2, 1), (1, 2, 3))
    rgb.putpixel((0, 0), (4, 5, 6))
    assert Image.open(encoded(rgb, "PNG", transparency=(4, 5, 6))).pixels.tolist() == [[white, [1, 2, 3]]]
    grey = Pillow.new("L", (2, 1), 7)
    grey.putpixel((0, 0), 8)
    assert Image.open(encoded(grey, "PNG", transparency=8)).pixels.tolist() == [[white, [7, 7, 7]]]
    deep = encoded(Pillow.fromarray(np.array([[513, 700]], np.uint16)), "PNG", transparency=513)
    assert Image.open(deep, levels="full").pixels.tolist() == [[white, [2, 2, 2]]]
    assert Image.open(deep).pixels.tolist() == [[white, [700 >> 2] * 3]]


def test_sixteen_bit_colour_png_keeps_the_high_byte(tmp_path: Path) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    row = b"\0" + struct.pack(">6H", 0x1234, 0xFFFF, 0x00FF, 0xABCD, 0, 0x8000)
    head = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    for key in (b"", chunk(b"tRNS", struct.pack(">3H", 0x1234, 0xFFFF, 0x00FF))):
        parts = chunk(b"IHDR", head) + key + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
        pixels = Image.open(b"\x89PNG\r\n\x1a\n" + parts).pixels
        first = [255, 255, 255] if key else [0x12, 0xFF, 0x00]
        assert pixels.tolist() == [[first, [0xAB, 0, 0x80]]]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind: str) -> None:
    options = {"quality": 98} if kind == "JPEG" else {}
    cmyk = RGB.convert("CMYK")
    assert near(Image.open(encoded(cmyk, kind, **options)).pixels, np.asarray(cmyk.convert("RGB")), 10)


def test_ycbcr_hsv_and_lab() -> None:
    assert near(Image.open(encoded(RGB.convert("YCbCr"), "TIFF")).pixels, gradient(), 3)
    assert near(Image.open(RGB.convert("HSV")).pixels, gradient(), 8)
    lab = Pillow.frombytes("LAB", (3, 1), bytes([255, 0, 0, 0, 0, 0, 136, 80, 67]))
    expected = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0]]])
    assert near(Image.open(lab).pixels, expected, 12)
    assert near(Image.open(encoded(lab, "TIFF")).pixels, expected, 12)


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """The oracle: Pillow's own transposition."""
    picture = Pillow.fromarray(stored)
    picture.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(picture))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [*range(1, 9), 0, 9, 255])
def test_orientation_is_applied_once(kind: str, orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    options = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}, "JPEG": {"quality": 98, "subsampling": 0}}[kind]
    image = Image.open(encoded(RGB, kind, exif=exif, **options))
    assert near(image.pixels, upright(gradient(), orientation), 12 if kind == "JPEG" else 0)
    again = Image.open(Pillow.fromarray(image.pixels))
    assert again == image


def test_orientation_of_a_pillow_picture_is_applied_unless_done() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    data = encoded(RGB, "PNG", exif=exif)
    lazy = Pillow.open(io.BytesIO(data))
    turned = ImageOps.exif_transpose(Pillow.open(io.BytesIO(data)))
    assert Image.open(lazy) == Image.open(turned) == Image.open(data)
    assert Image.open(lazy).size == (53, 37)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x05\xff\xff\xff\xff\0\0\0\x08",
        b"Exif\0\0" + b"nonsense" * 9,
    ],
)
def test_damaged_exif_does_not_stop_a_picture(kind: str, exif: bytes) -> None:
    assert Image.open(encoded(RGB, kind, exif=exif)).pixels.size == 37 * 53 * 3


def test_damaged_exif_folder_of_a_tiff() -> None:
    data = encoded(RGB, "TIFF", tiffinfo={274: 6, 0x8769: 8})
    assert np.array_equal(Image.open(data).pixels, upright(gradient(), 6))
    for offset in (3, len(data) - 1, 2**31):
        broken = data.replace(struct.pack("<HHII", 0x8769, 4, 1, 8), struct.pack("<HHII", 0x8769, 4, 1, offset))
        assert np.array_equal(Image.open(broken).pixels, upright(gradient(), 6)), offset


def test_first_frame_of_animations_and_pages() -> None:
    frames = [Pillow.new("RGB", (9, 7), colour) for colour in ("red", "blue")]
    for kind, options in (("GIF", {}), ("TIFF", {}), ("PNG", {}), ("WEBP", {"lossless": True})):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        with pytest.warns(Note, match="pages or frames; the first was read"):
            assert (Image.open(data).pixels == (255, 0, 0)).all(), kind
        assert (Image.open(data, page=1).pixels == (255, 0, 0)).all(), kind
        assert (Image.open(data, page=2).pixels == (0, 0, 255)).all(), kind
        with pytest.raises(ImageError, match="there is no page 3"):
            Image.open(data, page=3)


@pytest.mark.parametrize("kind", READABLE)
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3)])
def test_extreme_shapes(kind: str, size: tuple[int, int]) -> None:
    assert Image.open(encoded(Pillow.fromarray(gradient(*size)), kind)).size == size


@pytest.mark.parametrize("kind", READABLE)
def test_content_decides_not_the_extension(kind: str, tmp_path: Path) -> None:
    for suffix in (".txt", ".png", ".jpg", ".heic", ""):
        path = tmp_path / f"picture{suffix}"
        path.write_bytes(sample(kind))
        assert Image.open(path).size == (13, 17)
        assert Image.open(str(path)).name == path.name


def test_a_hundred_megapixels(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Pillow.new("1", (10_000, 10_000), 1).save(path)
    image = Image.open(path)
    assert image.size == (10_000, 10_000)
    assert image.pixels[::999, ::999].min() == 255
    with pytest.raises(ImageError, match=r"100,000,000 pixels; the limit is 99,999,999"):
        Image.open(path, limits=ImageLimits(max_pixels=99_999_999))


def test_more_than_pillows_own_limit_and_no_global_change() -> None:
    before = (Pillow.MAX_IMAGE_PIXELS, list(warnings.filters))
    data = encoded(Pillow.new("1", (14_000, 13_000)), "PNG")
    assert Image.open(data).size == (13_000, 14_000)
    assert (Pillow.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


def test_strips_meet_without_seams() -> None:
    tall = np.random.default_rng(0).integers(0, 256, (5003, 2111, 3), np.uint8)
    assert np.array_equal(Image.open(Pillow.fromarray(tall)).pixels, tall)

"""Pictures of more than 8 bits, of more bands than colours, of more pages than one: the right colours, or a word."""

import itertools
import struct

import numpy as np
import pytest
from picture_factory import encoded, gradient
from PIL import Image as Pillow
from tiff_factory import tiff

from promptseg.errors import ImageError
from promptseg.images import Image, ImageLimits
from promptseg.notes import Note, told

RGB = gradient()
GREY = np.asarray(Pillow.fromarray(RGB).convert("L"))
TRIPLE = np.repeat(GREY[:, :, None], 3, 2)
DEEP = RGB.astype(np.uint16) * 257
CLEAR = np.where(GREY > 90, 255, 0).astype(np.uint8)

LAYOUTS = [
    {"order": order, "planar": planar, "compression": compression, "predictor": predictor, **shape}
    for order, planar, compression, predictor, shape in itertools.product(
        "<>", (False, True), (1, 5, 8), (1, 2), ({}, {"rows": 10}, {"tile": (16, 32)}, {"big": True})
    )
    if compression != 1 or predictor == 1
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_every_layout_of_16_bits(layout: dict) -> None:
    assert np.array_equal(Image.open(tiff(DEEP, **layout)).pixels, RGB)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("kind", ["u1", "u4", "i2", "i4", "f2", "f4", "f8"])
def test_every_kind_of_number(kind: str, planar: bool) -> None:
    values = RGB / 255 if kind[0] == "f" else RGB if kind == "u1" else RGB.astype(int) * 128
    expected = RGB if kind[0] == "f" or kind == "u1" else (RGB.astype(int) * 128) >> 8
    pixels = Image.open(tiff(values.astype(kind), planar=planar)).pixels
    assert np.abs(pixels.astype(int) - expected).max() <= (1 if kind == "f2" else 0)
    if kind in ("f4", "f8"):
        assert np.array_equal(Image.open(tiff(values.astype(kind), predictor=3, compression=8)).pixels, RGB)


@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("planar", [False, True])
def test_white_is_zero(kind: str, planar: bool) -> None:
    values = (255 - GREY) if kind == "u1" else (255 - GREY).astype("u2") * 257
    assert np.array_equal(Image.open(tiff(values, photometric=0, planar=planar)).pixels, TRIPLE)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_integers_count_as_the_fewest_bits_that_hold_them(bits: int) -> None:
    values = (GREY.astype(np.uint16) << 8 >> (16 - bits)).astype(np.uint16)
    files = (tiff(values), tiff(values, order=">"), encoded(Pillow.fromarray(values), "PNG"), values)
    for source in files:
        assert np.array_equal(Image.open(source).pixels, TRIPLE)
    with told(list[str]().append):
        assert np.array_equal(Image.open(files[0], levels="full").pixels[..., 0], values >> 8)
    assert np.abs(Image.open(files[0], levels=(0, 2.0**bits - 1)).pixels.astype(int) - TRIPLE).max() <= 1


def test_colours_of_12_bits_in_a_png_keep_their_low_bytes() -> None:
    values = RGB.astype(np.uint16) << 4
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    assert np.array_equal(Image.open(_png(values, 2, rows)).pixels, RGB)
    alpha = np.dstack([values, np.where(CLEAR, 65535, 0)]).astype(">u2")
    pixels = Image.open(_png(values, 6, b"".join(b"\0" + row.tobytes() for row in alpha))).pixels
    assert np.array_equal(pixels, np.where(CLEAR[..., None] > 0, RGB, 255))
    grey = np.dstack([GREY.astype(np.uint16) << 4, np.full_like(GREY, 255, np.uint16) * 257]).astype(">u2")
    pixels = Image.open(_png(values, 4, b"".join(b"\0" + row.tobytes() for row in grey))).pixels
    assert np.array_equal(pixels, TRIPLE)


def _png(values: np.ndarray, colour: int, rows: bytes) -> bytes:
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_a_picture_that_uses_little_of_its_range_says_so_and_can_be_stretched() -> None:
    dark = (GREY.astype(np.uint16) * 4).copy()
    dark[0, 0] = 65535  # a hot pixel
    for source in (tiff(dark), encoded(Pillow.fromarray(GREY // 16), "PNG")):
        with pytest.warns(Note, match="less than an eighth of its range.*--levels stretch"):
            Image.open(source)
        stretched = Image.open(source, levels="stretch").pixels.astype(int)
        assert np.corrcoef(stretched.ravel(), TRIPLE.ravel())[0, 1] > 0.97
        assert (stretched.min(), stretched.max()) == (0, 255)
    assert (Image.open(encoded(Pillow.new("L", (64, 64), 7), "PNG")).pixels == 7).all()  # a blank sheet is none


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("extra", [0, 2])
@pytest.mark.parametrize("deep", [1, 257])
def test_near_infrared_is_no_alpha(planar: bool, extra: int, deep: int) -> None:
    kind = np.uint8 if deep == 1 else np.uint16
    values = np.dstack([RGB, 255 - GREY]).astype(kind) * kind(deep)
    data = tiff(values, planar=planar, extra=(extra,))
    with pytest.warns(Note, match="has 4 channels; 1, 2 and 3 were read"):
        assert np.array_equal(Image.open(data).pixels, RGB)
    assert np.array_equal(Image.open(data, channels=(4,)).pixels, 255 - TRIPLE)
    assert np.array_equal(Image.open(data, channels=(3, 2, 1)).pixels, RGB[:, :, ::-1])


def test_a_band_of_a_measuring_program_is_no_alpha_even_of_two_numbers() -> None:
    values = np.dstack([RGB, CLEAR])
    with pytest.warns(Note, match="4 channels"):
        assert np.array_equal(Image.open(tiff(values, extra=(2,), more={305: (2, b"tifffile.py\0")})).pixels, RGB)
    over_white = np.where(CLEAR[..., None] > 0, RGB, 255)
    assert np.array_equal(Image.open(tiff(values, extra=(2,))).pixels, over_white)
    cut = np.dstack([RGB * (CLEAR[..., None] > 0), CLEAR])
    assert np.array_equal(Image.open(tiff(cut, extra=(2,), more={305: (2, b"tifffile.py\0")})).pixels, over_white)
    assert np.array_equal(Image.open(tiff(cut, extra=(1,))).pixels, over_white)


def test_many_bands_and_two() -> None:
    many = np.dstack([RGB] * 4 + [GREY])
    with pytest.warns(Note, match="has 13 channels"):
        assert np.array_equal(Image.open(tiff(many, photometric=1, extra=(0,) * 12)).pixels, RGB)
    with pytest.raises(ImageError, match="has 13 channels, got 14"):
        Image.open(tiff(many, photometric=1, extra=(0,) * 12), channels=(14,))
    two = np.dstack([GREY, 255 - GREY // 2])
    with pytest.warns(Note, match="has 2 channels; the first was read"):
        assert np.array_equal(Image.open(tiff(two, extra=(0,))).pixels, TRIPLE)
    assert np.array_equal(Image.open(two, channels=(1,)).pixels, TRIPLE)
    photo = encoded(Pillow.fromarray(RGB), "PNG")
    assert np.array_equal(Image.open(photo, channels=(2,)).pixels, np.repeat(RGB[:, :, 1:2], 3, 2))


def test_cmyk_of_16_bits_in_planes() -> None:
    ink = np.dstack([255 - RGB, np.zeros_like(GREY)]).astype(np.uint16) * 257
    assert np.array_equal(Image.open(tiff(ink, photometric=5, planar=True)).pixels, RGB)


@pytest.mark.parametrize("sign", ["-3.4028234663852886e+38", "-9999", "-32767", "nan", "1e20"])
@pytest.mark.parametrize("tagged", [True, False])
def test_no_data_does_not_flatten_heights(sign: str, tagged: bool) -> None:
    heights = GREY.astype(np.float32) * 10 + 300
    heights[:4] = np.float32(sign)
    more = {42113: (2, sign.encode() + b"\0")} if tagged else None
    pixels = Image.open(tiff(heights, more=more)).pixels.astype(int)
    low, high = int(GREY[4:].min()), int(GREY[4:].max())
    expected = np.rint((TRIPLE[4:].astype(float) - low) * 255 / (high - low))
    assert np.abs(pixels[4:] - expected).max() <= 1
    assert (pixels[:4] == 0).all()


def test_no_data_of_integers() -> None:
    values = np.where(GREY > 200, 65535, GREY.astype(np.uint16) << 4).astype(np.uint16)
    pixels = Image.open(tiff(values, more={42113: (2, b"65535\0")})).pixels
    assert np.array_equal(pixels, np.where(TRIPLE > 200, 0, TRIPLE))
    below = np.where(GREY > 200, -32768, GREY.astype(np.int16)).astype(np.int16)
    assert len(np.unique(Image.open(tiff(below)).pixels)) > 100


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_a_wholly_transparent_picture_shows_its_colours(mode: str) -> None:
    picture = Pillow.fromarray(np.dstack([RGB, np.zeros_like(GREY)]))
    options = {}
    if mode in ("P", "PA"):
        picture = Pillow.fromarray(GREY, "P")
        picture.putpalette([value for level in range(256) for value in (level, level, level)])
        options = {"transparency": bytes(256)}
    elif mode == "LA":
        picture = Pillow.merge("LA", [Pillow.fromarray(GREY), Pillow.new("L", GREY.shape[::-1], 0)])
    with pytest.warns(Note, match="wholly transparent"):
        pixels = Image.open(encoded(picture, "PNG", **options)).pixels
    assert np.array_equal(pixels, RGB if mode == "RGBA" else TRIPLE)


def test_pages_are_counted_without_smaller_copies() -> None:
    pages = [Pillow.new("L", (9, 7), level) for level in (10, 90, 170)]
    stack = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    with pytest.warns(Note, match="has 3 pages"):
        assert (Image.open(stack).pixels == 10).all()
    for number, level in enumerate((10, 90, 170), start=1):
        assert (Image.open(stack, page=number).pixels == level).all()
    with pytest.raises(ImageError, match="has 3 pages: there is no page 4"):
        Image.open(stack, page=4)
    small = pages[1].copy()
    small.encoderinfo = {"tiffinfo": {254: 1}}
    overview = encoded(pages[0], "TIFF", save_all=True, append_images=[small])
    assert (Image.open(overview).pixels == 10).all()


def test_an_endless_chain_of_pages_ends() -> None:
    body = b"".join(struct.pack("<HI", 0, 8 + 6 * (place + 1)) for place in range(300_000))
    with pytest.raises(ImageError), told(list[str]().append):
        Image.open(b"II*\0" + struct.pack("<I", 8) + body)
    circle = bytearray(tiff(GREY))
    (first,) = struct.unpack_from("<I", circle, 4)
    (count,) = struct.unpack_from("<H", circle, first)
    struct.pack_into("<I", circle, first + 2 + 12 * count, first)
    assert np.array_equal(Image.open(bytes(circle)).pixels, TRIPLE)


def test_memory_is_bounded_before_anything_is_decoded() -> None:
    limits = ImageLimits(max_pixels=10_000)
    with pytest.raises(ImageError, match="the limit is 10,000"):
        Image.open(tiff(np.zeros((101, 100), np.uint16)), limits=limits)
    wide = tiff(np.zeros((10, 10, 2000), np.float64), photometric=1, extra=(0,) * 1999)
    with pytest.raises(ImageError, match="parts of 1,600,000 bytes"):
        Image.open(wide, limits=limits)
    bomb = tiff(np.zeros((100, 100), np.uint8), compression=8, more={322: (4, [60_000]), 323: (4, [60_000])})
    with pytest.raises(ImageError, match="damaged"):
        Image.open(bomb.replace(struct.pack("<HHII", 273, 4, 1, 8), struct.pack("<HHII", 324, 4, 1, 8)))


@pytest.mark.parametrize("missing", [1, 100, 3000])
def test_cut_files_are_refused(missing: int) -> None:
    data = bytearray(tiff(DEEP))
    place = data.find(struct.pack("<HHI", 279, 4, 1))
    (length,) = struct.unpack_from("<I", data, place + 8)
    struct.pack_into("<I", data, place + 8, length - missing)
    with pytest.raises(ImageError, match=rf"{missing:,} bytes of its pixels are missing"):
        Image.open(bytes(data))


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"page": 0}, "from 1"),
        ({"page": 2}, "no page 2"),
        ({"channels": ()}, "one number"),
        ({"channels": (1, 2)}, "one number"),
        ({"channels": (0,)}, "from 1"),
        ({"channels": (5,)}, "3 channels"),
        ({"levels": "bright"}, "auto, full, stretch"),
        ({"levels": (3, 3)}, "black and white"),
        ({"levels": (0, float("nan"))}, "black and white"),
    ],
)
def test_options_that_make_no_sense(options: dict, hint: str) -> None:
    for source in (encoded(Pillow.fromarray(RGB), "PNG"), RGB):
        with pytest.raises(ImageError, match=hint):
            Image.open(source, **options)


def test_arrays_of_any_number_with_levels() -> None:
    for values in (GREY.astype(np.float64) * 40 - 7, GREY.astype(np.int64) * 9, GREY.astype(np.uint32)):
        pixels = Image.open(values, levels="stretch").pixels.astype(int)
        assert np.corrcoef(pixels.ravel(), TRIPLE.ravel())[0, 1] > 0.99

"""Whatever is not a picture ends in an ImageError that names it, and nothing else ever escapes."""

import concurrent.futures
import io
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picture_factory import READABLE, encoded, gradient, sample
from PIL import Image as Pillow

from promptseg.errors import ImageError, InputError
from promptseg.images import Image, ImageLimits
from promptseg.images.quiet import quiet_pillow

SAMPLES = {kind: sample(kind) for kind in READABLE}


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def png_bomb(width: int, height: int) -> bytes:
    body = b"IDAT" + zlib.compress(b"\0" * 1000)
    return png_header(width, height) + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 58, 0, 0, 54, 40, width, height, 1, 24, 0, 4, 0, 0, 0, 0) + b"\0" * 4


BOMBS = {
    "png": png_bomb(100_000, 100_000),
    "bmp": bmp(100_000, 100_000),
    "gif": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0;",
    "webp": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xfe\xff\x00" * 2 + b"VP8 \0\0\0\0",
    "tiff": encoded(Pillow.new("1", (1, 1)), "TIFF").replace(
        struct.pack("<HHII", 256, 4, 1, 1), struct.pack("<HHII", 256, 4, 1, 2**31 - 1)
    ),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_are_refused_from_the_header(kind: str) -> None:
    with pytest.raises(ImageError, match="pixels; the limit is 250,000,000"):
        Image.open(BOMBS[kind])


def test_pillows_own_bomb_error_is_an_image_error() -> None:
    lazy = Pillow.open(io.BytesIO(encoded(Pillow.new("1", (20_000, 1000)), "TIFF")))
    with pytest.raises(ImageError, match="limit is 1,000"):
        Image.open(lazy, limits=ImageLimits(max_pixels=1000))
    wide = encoded(Pillow.new("1", (14_000, 13_000)), "TIFF", compression="group4")
    with pytest.raises(ImageError, match="too many pixels for Pillow's TIFF reader"):
        Image.open(wide)


def test_byte_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(SAMPLES["PNG"])
    size = len(SAMPLES["PNG"])
    assert Image.open(path, limits=ImageLimits(max_bytes=size)).size == (13, 17)
    for source in (path, SAMPLES["PNG"]):
        with pytest.raises(ImageError, match=f"has {size} bytes; the limit is {size - 1}"):
            Image.open(source, limits=ImageLimits(max_bytes=size - 1))


STRANGERS = {
    "a.txt": (b"just some words", "not a picture"),
    "a.pdf": (b"%PDF-1.7\n", "a PDF document"),
    "a.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "EPS"),
    "a.svg": (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
    "a.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
    "a.avif": (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "AVIF"),
    "a.psd": (b"8BPS\0\x01", "Photoshop"),
    "a.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    "a.ico": (b"\0\0\x01\0\x01\0", "icon"),
    "a.zip": (b"PK\x03\x04", "ZIP"),
    "a.npy": (b"\x93NUMPY\x01\0", "numpy.load"),
    "a.ppm": (b"P6 1 1 255 abc", "not a picture"),
    "a.empty": (b"", "is empty"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_strangers_are_named_and_the_formats_listed(name: str, tmp_path: Path) -> None:
    content, hint = STRANGERS[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImageError, match=hint) as caught:
        Image.open(path)
    assert str(path) in str(caught.value)
    assert "JPEG, PNG, WebP, TIFF, BMP and GIF" in str(caught.value)
    with pytest.raises(ImageError, match="scan"):
        Image.open(content, name="scan")


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    for path, hint in (
        (tmp_path, "is a folder"),
        (tmp_path / "missing.png", "no file"),
        (tmp_path / "a.png" / "b.png", "no file"),
        ("https://example.org/a.png", "not fetched"),
        ("a\0b.png", "cannot be read"),
        ("x" * 5000, "cannot be read"),
        (Path("/dev/zero"), "not a regular file"),
    ):
        with pytest.raises(ImageError, match=hint):
            Image.open(path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="not a regular file"):
        Image.open(tmp_path / "pipe.png")


def test_permission_and_other_system_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(SAMPLES["PNG"])
    for error, hint in ((PermissionError(13, "no"), "permission denied"), (OSError(5, "I/O error"), "I/O error")):

        def fail(*_: object, error: OSError = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr("builtins.open", fail)
            with pytest.raises(ImageError, match=hint):
                Image.open(path)


@pytest.mark.parametrize("kind", READABLE)
def test_memory_errors_are_image_errors(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("promptseg.images.decode.to_rgb", fail)
    monkeypatch.setattr("promptseg.images.decode.bands_to_rgb", fail)
    with pytest.raises(ImageError, match="does not fit into memory"):
        Image.open(SAMPLES[kind])


@pytest.mark.parametrize(
    "data", [bmp(0, 5), bmp(5, 0), png_bomb(0, 4), b"GIF89a\0\0\0\0\0\0\0,\0\0\0\0\0\0\0\0\0\x02\0;"]
)
def test_zero_sizes(data: bytes) -> None:
    with pytest.raises(ImageError):
        Image.open(data)


@pytest.mark.parametrize("source", [None, 3, 1.5, [[1, 2]], {"a": 1}, object(), io.BytesIO(b"")])
def test_other_types_are_named(source: object) -> None:
    with pytest.raises(ImageError, match=f"Got a {type(source).__name__}"):
        Image.open(source)  # type: ignore[arg-type]


def attempt(data: bytes) -> None:
    """Either a picture or an ImageError; warnings count as errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            image = Image.open(data, limits=ImageLimits(max_pixels=1_000_000))
        except ImageError:
            return
        assert image.pixels.dtype == np.uint8
        assert image.pixels.shape == (*image.size, 3)


@pytest.mark.parametrize("kind", READABLE)
def test_every_truncation(kind: str) -> None:
    data = SAMPLES[kind]
    for end in range(0, len(data), max(1, len(data) // 300)):
        attempt(data[:end])


@pytest.mark.parametrize("kind", ["TIFF LZW", "TIFF JPEG", "GIF key", "JPEG progressive", "PNG palette", "WEBP lossy"])
def test_every_truncation_of_variants(kind: str) -> None:
    picture = Pillow.fromarray(gradient(24, 31))
    data = {
        "TIFF LZW": lambda: encoded(picture, "TIFF", compression="tiff_lzw"),
        "TIFF JPEG": lambda: encoded(picture, "TIFF", compression="jpeg"),
        "GIF key": lambda: encoded(picture.convert("P"), "GIF", transparency=3),
        "JPEG progressive": lambda: encoded(picture.convert("CMYK"), "JPEG", progressive=True),
        "PNG palette": lambda: encoded(picture.convert("P"), "PNG", transparency=bytes(range(200))),
        "WEBP lossy": lambda: encoded(picture.convert("RGBA"), "WEBP"),
    }[kind]()
    for end in range(0, len(data), max(1, len(data) // 200)):
        attempt(data[:end])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_files(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(READABLE))
    content = bytearray(SAMPLES[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.one_of(st.integers(0, min(60, len(content) - 1)), st.integers(0, len(content) - 1)))
        content[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(content)))
        content[at:at] = data.draw(st.binary(max_size=12))
    attempt(bytes(content))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(READABLE), st.binary(max_size=200))
def test_nonsense_behind_a_right_beginning(kind: str, tail: bytes) -> None:
    attempt(SAMPLES[kind][:16] + tail)


def test_truncated_tiff_warns_nobody() -> None:
    data = SAMPLES["TIFF"]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for end in range(8, len(data), 7):
            with pytest.raises(InputError):
                Image.open(data[:end])
    assert [str(w.message) for w in seen] == []


def test_quiet_ends_with_the_last_thread_and_hides_only_pillow() -> None:
    before = list(warnings.filters)
    inside, leave = threading.Barrier(5), threading.Event()

    def work() -> None:
        with quiet_pillow():
            inside.wait(10)
            leave.wait(10)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(work) for _ in range(4)]
        inside.wait(10)
        warnings.warn_explicit("hidden", UserWarning, "x.py", 1, module="PIL.TiffImagePlugin")
        with pytest.raises(UserWarning, match="seen"):
            warnings.warn_explicit("seen", UserWarning, "x.py", 1, module="elsewhere")
        leave.set()
        for job in jobs:
            job.result(10)
    assert list(warnings.filters) == before


def test_many_threads_decode_at_once() -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        digests = {image.digest for image in pool.map(Image.open, [SAMPLES["PNG"], SAMPLES["TIFF"]] * 60)}
    assert len(digests) == 1

"""Files of far too many parts, or of parts far larger than the picture, are refused before Pillow takes them apart."""

import io
import struct
import zlib

import numpy as np
import pytest
from picture_factory import encoded, gradient, sample
from PIL import Image as Pillow
from PIL import ImageFile

from growth import growth
from promptseg.errors import ImageError
from promptseg.images import Image, ImageLimits, decode
from promptseg.images.parts import MOST_PARTS, check_parts

LIMITS = ImageLimits()


def chunk(name, content=b""):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(before=b"", after=b"", content=None):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    rows = zlib.compress(8 * (b"\0" + b"\x80" * 24)) if content is None else content
    return b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", rows) + after + chunk(b"IEND")


def jpeg(extra=b"", tail=b""):
    whole = encoded(Pillow.new("RGB", (8, 8), "red"), "JPEG", progressive=True)
    return whole[:2] + extra + whole[2:-2] + tail + whole[-2:]


def segment(marker, content):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def gif(before=b"", frames=1, size=(1, 1)):
    head = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + before + frames * (b",\0\0\0\0\1\0\1\0\0\2\2\x44\1\0") + b";"


def webp(extra):
    body = sample("WEBP")[8:] + extra
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp(runs, size=8):
    head = struct.pack("<IiiHHIIiiII", 40, size, size, 1, 8, 1, len(runs), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(runs), 0, 0, 1078) + head + bytes(1024) + runs


def tiff(*tags, body=b"\x80" * 64, **changed):
    plain = {256: (4, 1, 8), 257: (4, 1, 8), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, 8)}
    plain |= {277: (3, 1, 1), 278: (4, 1, 8), 279: (4, 1, 64)} | {int(tag[1:]): value for tag, value in changed.items()}
    entries = sorted([*((tag, *value) for tag, value in plain.items()), *tags])
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHLL", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<L", 8 + len(body)) + body + directory + bytes(4)


def tile(side, photometric, bits, samples=1, compression=8):
    body = zlib.compress(bytes(side * side * bits * samples // 8))
    body += bytes(len(body) % 2)
    where = ((322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 8), (325, 4, 1, len(body)))
    kind = {"t258": (3, 1, bits), "t259": (3, 1, compression), "t262": (3, 1, photometric), "t277": (3, 1, samples)}
    return tiff(*where, body=body, **kind)


MANY = 2 * MOST_PARTS
HOSTILE = {
    "jpeg markers": (jpeg(b"\xff\xef\0\2" * MANY), "markers"),
    "jpeg tables": (jpeg(segment(0xDB, b"\0" + b"\1" * 64) * MANY), "markers"),
    "jpeg restarts": (jpeg(b"\xff\xd0" * MANY), "bytes without a marker"),
    "jpeg fill": (jpeg(b"\xff" * MANY), "bytes without a marker"),
    "jpeg stuffing": (jpeg(b"\xff\0" * MANY), "bytes without a marker"),
    "jpeg exif": (jpeg(segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 20), "EXIF"),
    "jpeg scans": (jpeg(tail=segment(0xDA, b"\1\1\0\0\0\0") * 501), "scans"),
    "png private": (png(after=chunk(b"prVt") * MANY), "chunks"),
    "png text": (png(chunk(b"tEXt", b"k\0v") * MANY), "chunks"),
    "png empty": (png(chunk(b"IDAT") * MANY), "chunks"),
    "gif comments": (gif(b"!\xfe\1a\0" * MANY), "small blocks"),
    "gif comment": (gif(b"!\xfe" + b"\1a" * MANY + b"\0"), "small blocks"),
    "gif junk": (gif(b"\0" * MANY), "bytes between blocks"),
    "webp": (webp(b"abcd\0\0\0\0" * MANY), "chunks"),
    "bmp": (bmp(b"\0\0" * 2**20), "run-length encoded"),
    "tiff strips": (tiff(body=bytes(8 * MANY), t273=(4, MANY, 8), t279=(4, MANY, 8)), "its tag 27[39] has"),
    "tiff bits": (tiff(body=bytes(2**22), t258=(3, 2**21, 8)), "its tag 258 has"),
    "tiff overlap": (tiff(*((40_000 + n, 1, 2**16, 8) for n in range(99)), body=bytes(2**16)), "its tags claim"),
    "tile of bits": (tile(6000, 1, 1), "tiles of 6000 x 6000"),
    "tile of a palette": (tile(5000, 3, 8), "tiles of 5000 x 5000"),
    "tile of YCbCr": (tile(5000, 6, 8, 3), "tiles of 5000 x 5000"),
    "tile of JPEG": (tile(5000, 6, 8, 3, 7), "tiles of 5000 x 5000"),
    "tile of deep numbers": (tile(4000, 1, 64), "tiles of 4000 x 4000"),
}


@pytest.mark.parametrize(("data", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused(data, message, monkeypatch):
    def unread(*_):
        raise AssertionError("Pillow was called")

    monkeypatch.setattr(ImageFile.ImageFile, "__init__", unread)
    with pytest.raises(ImageError, match=message):
        Image.open(data)


def test_what_programs_write_is_read():
    whole = Pillow.fromarray(gradient(400, 300))
    for data in (
        encoded(whole, "JPEG", progressive=True, icc_profile=bytes(5_000_000), exif=b"Exif\0\0" + bytes(60_000)),
        encoded(whole, "TIFF", compression="tiff_lzw", strip_size=900),
        encoded(whole.convert("P"), "GIF", comment=b"c" * 100_000),
        encoded(whole.convert("1"), "TIFF", compression="group4"),
        jpeg(segment(0xE2, b"x" * 60_000) * 300),
        png(chunk(b"tEXt", b"k\0v") * 5000),
    ):
        Image.open(data)


def test_scans_count_as_pixels():
    large = encoded(Pillow.new("RGB", (3000, 2000), "red"), "JPEG", progressive=True)
    more = large[:-2] + segment(0xDA, b"\1\1\0\0\0\0") * 40 + large[-2:]
    Image.open(more, limits=ImageLimits(max_pixels=100_000_000))
    with pytest.raises(ImageError, match="scans or more"):
        Image.open(more, limits=ImageLimits(max_pixels=6_000_000))


def test_the_way_to_a_late_frame_is_bounded():
    animation = gif(frames=200, size=(1000, 100))
    with pytest.warns(UserWarning, match="several pages"):
        Image.open(animation)
    assert Image.open(animation, page=100).size == (100, 1000)
    with pytest.raises(ImageError, match="20,000,000 pixels up to page 200"):
        Image.open(animation, page=200, limits=ImageLimits(max_pixels=1_000_000))


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_sizes_come_from_the_header(lossless, monkeypatch):
    data = encoded(Pillow.new("RGB", (90, 70)), "WEBP", lossless=lossless)
    assert decode._webp_canvas(data) == (90, 70)
    monkeypatch.setattr(decode.WebPImagePlugin, "WebPImageFile", None)
    with pytest.raises(ImageError, match=r"90 x 70 = 6,300 pixels; the limit is 6,000"):
        Image.open(data, limits=ImageLimits(max_pixels=6_000))


def test_zeros_after_the_picture_are_not_unpacked():
    """A PNG whose pixels are followed by a hundred megabytes of packed zeros."""
    packer = zlib.compressobj(1)
    content = b"".join([packer.compress(bytes(1_000_000)) for _ in range(100)] + [packer.flush()])
    assert Image.open(png(content=content)).size == (8, 8)
    short = zlib.compress(bytes(10_000))
    assert growth(lambda data: Image.open(data), png(content=short), png(content=content), 60) < 60


def test_the_walk_is_linear():
    def half(count):
        return io.BytesIO(png(chunk(b"prVt") * count)).getvalue()

    assert growth(lambda data: check_parts("PNG", data, "it", LIMITS), half(4_000), half(16_000), 8) < 8


def test_every_cut_and_every_flip_is_walked():
    """Whatever the bytes, the walk ends, and refuses no damaged file that has few parts."""
    random = np.random.default_rng(0)
    for kind, name in (("JPEG", "JPEG"), ("PNG", "PNG"), ("GIF", "GIF"), ("WEBP", "WebP"), ("BMP", "BMP")):
        whole = sample(kind)
        for cut in range(len(whole)):
            check_parts(name, whole[:cut], "it", LIMITS)
        for _ in range(300):
            flipped = bytearray(whole)
            for at in random.integers(4, len(whole), 5):
                flipped[at] = random.integers(256)
            check_parts(name, bytes(flipped), "it", LIMITS)

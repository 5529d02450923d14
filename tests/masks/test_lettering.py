"""Labels can be read in every script, and no letter is a box."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from promptseg.masks import lettering
from promptseg.masks.lettering import lettered, width_of, write_middle


@pytest.fixture
def alone(monkeypatch):
    """A machine without fonts of its own."""
    monkeypatch.setattr(lettering, "_system_fonts", lambda: ())
    lettering._choose.cache_clear()
    yield
    lettering._choose.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        "café",
        "cafe\u0301 naïve",
        "собака",
        "σκύλος",
        "żółć",
        "chó tiếng Việt",
        "犬",
        "いぬ ネコ",
        "日本語、図1",
        "₽ € —",
    ],
)
def test_the_package_has_the_letters(alone, text):
    import unicodedata

    runs = lettered(text)
    assert "".join(part for _, part in runs) == unicodedata.normalize("NFC", text)
    for path, part in runs:
        assert path.name in lettering.OWN
        for letter in part.replace(" ", ""):
            font = lettering._font(path, 40)
            assert bytes(font.getmask(letter)) != bytes(font.getmask("\U0010fffe"))


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("강아지", "gangaji"),
        ("鼴", "U+9F34"),
        ("כלב", "kaflamedbet"),
        ("🐶 dog", "(dog face) dog"),
        ("a\x00b\ud800", "abU+D800"),
        ("", ""),
    ],
)
def test_other_letters_are_spelled(alone, text, spelled):
    assert "".join(part for _, part in lettered(text)) == spelled
    assert {path.name for path, _ in lettered(text)} <= {"noto_sans.ttf"}


def test_letters_are_drawn_in_the_middle():
    picture = Image.new("L", (300, 80))
    runs = lettered("犬 H")
    write_middle(ImageDraw.Draw(picture), (150, 40), runs, 40, (255,))
    rows, columns = np.nonzero(np.asarray(picture))
    assert abs((columns.min() + columns.max()) / 2 - 150) < 6
    assert abs((rows.min() + rows.max()) / 2 - 40) < 6
    assert abs((columns.max() - columns.min()) - width_of(runs, 40)) < 10

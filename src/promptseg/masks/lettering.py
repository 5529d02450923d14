"""Text on pictures that can be read in every script, and never shows boxes in place of letters.

The fonts inside the package hold Latin, Greek, Cyrillic and everyday Japanese. A letter that they lack is taken from a
font of the system, where one has it; else it is spelled: by its name ("가" as "ga"), or by its number ("U+72AC").
"""

import functools
import itertools
import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

from PIL import ImageDraw, ImageFont

Run: TypeAlias = tuple[Path, str]
"""A font, and letters that it has."""

OWN = ("noto_sans.ttf", "noto_sans_jp.ttf")
"""The fonts of the package, the first one first; see tools/subset_fonts.py."""

_MOST_FONTS = 400
_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "~/Library/Fonts",
    "C:/Windows/Fonts",
)


def lettered(text: str) -> list[Run]:
    """Returns a line of text as letters of fonts that have them."""
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    chosen = [run for word in re.split("( )", composed) for run in _choose(word)]
    grouped = itertools.groupby(chosen, key=lambda run: run[0])
    return [(font, "".join(part for _, part in group)) for font, group in grouped]


def width_of(runs: Sequence[Run], size: int) -> float:
    """Returns how wide letters are, in pixels, when they are `size` pixels high."""
    return sum(_font(path, size).getlength(text) for path, text in runs)


def write_middle(
    draw: ImageDraw.ImageDraw, middle: tuple[float, float], runs: Sequence[Run], size: int, fill: tuple[int, ...]
) -> None:
    """Writes letters around a point."""
    x = middle[0] - width_of(runs, size) / 2
    baseline = middle[1] + 0.36 * size  # half the height of a capital letter
    for path, text in runs:
        font = _font(path, size)
        draw.text((x, baseline), text, fill=fill, font=font, anchor="ls")
        x += font.getlength(text)


@functools.lru_cache(maxsize=64)
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)


@functools.lru_cache(maxsize=1024)
def _choose(word: str) -> tuple[Run, ...]:
    """Returns the letters of a word in fonts of the package, else in one of the system, else spelled."""
    letters = [letter for letter in word if unicodedata.category(letter) not in ("Cc", "Cf")]
    fonts = [next((path for path in _own() if _has(path, letter)), None) for letter in letters]
    if None in fonts and (whole := next((path for path in _system_fonts() if _has_all(path, letters)), None)):
        return ((whole, "".join(letters)),)
    return tuple(
        (font, letter) if font else (_own()[0], _spelled(letter)) for font, letter in zip(fonts, letters, strict=True)
    )


@functools.cache
def _own() -> tuple[Path, ...]:
    folder = Path(str(files("promptseg.masks") / "fonts"))
    return tuple(folder / name for name in OWN)


@functools.cache
def _system_fonts() -> tuple[Path, ...]:
    """Returns the fonts of the system, plain ones of many scripts first."""
    found = sorted(itertools.islice(_walk(), 20 * _MOST_FONTS), key=_rank)
    return tuple(found[:_MOST_FONTS])


def _walk() -> Iterator[Path]:
    for folder in _FOLDERS:
        if sys.platform != "win32" and folder.startswith("C:"):
            continue
        for place, _, names in os.walk(os.path.expanduser(folder)):
            yield from (Path(place) / name for name in names if name.lower().endswith((".ttf", ".otf", ".ttc")))


def _rank(path: Path) -> tuple[bool, bool, str]:
    name = path.stem.lower()
    styled = any(word in name for word in ("bold", "italic", "oblique", "light", "thin", "black", "mono", "serif"))
    return styled, "noto" not in name and "unicode" not in name, name


def _has(path: Path, letter: str) -> bool:
    """Returns whether a font has a letter: whether it does not draw what it draws for letters that no font has."""
    drawn = _drawn(path, letter)
    return drawn is not None and (letter.isspace() or drawn != _drawn(path, "\U0010fffe"))


def _has_all(path: Path, letters: Sequence[str]) -> bool:
    return all(_has(path, letter) for letter in letters if letter != "\ufe0f")


@functools.lru_cache(maxsize=8192)
def _drawn(path: Path, letter: str) -> bytes | None:
    try:
        # Laid out letter by letter, so that signs over letters are drawn alone.
        font = ImageFont.truetype(str(path), 24, layout_engine=ImageFont.Layout.BASIC)
        mask: Any = font.getmask(letter, mode="L")
        return bytes(str(mask.size), "ascii") + bytes(mask)
    except (OSError, ValueError):  # not a font, or one without outlines
        return None


def _spelled(letter: str) -> str:
    """Spells a letter in Latin ones, by its name; ideographs, whose names say nothing, by their number."""
    name = unicodedata.name(letter, "")
    if not name or "IDEOGRAPH" in name:
        return f"U+{ord(letter):04X}"
    words = name.lower().split()
    if "character" in words and len(words) > words.index("character") + 1:  # Thai and Lao: "ko kai", "sara aa"
        sound = words[words.index("character") + 1 :]
        return sound[-1] if sound[0] == "sara" else sound[0]
    if unicodedata.combining(letter) or "virama" in words:
        return ""
    if {"syllable", "letter", "vowel"} & set(words):
        return words[-1]
    plain = unicodedata.normalize("NFKD", letter)
    return plain if plain.isascii() else f"({name.lower()})"

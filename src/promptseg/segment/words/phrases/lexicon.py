"""The Japanese dictionary: names of things that can be seen, cut from JMdict by `tools/japanese_words.py`."""

import lzma
import unicodedata
from functools import cache
from pathlib import Path

from promptseg.segment.words.phrases.spoken import SPOKEN

_FILE = Path(__file__).with_name("japanese.txt.xz")
_TO_HIRAGANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}
_VARIANTS = (("う゛", "ゔ"), ("ゔぁ", "ば"), ("ゔぃ", "び"), ("ゔぇ", "べ"), ("ゔぉ", "ぼ"), ("ゔ", "ぶ"))


def fold(text: str) -> str:
    """Returns a text without differences of width, case, kana and spaces: "ｲﾇ", "イヌ" and "いぬ" are one."""
    folded = "".join(unicodedata.normalize("NFKC", text).lower().replace("・", "").split()).translate(_TO_HIRAGANA)
    for written, plain in _VARIANTS:
        folded = folded.replace(written, plain)
    return folded


@cache
def lexicon() -> dict[str, str]:
    """Returns English nouns by folded Japanese ones; those that our own list gives come before the dictionary's."""
    lines = lzma.decompress(_FILE.read_bytes()).decode().splitlines()
    rows = (line.split("\t") for line in lines)
    words = {form: english for english, forms in rows for form in forms.split(" ")}
    words |= {fold(form): english for english, forms in SPOKEN.items() for form in forms.split()}
    # "ソファー" is "ソファ", too
    words |= {
        form.removesuffix("ー"): english for form, english in words.items() if form.removesuffix("ー") not in words
    }
    return words


@cache
def longest() -> int:
    """Returns the length of the longest word."""
    return max(map(len, lexicon()))

"""WordPiece, the tokenizer of BERT and MiniLM (uncased): text to ids of a vocabulary of word parts."""

import gzip
import importlib.resources
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from promptseg.errors import WeightsError

UNKNOWN, START, END, PADDING = "[UNK]", "[CLS]", "[SEP]", "[PAD]"
LONGEST_WORD = 100
"""Letters; a longer word is unknown."""
CONTEXT = 64
"""Tokens of one phrase, its two marks included; what is beyond is left out."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WordPiece:
    """Cuts phrases into the longest known word parts, from left to right.

    Attributes:
        vocabulary: id of each word part; those inside a word begin with "##".
    """

    vocabulary: Mapping[str, int]

    def pieces(self, phrase: str) -> list[str]:
        """Returns the word parts of a phrase, without marks."""
        return [piece for word in _words(phrase) for piece in self._cut(word)]

    def __call__(self, phrases: Sequence[str]) -> tuple[Ids, Ids]:
        """Returns the ids of phrases and where they are not padding: twice (phrases, tokens)."""
        rows = [
            [self.vocabulary[name] for name in (START, *self.pieces(phrase)[: CONTEXT - 2], END)] for phrase in phrases
        ]
        width = max((len(row) for row in rows), default=0)
        ids = np.full((len(rows), width), self.vocabulary[PADDING], np.int64)
        present = np.zeros((len(rows), width), np.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            present[number, : len(row)] = 1
        return ids, present

    def _cut(self, word: str) -> list[str]:
        if len(word) > LONGEST_WORD:
            return [UNKNOWN]
        found: list[str] = []
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            for end in range(len(word), start, -1):
                if mark + word[start:end] in self.vocabulary:
                    found.append(mark + word[start:end])
                    start = end
                    break
            else:
                return [UNKNOWN]
        return found


@cache
def wordpiece() -> WordPiece:
    """Returns the tokenizer with the vocabulary that comes with the package.

    Raises:
        WeightsError: the installation lacks it.
    """
    place = importlib.resources.files("promptseg.models").joinpath("weights", "minilm_vocabulary.txt.gz")
    try:
        lines = gzip.decompress(place.read_bytes()).decode().splitlines()
    except OSError as error:
        raise WeightsError(f"The vocabulary of phrases is missing: {error}. Install promptseg again.") from error
    return WordPiece({piece: number for number, piece in enumerate(lines)})


def _words(phrase: str) -> Iterator[str]:
    """Yields lower-case words without accents; punctuation and ideographs are words of their own."""
    word = ""
    for letter in unicodedata.normalize("NFD", phrase.lower()):
        kind = unicodedata.category(letter)
        if kind == "Mn" or letter == "\ufffd" or (kind in ("Cc", "Cf") and letter not in "\t\n\r"):
            continue
        if letter.isspace() or kind == "Zs":
            if word:
                yield word
            word = ""
        elif _stands_alone(letter, kind):
            if word:
                yield word
            yield letter
            word = ""
        else:
            word += letter
    if word:
        yield word


def _stands_alone(letter: str, kind: str) -> bool:
    code = ord(letter)
    ascii_sign = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    ideograph = 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0xF900 <= code <= 0xFAFF
    return ascii_sign or kind.startswith("P") or ideograph or 0x20000 <= code <= 0x2FA1F

"""CLIP's byte-pair tokenizer: a phrase becomes token numbers (specification B2.4).

A phrase is tidied and put in lower case, cut into words (runs of letters, single digits, runs of signs, English
contractions), and the library tokenizers joins each word's UTF-8 bytes pair by pair in the order of the published merge
list. The behaviour is that of the tokenizer that SEEM was trained with; repairing text that was decoded with the wrong
character set is left out. The merge list is data of OpenAI's CLIP (MIT licence, see byte_pairs/LICENSE).
"""

import functools
import gzip
import html
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promptseg.errors import UnavailableError

START, END = 49406, 49407
"""Numbers of the tokens that open and close a phrase; END also fills the rest of the row."""

CONTEXT = 77
"""Tokens that the text encoder reads."""

MERGES_FILE = Path(__file__).parent / "byte_pairs" / "bpe_simple_vocab_16e6.txt.gz"

_SPECIAL = {"<|startoftext|>": START, "<|endoftext|>": END}
_MERGES = 48_894
"""How many lines of the merge list count; the vocabulary is 256 bytes, 256 word ends, the merges and two specials."""

_EDGE = "</w>"

_LONGEST_WORD = 2000
"""Bytes of a word that are read: a row holds far less."""

_SPECIAL_EXACT = re.compile("(" + "|".join(map(re.escape, _SPECIAL)) + ")")
_SPECIAL_ANY_CASE = re.compile("|".join(map(re.escape, _SPECIAL)))
_CONTRACTION = re.compile("'(?:s|t|re|ve|m|ll|d)", re.IGNORECASE)
_RUN = re.compile("L+|N|P+")
_ENTITY = re.compile(r"&#?[0-9A-Za-z]{1,24};")

_PLAIN: dict[int, str | None] = {
    **{ord(character): "'" for character in "\u02bc\u2018\u2019\u201a\u201b"},
    **{ord(character): '"' for character in "\u201c\u201d\u201e\u201f"},
    **dict.fromkeys([*range(0x09), 0x0B, *range(0x0E, 0x20), 0x7F, *range(0x206A, 0x2070), 0xFEFF]),
    **dict.fromkeys(range(0xFFF9, 0xFFFD)),
}
"""Curly quotes become straight, and control characters vanish."""

_COMPATIBLE = [0x3000, *range(0xFF01, 0xFFF0), *range(0xFB00, 0xFB05), 0xFB06]
"""Wide and narrow forms, and Latin ligatures, for which Unicode names the ordinary characters."""

_LETTERS = (0x0132, 0x0133, *range(0x01C4, 0x01CD), *range(0x01F1, 0x01F4))
"""Two letters in one character, likewise."""

_ORDINARY = {
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in (*_COMPATIBLE, *_LETTERS)},
    **{0xFB05: "\u017ft", 0x0149: "\u02bcn"},
}


@dataclass(frozen=True, slots=True, eq=False)
class TextTokens:
    """Phrases as rows of numbers.

    Attributes:
        ids: (B, length) int64; each row is START, the phrase, END, and END as filler.
        attention: (B, length) bool; True from START to the first END.
    """

    ids: npt.NDArray[np.int64]
    attention: npt.NDArray[np.bool_]


class Tokenizer:
    """Turns phrases into token numbers. Use `tokenizer()`, which reads the vocabulary once.

    Args:
        merges: pairs of joined symbols in order of precedence.

    Raises:
        UnavailableError: the library tokenizers is not installed.
    """

    def __init__(self, merges: Sequence[tuple[str, str]]) -> None:
        try:
            from tokenizers.decoders import ByteLevel as Bytes
            from tokenizers.models import BPE
            from tokenizers.pre_tokenizers import ByteLevel
        except ImportError as error:
            raise UnavailableError.extra("tokenizers", "torch") from error
        letters = sorted(ByteLevel.alphabet())
        self._symbols = [*letters, *(letter + _EDGE for letter in letters), *(a + b for a, b in merges), *_SPECIAL]
        numbers = {symbol: number for number, symbol in enumerate(self._symbols)}
        self._pairs = BPE(numbers, list(merges), continuing_subword_prefix="", end_of_word_suffix=_EDGE)
        self._letters, self._bytes = ByteLevel(add_prefix_space=False, use_regex=False), Bytes()

    def __len__(self) -> int:
        return len(self._symbols)

    def __call__(self, phrases: str | Sequence[str], length: int = CONTEXT) -> TextTokens:
        """Returns one row per phrase; a phrase that is too long is cut, and still ends with END."""
        rows = [phrases] if isinstance(phrases, str) else list(phrases)
        ids = np.full((len(rows), length), END, np.int64)
        attention = np.zeros((len(rows), length), np.bool_)
        for row, phrase in enumerate(rows):
            words = list(itertools.islice(self._stream(phrase), length - 2))
            ids[row, 0], ids[row, 1 : len(words) + 1] = START, words
            attention[row, : len(words) + 2] = True
        return TextTokens(ids, attention)

    def encode(self, phrase: str) -> list[int]:
        """Returns the numbers of a phrase alone, without START and END, uncut."""
        return list(self._stream(phrase))

    def decode(self, ids: Sequence[int] | npt.NDArray[np.integer]) -> str:
        """Returns the words that numbers stand for, apart by single spaces; START and END are left out."""
        text = "".join(self._symbols[number] for number in ids if number not in (START, END))
        return " ".join(self._bytes.decode([word]) for word in text.split(_EDGE)).strip()

    def _stream(self, phrase: str) -> Iterator[int]:
        for piece in _SPECIAL_EXACT.split(phrase):
            if piece in _SPECIAL:
                yield _SPECIAL[piece]
            else:
                for word in split_words(tidy(piece).lower()):
                    yield from (_SPECIAL[word],) if word in _SPECIAL else self._word(word)

    def _word(self, word: str) -> list[int]:
        [(letters, _)] = self._letters.pre_tokenize_str(word[:_LONGEST_WORD])
        return [token.id for token in self._pairs.tokenize(letters[:_LONGEST_WORD])]


@functools.cache
def tokenizer() -> Tokenizer:
    """Returns the tokenizer with the vocabulary of the package."""
    lines = gzip.decompress(MERGES_FILE.read_bytes()).decode().split("\n")[1 : _MERGES + 1]
    return Tokenizer([(first, second) for first, second in (line.split() for line in lines)])


def tidy(text: str) -> str:
    """Makes typed text plain: entities, ligatures, wide forms, curly quotes, control characters, white space.

    Halves of surrogate pairs, which no encoding can hold, become the replacement character.
    """
    while True:
        plain = text if "<" in text else _ENTITY.sub(_entity, text)
        plain = plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        plain = unicodedata.normalize("NFC", plain.translate(_ORDINARY).translate(_PLAIN))
        if plain == text:
            return " ".join(text.split())
        text = plain


def split_words(text: str) -> Iterator[str]:
    """Cuts text into specials, contractions, runs of letters, single digits and runs of other signs, in order."""
    kinds = "".join(map(_kind, text))
    place = 0
    while place < len(text):
        match = _SPECIAL_ANY_CASE.match(text, place) or _CONTRACTION.match(text, place) or _RUN.match(kinds, place)
        if match:
            yield text[place : match.end()]
        place = match.end() if match else place + 1


def _kind(character: str) -> str:
    if character.isspace():
        return " "
    group = unicodedata.category(character)[0]
    return group if group in "LN" else "P"


def _entity(match: re.Match[str]) -> str:
    text = html.unescape(match[0])
    return match[0] if ";" in text else text

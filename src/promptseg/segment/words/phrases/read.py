"""Phrases of any language that is understood, to what they ask for."""

import unicodedata
from functools import lru_cache

from promptseg.errors import PromptError, shorten
from promptseg.segment.words.phrases.english import name_in_english, read_english
from promptseg.segment.words.phrases.japanese import is_japanese, name_in_japanese, noun_of, read_japanese
from promptseg.segment.words.phrases.phrase import Phrase


@lru_cache(maxsize=1024)
def read_phrase(text: str) -> Phrase:
    """Reads a phrase.

    Raises:
        PromptError: it says what shall not be there, asks for a relation between things, or is in a language or has
            words that are not understood.
    """
    if is_japanese(text):
        return read_japanese(text)
    _check_script(text)
    return read_english(text)


@lru_cache(maxsize=1024)
def english(name: str) -> str:
    """Returns a name in English: Japanese ones are looked up, others stay.

    Raises:
        PromptError: a Japanese name is unknown.
    """
    return noun_of(name) if is_japanese(name) else name


def name_in(text: str) -> str:
    """Returns how a phrase names what it asks for, in its own language and without articles: what a class may be called.

    "cat" is that of "the cat" and "two white cats"; phrases that cannot be taken apart stay whole.
    """
    try:
        return name_in_japanese(text) if is_japanese(text) else name_in_english(text)
    except PromptError:
        return " ".join(text.split())


def _check_script(text: str) -> None:
    letters = [letter for letter in unicodedata.normalize("NFKC", text) if letter.isalpha()]
    if not any("LATIN" in unicodedata.name(letter, "") for letter in letters) and not any(map(str.isdigit, text)):
        raise PromptError(
            f"The phrase {shorten(text)} has no word that is understood: say it in English or Japanese, or click on "
            "the thing."
        )

"""Word pieces beside the reference tokenizer."""

import gzip
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import BertWordPieceTokenizer

from promptseg.models.seem_tiny.wordpiece import CONTEXT, wordpiece


@pytest.fixture(scope="module")
def reference():
    place = resources.files("promptseg.models").joinpath("weights", "minilm_vocabulary.txt.gz")
    pieces = gzip.decompress(place.read_bytes()).decode().splitlines()
    return BertWordPieceTokenizer({piece: number for number, piece in enumerate(pieces)}, lowercase=True)


PHRASES = [
    "a red umbrella",
    "the dog on the left",
    "naïve Café-crème!",
    "baseball bat",
    "tvmonitor",
    "犬 and cat",
    "x" * 150,
    "it's 3.5 m\ttall",
    "  ",
    "ﬁre hydrant №5",
]


@pytest.mark.parametrize("phrase", PHRASES)
def test_phrases_are_cut_as_by_the_reference(reference, phrase):
    ids, present = wordpiece()([phrase])
    assert ids[0].tolist() == reference.encode(phrase).ids
    assert present.all()


# The reference takes "[CLS]" in a user's text for its own mark; to us it is five pieces of text.
@given(st.text(st.characters(codec="latin-1", exclude_characters="["), max_size=40))
def test_any_western_text_is_cut_as_by_the_reference(text):
    place = resources.files("promptseg.models").joinpath("weights", "minilm_vocabulary.txt.gz")
    pieces = gzip.decompress(place.read_bytes()).decode().splitlines()
    oracle = BertWordPieceTokenizer({piece: number for number, piece in enumerate(pieces)}, lowercase=True)
    assert wordpiece()([text])[0][0].tolist() == oracle.encode(text).ids[:CONTEXT]


def test_short_phrases_are_padded():
    ids, present = wordpiece()(["dog", "a very small dog"])
    assert present.sum(1).tolist() == [3, 6]
    assert (ids[0, 3:] == 0).all()
    assert np.array_equal(ids[:, 0], [101, 101])


def test_long_phrases_are_cut_off_and_still_end_with_the_mark():
    ids, _ = wordpiece()(["dog " * 100])
    assert ids.shape == (1, CONTEXT)
    assert ids[0, -1] == 102

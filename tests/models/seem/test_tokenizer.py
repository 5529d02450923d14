"""The tokenizer gives the numbers that CLIP's own gives; open_clip's module is the reference."""

import hashlib
import importlib.util
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptseg.models.seem.tokenizer import CONTEXT, END, MERGES_FILE, START, split_words, tidy, tokenizer


@pytest.fixture(scope="session")
def reference():
    """open_clip's tokenizer, from its file alone: the package itself would need torchvision and timm."""
    package = importlib.util.find_spec("open_clip")
    assert package is not None, "make test installs open-clip-torch without its dependencies"
    assert package.origin is not None
    path = Path(package.origin).parent / "tokenizer.py"
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def full_reference(reference):
    return reference.SimpleTokenizer()


@pytest.fixture(scope="session")
def plain_reference(reference):
    """The same without its clean-up, to see cutting and joining alone, whatever the text."""
    bare = reference.SimpleTokenizer()
    bare.clean_fn = lambda text: tidy(text).lower()
    return bare


GOLDEN = [
    ("", []),
    ("a red umbrella", [320, 736, 17143]),
    ("A photo of a dog's tail, 2 cats!!", [320, 1125, 539, 320, 1929, 568, 4132, 267, 273, 3989, 748]),
    ("  The   café\n in ZÜRICH ", [518, 15304, 530, 89, 6522, 4021]),
    ("naïve 12345 it'll we're", [1097, 35689, 563, 272, 273, 274, 275, 276, 585, 1342, 649, 982]),
    ("R&amp;B &lt;3", [337, 261, 321, 283, 274]),
    ("ﬁre ｆｕｌｌ “old” ½ 東京", [1769, 1476, 257, 896, 257, 33613, 48338, 21078, 361]),
]


@pytest.mark.parametrize(("phrase", "ids"), GOLDEN)
def test_golden_ids(phrase, ids, full_reference):
    assert tokenizer().encode(phrase) == ids
    assert full_reference.encode(phrase) == ids


def test_rows():
    rows = tokenizer()(["a red umbrella", ""])
    assert rows.ids.shape == rows.attention.shape == (2, CONTEXT)
    assert rows.ids.dtype == np.int64
    assert rows.ids[0].tolist() == [START, 320, 736, 17143, *[END] * 73]
    assert rows.attention.sum(1).tolist() == [5, 2]
    assert rows.attention[0, :5].all()
    assert rows.ids.argmax(1).tolist() == [4, 1], "the sentence's place is the first END"
    assert tokenizer()("dog").ids.shape == (1, CONTEXT)
    assert tokenizer()([]).ids.shape == (0, CONTEXT)


@pytest.mark.parametrize("words", [74, 75, 76, 300])
def test_long_phrases_are_cut_and_still_end(words, full_reference):
    row = tokenizer()("dog " * words)
    kept = min(words, 75)
    assert row.ids[0].tolist() == [START, *[1929] * kept, *[END] * (76 - kept)]
    assert row.attention.sum() == kept + 2
    theirs = full_reference("dog " * words)[0].numpy()
    assert row.ids[0][row.attention[0]].tolist() == theirs[theirs > 0].tolist()


def test_vocabulary_is_the_published_one(reference, full_reference):
    theirs = full_reference
    assert len(tokenizer()) == theirs.vocab_size == 49408
    shipped = hashlib.sha256(MERGES_FILE.read_bytes()).digest()
    assert shipped == hashlib.sha256(Path(reference.default_bpe()).read_bytes()).digest()
    assert (MERGES_FILE.parent / "LICENSE").read_text().startswith("Copyright (c) 2012-2021 Gabriel Ilharco")
    for number in range(0, START, 97):
        assert tokenizer()._symbols[number] == theirs.decoder[number]


def no_special(text):
    """The reference spells the two special tokens differently."""
    return not any(special in text.lower() for special in ("oftext|>", "_of_text>"))


KNOWN = st.characters(exclude_categories=("Cs", "Cn", "Co"))


@given(st.text(KNOWN, max_size=60).filter(no_special))
@example("!'s 's'S 'll'LL'tis don't")
@example("'\u017f \u0130\u0307 \u01c5 ½²Ⅷ٣")
@example("_a_b1c2__ --a-- \x1f \u200b\u00a0x")
@example("a\u0301e\u0301 ﷺ 👩‍👩‍👧 🇯🇵")
def test_any_text_is_cut_and_joined_as_in_the_reference(plain_reference, text):
    assert tokenizer().encode(text) == plain_reference.encode(text)


NO_MARKUP = st.characters(exclude_categories=("Cs", "Cn", "Co"), exclude_characters="&\x1b")


@given(st.text(NO_MARKUP, max_size=60))
def test_any_text_is_tidied_as_in_the_reference(reference, text):
    """All but guessing wrong character sets, which the reference does, and we leave."""
    ftfy = reference.ftfy
    settings = ftfy.TextFixerConfig(fix_encoding=False, fix_c1_controls=False)
    assert tidy(text) == reference.whitespace_clean(ftfy.fix_text(text, settings))


def test_every_character_is_tidied_as_in_the_reference(reference):
    mojibake = range(0x80, 0xA0)  # the reference guesses a wrong character set here, which we leave
    for code in range(0x30000):
        if code not in mojibake and unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co"):
            text = f"x{chr(code)}y"
            assert tidy(text) == reference.whitespace_clean(reference.ftfy.fix_text(text)), hex(code)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("&amp;amp;quot;", '"'),
        ("<b> &amp;", "<b> &amp;"),
        ("this&not that", "this&not that"),
        ("&nonsense; &#x41;", "&nonsense; A"),
        ("\ud83d\ude00 \ud83d", "😀 \ufffd"),
        ("a\r\n\tb\u2028c", "a b c"),
    ],
)
def test_tidy(given, plain):
    assert tidy(given) == plain


def test_specials_in_a_phrase_are_the_specials():
    ids = tokenizer().encode("dog<|endoftext|>cat <|STARTOFTEXT|>")
    assert ids == [1929, END, 2368, START]
    assert list(split_words("!<|endoftext|>")) == ["!<|", "endoftext", "|>"], "inside a run of signs it is none"
    assert tokenizer().encode("!<|endoftext|>") == [256, END]


@given(st.lists(st.sampled_from(["dog", "umbrella", "ab", "xyzzy", "é", "東京", "7"]), max_size=8))
def test_decoding_gives_the_words_back(words):
    rows = tokenizer()(" ".join(words))
    assert tokenizer().decode(rows.ids[0]) == " ".join(words)


def test_words_without_end_are_read_only_so_far(plain_reference):
    noise = np.random.default_rng(0).integers(97, 123, 100_000).astype(np.uint8).tobytes().decode()
    row = tokenizer()(noise)
    assert row.attention.all()
    assert row.ids[0, 1:76].tolist() == plain_reference.encode(noise[:3000])[:75]
    assert tokenizer().encode(noise) == tokenizer().encode(noise[:2000])

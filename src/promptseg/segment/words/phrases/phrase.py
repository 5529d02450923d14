"""What a phrase asks for, as a value, whatever language it was said in."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

ColourName: TypeAlias = Literal[
    "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "beige", "white", "grey", "black"
]
Shade: TypeAlias = Literal["dark", "light"]
Order: TypeAlias = Literal[
    "left", "right", "top", "bottom", "top left", "top right", "bottom left", "bottom right",
    "middle", "centre", "near", "far", "large", "small", "tall", "short", "wide", "narrow",
]  # fmt: skip
"""What things are put in order by, the first of which is meant."""

COLOURS: tuple[ColourName, ...] = get_args(ColourName)
SIZES: frozenset[Order] = frozenset(("large", "small", "tall", "short", "wide", "narrow"))
OPPOSITE: dict[Order, Order] = {
    "left": "right", "right": "left", "top": "bottom", "bottom": "top", "near": "far", "far": "near",
    "large": "small", "small": "large", "tall": "short", "short": "tall", "wide": "narrow", "narrow": "wide",
    "top left": "bottom right", "bottom right": "top left", "top right": "bottom left", "bottom left": "top right",
    "middle": "middle", "centre": "centre",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour that a thing must have.

    Attributes:
        name: one of those that are told apart; None where only the shade was said ("the dark one").
        shade: whether it must be dark or light.
    """

    name: ColourName | None
    shade: Shade | None = None


@dataclass(frozen=True, slots=True)
class Selector:
    """A place or size among other things.

    Attributes:
        by: what things are put in order by.
        place: which one of that order, from 1.
        most: whether it was said to be the utmost ("leftmost", "the largest") or the so-and-so-many-th, so that one
            thing is meant; "on the left" and "small" may be said of several.
    """

    by: Order
    place: int = 1
    most: bool = False


@dataclass(frozen=True, slots=True)
class Phrase:
    """What a phrase asks for.

    Attributes:
        text: the phrase as it was said.
        noun: what to look for, in English; None for any thing ("the red one").
        colours: colours that the thing must have.
        either: whether one of the colours is enough ("red or blue").
        selectors: places and sizes.
        number: how many are meant, where that was said.
        plural: whether several are meant.
        definite: whether "the" (or "this") was said, so that in the singular one is meant.
        indefinite: whether "a" was said: everything that fits.
    """

    text: str
    noun: str | None
    colours: tuple[Colour, ...] = ()
    either: bool = False
    selectors: tuple[Selector, ...] = ()
    number: int | None = None
    plural: bool = False
    definite: bool = False
    indefinite: bool = False

    @property
    def selects(self) -> bool:
        """Whether more is said than the noun."""
        return bool(self.colours or self.selectors or self.number is not None or self.noun is None)

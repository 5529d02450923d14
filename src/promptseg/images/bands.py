"""What a picture file holds before it becomes RGB: numbers of any depth in bands, and how they are meant."""

from dataclasses import dataclass, replace
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.errors import ImageError

Alpha: TypeAlias = Literal["", "straight", "premultiplied"]
"""What the band after the colours is: nothing of the kind, or transparency; then colours may be multiplied by it."""


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How a picture is read, where there is a choice.

    Attributes:
        page: which page or frame of the file, from 1; None is the first, with a note if there are more.
        channels: one band, which becomes grey, or three, which become red, green and blue; from 1, in any order. None
            takes what the file says, with a note if there are more.
        levels: how numbers become 256 levels of brightness: "auto", "full", "stretch", or the numbers that become black
            and white (see `promptseg.images.levels`).
    """

    page: int | None = None
    channels: tuple[int, ...] | None = None
    levels: str | tuple[float, float] = "auto"

    def __post_init__(self) -> None:
        if self.page is not None and (not _whole(self.page) or self.page < 1):
            raise ImageError(f"A page is a whole number from 1, got {self.page!r}.")
        if self.channels is not None:
            chosen = tuple(self.channels)
            if len(chosen) not in (1, 3) or not all(_whole(one) and one >= 1 for one in chosen):
                raise ImageError(
                    "Channels are one number (grey) or three (red, green, blue), counted from 1, like 4,3,2; "
                    f"got {','.join(map(str, chosen)) or 'none'}."
                )
            object.__setattr__(self, "channels", chosen)
        object.__setattr__(self, "levels", _levels(self.levels))

    @classmethod
    def of_text(cls, page: int | None = None, channels: str | None = None, levels: str | None = None) -> Self:
        """Makes them of what a command line or an address says: channels "4,3,2", levels "auto" or "0,4095".

        Raises:
            ImageError: they are not written so.
        """
        chosen = None if channels is None else [part.strip() for part in channels.split(",")]
        if chosen is not None and not all(part.isascii() and part.isdigit() and len(part) < 7 for part in chosen):
            raise ImageError(f"Channels are written like 2 or 4,3,2, got {channels!r}.")
        numbers = None if chosen is None else tuple(int(part) for part in chosen)
        return cls(page, numbers, _levels_of_text(levels or "auto"))

    @property
    def plain(self) -> bool:
        """Whether nothing was chosen."""
        return self == ReadingOptions()


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


NAMED_LEVELS = ("auto", "full", "stretch")


def _levels(given: Any) -> str | tuple[float, float]:
    if isinstance(given, str) and given in NAMED_LEVELS:
        return given
    try:
        low, high = (float(number) for number in given)
    except (TypeError, ValueError):
        low = high = 0.0
    if isinstance(given, str) or not (np.isfinite([low, high]).all() and low < high):
        raise ImageError(
            f"Levels are {', '.join(NAMED_LEVELS)}, or the numbers that become black and white, like 0,4095; "
            f"got {given!r}."
        )
    return low, high


def _levels_of_text(text: str) -> Any:
    low, comma, high = text.partition(",")
    try:
        return (float(low), float(high)) if comma else text
    except ValueError:
        return text  # which is refused by name


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """The numbers of a picture, upright or not, as its file holds them.

    Attributes:
        values: (H, W, bands) of any number type.
        colours: how many of the first bands are colours: 1, 3, or 4 of CMYK.
        alpha: what the band after the colours is.
        bits: how many bits of a number are used, as the file says.
        inverted: whether 0 is white.
        nodata: the number that stands for nothing, if the file says.
        orientation: as EXIF counts, 1 to 8.
        total: how many bands the file has, when not all were read.
    """

    values: npt.NDArray[Any]
    colours: int
    alpha: Alpha = ""
    bits: int = 8
    inverted: bool = False
    nodata: float | None = None
    orientation: int = 1
    total: int = 0

    def only(self, channels: tuple[int, ...] | None, what: str) -> "Bands":
        """Returns the bands that are asked for as colours.

        Raises:
            ImageError: there are fewer.
        """
        if channels is None:
            return self
        check_channels(channels, self.values.shape[2], what)
        chosen = self.values[:, :, [number - 1 for number in channels]]
        return replace(self, values=chosen, colours=len(channels), alpha="")


def check_channels(channels: tuple[int, ...], count: int, what: str) -> None:
    """Refuses channels that a picture does not have.

    Raises:
        ImageError: it has fewer.
    """
    if max(channels) > count:
        raise ImageError(
            f"{what} has {count} channel{'s' if count > 1 else ''}, got {','.join(map(str, channels))}. "
            "They are counted from 1."
        )

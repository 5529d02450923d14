"""`Clip`: what all kinds of clips can do. Frames are decoded when they are asked for, and none is kept for long."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.images import Image
from promptseg.notes import note

_HELD_BYTES = 64 * 2**20
"""Pixels that are held while a clip is read backwards."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipLimits:
    """What a clip may be.

    Attributes:
        max_bytes: the largest file.
        max_pixels: the largest width x height of its pictures.
        max_frames: how many frames there may be.
        max_seconds: how long it may last.
    """

    max_bytes: int = 64 * 2**30
    max_pixels: int = 36_000_000
    max_frames: int = 1_000_000
    max_seconds: float = 24 * 3600.0

    def check_size(self, size: tuple[int, int], what: str) -> None:
        """Refuses pictures that are too large.

        Raises:
            InputError: they are.
        """
        height, width = size
        if height * width > self.max_pixels:
            raise InputError(
                f"{what} is {width} x {height} = {height * width:,} pixels; the limit of clips is "
                f"{self.max_pixels:,}. Make it smaller."
            )

    def check_bytes(self, count: int, what: str) -> None:
        """Refuses a file that is too large.

        Raises:
            InputError: it is.
        """
        if count > self.max_bytes:
            raise InputError(f"{what} has {count:,} bytes; the limit of clips is {self.max_bytes:,}. Cut it.")

    def check_frame(self, number: int, seconds: float, what: str) -> None:
        """Refuses a frame beyond the allowed length.

        Raises:
            InputError: it lies beyond.
        """
        if number >= self.max_frames:
            raise InputError(f"{what} has more than {self.max_frames:,} frames. Cut it, or take part of it.")
        if seconds > self.max_seconds:
            raise InputError(f"{what} is longer than {self.max_seconds:g} seconds. Cut it, or take part of it.")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which frames of a clip are looked at.

    Attributes:
        start: number of the first, from 0.
        end: number behind the last; None: to the end.
        stride: every frame, every second one, ...

    Raises:
        InputError: it selects nothing.
    """

    start: int = 0
    end: int | None = None
    stride: int = 1

    def __post_init__(self) -> None:
        if self.start < 0 or self.stride < 1:
            raise InputError(f"Frames begin with 0 and the stride with 1, got {self.start} and {self.stride}.")
        if self.end is not None and self.end <= self.start:
            raise InputError(f"The end {self.end} must lie behind the start {self.start}.")

    def __contains__(self, number: int) -> bool:
        inside = number >= self.start and (self.end is None or number < self.end)
        return inside and (number - self.start) % self.stride == 0

    def nearest(self, number: int) -> int:
        """Returns the number of the selected frame at or before one."""
        return self.start + max(0, number - self.start) // self.stride * self.stride

    def count(self, frames: int) -> int:
        """Returns how many of so many frames are selected."""
        last = frames if self.end is None else min(frames, self.end)
        return max(0, -(-(last - self.start) // self.stride))


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """One picture of a clip.

    Attributes:
        number: its number in the clip, from 0, whatever is selected.
        seconds: when it is shown.
        image: its upright pixels.
    """

    number: int
    seconds: float
    image: Image


class Clip(ABC):
    """A clip. It knows its first frame when it is made; the rest is decoded on the way, as often as it is asked for.

    Where a file is damaged, the clip ends before the damage, and says so in a note.

    Attributes:
        name: what messages call it.
        size: height and width of its pictures, upright.
        rate: frames a second, on average.
        expected: how many frames it probably has, selected or not; None if nothing tells.
        selection: which of them are looked at.
        limits: what it may be.
        damage: what was found wrong with it, if anything, so far.
    """

    name: str
    size: Size
    rate: float
    expected: int | None

    def __init__(self, name: str, selection: Selection, limits: ClipLimits) -> None:
        self.name, self.selection, self.limits = name, selection, limits
        self.damage: str | None = None
        self._last: ClipFrame | None = None
        self._ended: int | None = None

    @abstractmethod
    def _decode(self, start: int) -> Iterator[ClipFrame]:
        """Yields all frames from a number on, to the end or to the damage."""

    def stem(self, number: int) -> str:
        """Returns how files about a frame are called."""
        return f"{number:05d}"

    @property
    def total(self) -> int | None:
        """How many frames are selected, probably; None if nothing tells."""
        frames = self.expected if self._ended is None else self._ended
        if frames is None:
            end, start = self.selection.end, self.selection.start
            return None if end is None else self.selection.count(max(end, start))
        return self.selection.count(frames)

    def forward(self, start: int = 0) -> Iterator[ClipFrame]:
        """Yields the selected frames from a number on.

        Raises:
            InputError: the clip breaks a limit.
        """
        begin = max(start, self.selection.start)
        end = self.selection.end
        good = -1
        with closing(self._decode(begin)) as frames:  # type: ignore[type-var]
            for item in frames:
                if end is not None and item.number >= end:
                    return
                self.limits.check_frame(item.number, item.seconds, self.name)
                if item.image.size != self.size:
                    height, width = item.image.size
                    self._broken(f"frame {item.number} has another size ({width} x {height})")
                    break
                good = item.number
                if good in self.selection:
                    self._last = item
                    yield item
        if good >= 0:
            self._ended = good + 1

    def backward(self, start: int) -> Iterator[ClipFrame]:
        """Yields the selected frames before a number, the last first. A group of them is held, of bounded size."""
        height, width = self.size
        group = max(1, _HELD_BYTES // (3 * height * width)) * self.selection.stride
        while start > self.selection.start:
            first = self.selection.nearest(max(self.selection.start, start - group))
            if first >= start:
                first = max(self.selection.start, first - self.selection.stride)
            held = deque[ClipFrame]()
            with closing(self.forward(first)) as frames:  # type: ignore[type-var]
                for item in frames:
                    if item.number >= start:
                        break
                    held.append(item)
            while held:
                yield held.pop()
            start = first

    def frame(self, number: int) -> ClipFrame:
        """Returns one selected frame.

        Raises:
            InputError: there is none of this number.
        """
        if self._last is not None and self._last.number == number:
            return self._last
        if number in self.selection:
            with closing(self.forward(number)) as frames:  # type: ignore[type-var]
                for item in islice(frames, 1):
                    if item.number == number:
                        return item
        raise InputError(f"{self.name} has no frame {number}{self._known()}. Frames are counted from 0.")

    def _known(self) -> str:
        chosen = self.selection
        if number_of := self._ended or self.expected:
            last = number_of - 1 if chosen.end is None else min(number_of, chosen.end) - 1
            if last < chosen.start:
                return f" (it has {number_of:,} frames)"
            step = "" if chosen.stride == 1 else f" in steps of {chosen.stride}"
            return f" (there are {chosen.start} to {chosen.nearest(last)}{step})"
        return ""

    def _broken(self, why: str) -> None:
        """Notes, once, where a clip ends before its time."""
        if self.damage is None:
            self.damage = why
            note(f"{self.name} is damaged: {why}. The frames before are used.")

"""What is remembered of an object: how it and what is around it looked on a few pictures. From that, where it is now.

Two ways are mixed. *Propagation* gives each cell the label of the cells that it is most like; *fitting* draws one plane
between the vectors of the object and the rest (ridge regression). The first knows details, the second does not mistake
single look-alikes.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from promptseg.arrays import Float32
from promptseg.video.look import Look

NEAREST, WARMTH = 10, 0.05
"""A cell takes its label from so many cells of the memory, the liker the more."""
RIDGE = 3e-3
"""How stiff the plane is."""
RECENT = 0.5
"""Weight of pictures that were followed, in the fitting; those with prompts have 1."""
NEVER, ALWAYS = 0.3, 0.7
"""Mixed probabilities that count as 0 and as 1; the fitting says a little everywhere, which adds up."""
GOOD, APART = 3, 8
"""How many good pictures are remembered beside those with prompts and the last one, and how far apart they are at least
in the clip: the latest ones all tell the same, and share one another's faults."""
GIVEN = 0.3
"""Weight of what the pictures with prompts say alone. What was followed wrongly once is remembered as the object; they
are not misled."""
PROMPTED = 4
"""How many pictures with prompts are asked, the nearest."""


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """An object on one picture.

    Attributes:
        number: of the picture in the clip.
        cells: (D, N) vectors.
        shares: (N,) which share of each cell it covers.
    """

    number: int
    cells: Float32 = field(repr=False)
    shares: Float32 = field(repr=False)

    @classmethod
    def of(cls, number: int, look: Look, shares: Float32) -> "Remembered":
        """Remembers an object by its shares (rows, 64)."""
        return cls(number, look.cells, shares.ravel())


class ObjectMemory:
    """The bounded memory of one object: pictures with prompts, a few good ones, and the last.

    Args:
        prompted: the pictures with prompts.
    """

    def __init__(self, prompted: Sequence[Remembered]) -> None:
        self._prompted = tuple(prompted)
        self._good: deque[Remembered] = deque(maxlen=GOOD)
        self._last: Remembered | None = None

    def fork(self) -> "ObjectMemory":
        """Returns a memory of the same pictures, which goes its own way."""
        other = ObjectMemory(self._prompted)
        other._good, other._last = self._good.copy(), self._last
        return other

    def keep(self, seen: Remembered, *, good: bool) -> None:
        """Remembers the picture that was just followed; a good one for longer."""
        if good and (not self._good or abs(seen.number - self._good[-1].number) >= APART):
            self._good.append(seen)
        self._last = seen

    def forget_last(self) -> None:
        """Forgets the last picture: after a cut, or while the object is not to be seen."""
        self._last = None

    def known(self, number: int) -> tuple[list[Remembered], list[Remembered]]:
        """Returns the pictures with prompts, and those that were followed, that are asked about a picture."""
        nearest = sorted(self._prompted, key=lambda item: abs(item.number - number))[:PROMPTED]
        followed = [*self._good]
        if self._last is not None and self._last not in followed:
            followed.append(self._last)
        return nearest, followed

    def map(self, number: int, look: Look) -> Float32:
        """Returns how probably each cell (rows, 64) of a picture shows the object."""
        prompted, followed = self.known(number)
        known = [*prompted, *followed]
        weights = [1.0] * len(prompted) + [RECENT] * len(followed)
        fitted = _fitted(look.cells, known, weights)
        mixed = (_propagated(look.cells, known) + fitted) / 2
        if followed and prompted:
            told = (_propagated(look.cells, prompted) + _fitted(look.cells, prompted, weights[: len(prompted)])) / 2
            mixed += GIVEN * (told - mixed)
        return np.asarray(np.clip((mixed - NEVER) / (ALWAYS - NEVER), 0, 1), np.float32).reshape(look.rows, -1)


def _propagated(cells: Float32, known: Sequence[Remembered]) -> Float32:
    vectors = np.concatenate([item.cells for item in known], axis=1)
    shares = np.concatenate([item.shares for item in known])
    likeness = cells.T @ vectors
    count = min(NEAREST, likeness.shape[1] - 1)
    nearest = np.argpartition(-likeness, count, axis=1)[:, :count]
    values = np.take_along_axis(likeness, nearest, axis=1)
    weights = np.exp((values - values.max(axis=1, keepdims=True)) / WARMTH)
    return np.asarray((weights * shares[nearest]).sum(axis=1) / weights.sum(axis=1), np.float32)


def _fitted(cells: Float32, known: Sequence[Remembered], weights: Sequence[float]) -> Float32:
    vectors = np.concatenate([item.cells for item in known], axis=1)
    shares = np.concatenate([item.shares for item in known])
    worth = np.concatenate(
        [np.full(len(item.shares), weight, np.float32) for item, weight in zip(known, weights, strict=True)]
    )
    inside, outside = float((worth * shares).sum()), float((worth * (1 - shares)).sum())
    worth = worth * (shares / max(inside, 1e-6) + (1 - shares) / max(outside, 1e-6)) / 2  # both sides count the same
    middle = vectors @ worth
    level = float(shares @ worth)
    spread = vectors - middle[:, None]
    weighted = spread * worth
    plane = np.linalg.solve(
        weighted @ spread.T + RIDGE * np.eye(len(spread), dtype=np.float32), weighted @ (shares - level)
    )
    return np.asarray(np.clip(plane @ (cells - middle[:, None]) + level, 0, 1), np.float32)

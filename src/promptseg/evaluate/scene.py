"""The unit that contestants are judged on: a picture, or the frames of a video, opened and decoded once for all."""

import time
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import numpy as np

from promptseg.arrays import BoolArray
from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.errors import FormatError
from promptseg.images import Image
from promptseg.masks.rle import RLE


class Scene:
    """A unit of an evaluation.

    Args:
        dataset: what it belongs to.
        name: its name.
        samples: its picture, or the frames of a video in order.
        seed: of all that is drawn at random.
    """

    def __init__(self, dataset: Dataset, name: str, samples: Sequence[Sample], seed: int = 0) -> None:
        self.dataset, self.name, self.samples, self.seed = dataset, name, tuple(samples), seed
        self._images: dict[int, Image] = {}
        self._masks: dict[int, tuple[RLE, BoolArray, BoolArray | None]] = {}

    @property
    def sample(self) -> Sample:
        """The picture, or the first frame."""
        return self.samples[0]

    def image(self, number: int = 0) -> Image:
        """Returns the decoded picture, or the frame of this number.

        Raises:
            ImageError: it cannot be read.
        """
        if number not in self._images:
            self._images[number] = Image.open(self.samples[number].picture)
        return self._images[number]

    def forget(self) -> None:
        """Lets go of the decoded pictures and masks."""
        self._images.clear()
        self._masks.clear()

    def truth(self, target: Target, number: int = 0) -> tuple[BoolArray, BoolArray | None]:
        """Returns the true mask (H, W) of a target, and the pixels that do not count.

        Raises:
            FormatError: it does not fit the picture, or no pixel of it counts.
        """
        _, mask, ignore = self._decoded(target, number)
        if not (mask.any() if ignore is None else (mask & ~ignore).any()):
            raise FormatError(
                f"The mask of {target.name!r} on {self.samples[number].picture} has no pixel that counts."
            )
        return mask, ignore

    def rle(self, target: Target, number: int = 0) -> RLE:
        """Returns the true mask of a target.

        Raises:
            FormatError: it does not fit the picture.
        """
        return self._decoded(target, number)[0]

    def random(self, item: str = "") -> np.random.Generator:
        """Returns a source of random numbers that depends on the seed, the unit and the item alone."""
        return np.random.default_rng([self.seed, zlib.crc32(self.name.encode()), zlib.crc32(item.encode())])

    def _decoded(self, target: Target, number: int) -> tuple[RLE, BoolArray, BoolArray | None]:
        if id(target) not in self._masks:
            rle = target.rle()
            height, width = self.image(number).size
            if rle.size != (height, width):
                raise FormatError(
                    f"{self.samples[number].picture} is {width} x {height} pixels, but the mask of "
                    f"{target.name!r} is {rle.size.width} x {rle.size.height}."
                )
            self._masks[id(target)] = (rle, rle.dense(), target.ignored())
        return self._masks[id(target)]


class Clock:
    """Notes how long each kind of step takes.

    Attributes:
        seconds: the times by kind of step.
        reported: what a contestant in another process says the step took; it takes the place of the time seen here.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self.reported: float | None = None

    def report(self, seconds: float) -> None:
        """Notes what a contestant in another process says a call took; calls of one step add up."""
        self.reported = seconds + (self.reported or 0.0)

    @contextmanager
    def step(self, name: str) -> Generator[None]:
        """Measures the block as one step."""
        self.reported = None
        began = time.perf_counter()
        yield
        elapsed = time.perf_counter() - began
        self.seconds.setdefault(name, []).append(elapsed if self.reported is None else self.reported)

"""What seem-tiny learns from labelled pictures: views of them to draw, and the things in them that have names."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from torch import Tensor

from promptseg.datasets.samples import Corners, Sample
from promptseg.errors import FormatError
from promptseg.images import Image
from promptseg.masks.regions import largest_component
from promptseg.masks.rle import RLE
from promptseg.models.seem_tiny.config import GRID
from promptseg.train.recipes.seem_tiny.phrases import Aliases
from promptseg.train.recipes.seem_tiny.views import (
    UNKNOWN,
    PictureView,
    Pixels,
    draw_view,
    one_of,
    show,
    show_box,
    show_truth,
)

Kind = Literal["classes", "everywhere", "picture", "box"]

LEAST_THING = 60
"""Pixels; smaller regions have no name that could be learned."""
MOST_BOXES = 4
"""Of one picture."""


class Example(NamedTuple):
    """A view of a picture with what is known of it.

    Attributes:
        kind: "classes": of each pixel, 0 for none of them; "everywhere": of each pixel, numbered from 0; "picture": one
            class somewhere in it; "box": one class in a box.
        source: the data set.
        frame_3HW: the network's input.
        view: how the picture lies in it.
        names: of the classes.
        aliases: other words for them.
        truth: (128, 128) classes of pixels.
        label: the class of the picture or of the box, from 0.
        cells: the box in cells at stride 8.
    """

    kind: Kind
    source: str
    frame_3HW: Tensor
    view: PictureView
    names: Sequence[str]
    aliases: Aliases
    truth: Tensor | None = None
    label: int = -1
    cells: tuple[int, int, int, int] | None = None


class Thing(NamedTuple):
    """Something that has a name.

    Attributes:
        picture: where it is to be seen.
        label: its name.
        mask: its region; None for the whole picture.
    """

    picture: Path
    label: str
    mask: RLE | None


@dataclass(frozen=True, kw_only=True)
class ExampleSet(ABC):
    """Pictures with one kind of labels.

    Attributes:
        name: what the mixture calls it.
        names: its classes.
        aliases: other words for them.
        samples: its pictures in a fixed order.
    """

    kind: ClassVar[Kind] = "classes"
    name: str
    names: Sequence[str]
    aliases: Aliases
    samples: Sequence[Sample]

    @property
    def pictures(self) -> list[Path]:
        """Where its pictures are."""
        return [sample.picture for sample in self.samples]

    @abstractmethod
    def draw(self, random: np.random.Generator) -> Example:
        """Draws a picture and a view of it."""

    @abstractmethod
    def things(self) -> Iterator[Thing]:
        """Yields what is named in the pictures, always the same."""


@dataclass(frozen=True, kw_only=True)
class ClassMaps(ExampleSet):
    """Pictures of whose pixels the classes are known, by number in the labels: 0 is none of them.

    Attributes:
        largest: whether only the largest region of a class is a thing: several animals are several things, a pair of
            shoes is one.
        most: regions of one picture that are learned as things.
        every: of so many pictures one is used for things.
    """

    largest: bool = False
    most: int = 20
    every: int = 1

    def classes(self, sample: Sample) -> Pixels:
        """Returns the classes of a picture's pixels: 0 for none, 255 for unknown.

        Raises:
            FormatError: they are not known.
        """
        if sample.semantic is None:
            raise FormatError(f"{sample.picture} has no classes of pixels.")
        return sample.semantic().astype(np.uint8)  # the unknown class, -1, becomes 255

    def draw(self, random: np.random.Generator) -> Example:
        """Draws a picture, and a view that is often around something known.

        Raises:
            FormatError: the labels have another size than the picture.
        """
        sample = one_of(self.samples, random)
        pixels, classes = Image.open(sample.picture).pixels, self.classes(sample)
        if classes.shape != pixels.shape[:2]:
            raise FormatError(
                f"The labels of {sample.picture} have another size: {classes.shape}, not {pixels.shape[:2]}."
            )
        view = draw_view(classes.shape, self._focus(sample, classes, random), random)
        frame_3HW, truth = show(pixels, view, random), show_truth(classes, view)
        return Example(self.kind, self.name, frame_3HW, view, self.names, self.aliases, truth)

    def _focus(self, sample: Sample, classes: Pixels, random: np.random.Generator) -> Corners | None:
        """Draws something known to look at; here the extent of a class."""
        del sample
        known = _known(classes)
        if not known:
            return None
        rows, columns = np.nonzero(classes == one_of(known, random))
        return float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1

    def things(self) -> Iterator[Thing]:
        """Yields the region of each class of a picture."""
        random = np.random.default_rng(0)
        for sample in self.samples[:: self.every]:
            classes = self.classes(sample)
            known = _known(classes)
            if len(known) > self.most:
                known = sorted(random.choice(known, self.most, replace=False).tolist())
            for number in known:
                mask = RLE.encode(classes == number)
                if self.largest:
                    mask = largest_component(mask)
                if mask.area > LEAST_THING:
                    yield Thing(sample.picture, self.names[number - 1], mask)


@dataclass(frozen=True, kw_only=True)
class People(ClassMaps):
    """Pictures of clothes with one class: whoever wears them."""

    def classes(self, sample: Sample) -> Pixels:
        """Returns 1 where there are clothes, 255 for unknown."""
        clothes = super().classes(sample)
        return np.where(clothes == UNKNOWN, UNKNOWN, clothes > 0).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Instances(ClassMaps):
    """Pictures of single things, whose masks are known; smaller things lie above larger ones, crowds are unknown."""

    def classes(self, sample: Sample) -> Pixels:
        """Returns the classes, numbered from 1."""
        numbers = {name: number for number, name in enumerate(self.names, 1)}
        masks = [(target.rle(), numbers[target.label or ""]) for target in sample.targets]
        crowds = [target.rle() for target in sample.crowds]
        classes = np.zeros(Image.open(sample.picture).size, np.uint8)
        for mask, number in sorted(masks, key=lambda item: -item[0].area):
            classes[mask.dense()] = number
        for mask in crowds:
            classes[mask.dense() & (classes == 0)] = UNKNOWN
        return classes

    def _focus(self, sample: Sample, classes: Pixels, random: np.random.Generator) -> Corners | None:
        return one_of(sample.targets, random).rle().bbox if sample.targets else None

    def things(self) -> Iterator[Thing]:
        """Yields single things, at most `most` of a picture."""
        random = np.random.default_rng(0)
        for sample in self.samples:
            found = [(target.rle(), target.label or "") for target in sample.targets]
            found = [item for item in found if item[0].area > LEAST_THING // 2]
            if len(found) > self.most:
                found = [found[index] for index in random.choice(len(found), self.most, replace=False).tolist()]
            for mask, label in found:
                yield Thing(sample.picture, label, mask)


@dataclass(frozen=True, kw_only=True)
class Everywhere(ClassMaps):
    """Pictures of which every known pixel has a class, things and stuff alike, numbered from 0; crowds are unknown."""

    kind: ClassVar[Kind] = "everywhere"

    def classes(self, sample: Sample) -> Pixels:
        """Returns the classes."""
        if sample.panoptic is None:
            raise FormatError(f"{sample.picture} has no segments.")
        truth = sample.panoptic()
        known = zip(truth.classes, truth.crowds, strict=True)
        classes = [UNKNOWN, *(UNKNOWN if crowd else number for number, crowd in known)]
        return np.array(classes, np.uint8)[truth.numbers]

    def _focus(self, sample: Sample, classes: Pixels, random: np.random.Generator) -> Corners | None:
        return None


@dataclass(frozen=True, kw_only=True)
class Labelled(ExampleSet):
    """Pictures of one class each."""

    kind: ClassVar[Kind] = "picture"

    def draw(self, random: np.random.Generator) -> Example:
        """Draws a picture and a view."""
        sample = one_of(self.samples, random)
        pixels = Image.open(sample.picture).pixels
        view = draw_view((pixels.shape[0], pixels.shape[1]), None, random)
        frame_3HW, label = show(pixels, view, random), self.names.index(sample.targets[0].name)
        return Example(self.kind, self.name, frame_3HW, view, self.names, self.aliases, label=label)

    def things(self) -> Iterator[Thing]:
        """Yields whole pictures."""
        for sample in self.samples:
            yield Thing(sample.picture, sample.targets[0].name, None)


@dataclass(frozen=True, kw_only=True)
class Boxed(ExampleSet):
    """Pictures in which things of some classes are boxed."""

    kind: ClassVar[Kind] = "box"

    def draw(self, random: np.random.Generator) -> Example:
        """Draws a picture, a box and a view; the box may lie outside the view."""
        sample = one_of(self.samples, random)
        pixels = Image.open(sample.picture).pixels
        view = draw_view((pixels.shape[0], pixels.shape[1]), None, random)
        target = one_of(sample.targets, random)
        cells = None if target.box is None else show_box(target.box, view, GRID)
        frame_3HW, label = show(pixels, view, random), self.names.index(target.name)
        return Example(self.kind, self.name, frame_3HW, view, self.names, self.aliases, label=label, cells=cells)

    def things(self) -> Iterator[Thing]:
        """Yields boxes, at most four of a picture."""
        for sample in self.samples:
            for target in sample.targets[:MOST_BOXES]:
                mask = target.rle()
                if mask.area:
                    yield Thing(sample.picture, target.name, mask)


def _known(classes: Pixels) -> list[int]:
    return [number for number in np.unique(classes).tolist() if 0 < number < UNKNOWN]

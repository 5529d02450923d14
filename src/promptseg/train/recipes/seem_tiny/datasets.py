"""The labelled pictures that seem-tiny learns from, by what their labels know.

A folder of data holds any of these, each with `images/`:

| folder | labels |
|---|---|
| voc, ccp | `labels/*.png` index masks, `classes.json`: names, the first is the background, 255 is unknown |
| coco | `instances.json`; `panoptic.json` and `panoptic/*.png` for some of the pictures |
| caltech101, imagenet1000, grocery, clothing | `labels.json`: name of the class by picture |
| indoor, fruit, kangaroo, raccoon | `boxes.json`: [{label, box}] by picture; only the named classes are boxed |
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from promptseg.datasets.layouts.coco import read_instances, read_panoptic_truth
from promptseg.datasets.samples import Sample
from promptseg.errors import FormatError
from promptseg.formats.png import read_pixels
from promptseg.images import Image
from promptseg.masks.regions import largest_component
from promptseg.masks.rle import RLE
from promptseg.models.seem_tiny.config import GRID
from promptseg.train.recipes.seem_tiny.phrases import Aliases
from promptseg.train.recipes.seem_tiny.views import (
    UNKNOWN,
    Box,
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


class DataSet(Protocol):
    """Pictures with one kind of labels."""

    @property
    def name(self) -> str:
        """What the mixture calls it."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """Its classes."""
        ...

    @property
    def aliases(self) -> Aliases:
        """Other words for them."""
        ...

    @property
    def pictures(self) -> Sequence[Path]:
        """Its pictures in a fixed order."""
        ...

    def draw(self, random: np.random.Generator) -> Example:
        """Draws a picture and a view of it."""
        ...

    def things(self) -> Iterator[Thing]:
        """Yields what is named in the pictures, always the same."""
        ...


@dataclass(frozen=True)
class ClassMaps:
    """Pictures of whose pixels the classes are known.

    Attributes:
        name, names, aliases, pictures: see `DataSet`.
        read: returns the classes of a picture's pixels: 0 for none, 255 for unknown; if `everywhere`, from 0.
        boxes: returns boxes of things in a picture; None finds the extent of a class in the map.
        everywhere: whether every known pixel has one of the classes.
        most: regions of one picture that are learned as things.
        every: of so many pictures one is used for things.
    """

    name: str
    names: Sequence[str]
    aliases: Aliases
    pictures: Sequence[Path]
    read: Callable[[Path], Pixels]
    boxes: Callable[[Path], Sequence[Box]] | None = None
    everywhere: bool = False
    most: int = 20
    every: int = 1

    def draw(self, random: np.random.Generator) -> Example:
        """Draws a picture, and a view that is often around something known."""
        path = one_of(self.pictures, random)
        pixels, classes = Image.open(path).pixels, self.read(path)
        if classes.shape != pixels.shape[:2]:
            raise FormatError(
                f"The labels of {path} have another size: {classes.shape}, not {pixels.shape[:2]}."
            )
        view = draw_view(classes.shape, self._focus(path, classes, random), random)
        kind: Kind = "everywhere" if self.everywhere else "classes"
        truth = show_truth(classes, view)
        return Example(kind, self.name, show(pixels, view, random), view, self.names, self.aliases, truth)

    def _focus(self, path: Path, classes: Pixels, random: np.random.Generator) -> Box | None:
        if self.everywhere:
            return None
        if self.boxes is not None:
            boxes = self.boxes(path)
            return one_of(boxes, random) if boxes else None
        known = [number for number in np.unique(classes).tolist() if 0 < number < UNKNOWN]
        if not known:
            return None
        rows, columns = np.nonzero(classes == one_of(known, random))
        return float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1

    def things(self) -> Iterator[Thing]:
        """Yields the largest region of each class of a picture."""
        random = np.random.default_rng(0)
        for path in self.pictures[:: self.every]:
            classes = self.read(path)
            known = [number for number in np.unique(classes).tolist() if 0 < number < UNKNOWN]
            if len(known) > self.most:
                known = sorted(random.choice(known, self.most, replace=False).tolist())
            for number in known:
                mask = RLE.encode(classes == number)
                if self.name == "voc":  # several animals are several things; a pair of shoes is one
                    mask = largest_component(mask)
                if mask.area > LEAST_THING:
                    yield Thing(path, str(self.names[number - 1]), mask)


@dataclass(frozen=True)
class LabelledInstances(ClassMaps):
    """Class maps that were made of single things, whose masks are known too."""

    samples: Sequence[Sample] = ()

    def things(self) -> Iterator[Thing]:
        """Yields single things, at most `most` of a picture."""
        random = np.random.default_rng(0)
        for sample in self.samples:
            found = [(target.rle(), target.label or "") for target in sample.targets]
            found = [item for item in found if item[0].area > LEAST_THING // 2]
            if len(found) > self.most:
                found = [
                    found[index] for index in random.choice(len(found), self.most, replace=False).tolist()
                ]
            for mask, label in found:
                yield Thing(sample.picture, label, mask)


@dataclass(frozen=True)
class Labelled:
    """Pictures of one class each."""

    name: str
    names: Sequence[str]
    labels: Mapping[Path, str]
    aliases: Aliases

    @property
    def pictures(self) -> Sequence[Path]:
        """The pictures."""
        return tuple(self.labels)

    def draw(self, random: np.random.Generator) -> Example:
        """Draws a picture and a view."""
        path = one_of(self.pictures, random)
        pixels = Image.open(path).pixels
        view = draw_view((pixels.shape[0], pixels.shape[1]), None, random)
        label = self.names.index(self.labels[path])
        return Example(
            "picture", self.name, show(pixels, view, random), view, self.names, self.aliases, label=label
        )

    def things(self) -> Iterator[Thing]:
        """Yields whole pictures."""
        for path, label in self.labels.items():
            yield Thing(path, label, None)


@dataclass(frozen=True)
class Boxed:
    """Pictures in which things of some classes are boxed."""

    name: str
    names: Sequence[str]
    boxes: Mapping[Path, Sequence[tuple[str, Box]]]
    aliases: Aliases

    @property
    def pictures(self) -> Sequence[Path]:
        """The pictures."""
        return tuple(self.boxes)

    def draw(self, random: np.random.Generator) -> Example:
        """Draws a picture, a box and a view; the box may lie outside the view."""
        path = one_of(self.pictures, random)
        pixels = Image.open(path).pixels
        view = draw_view((pixels.shape[0], pixels.shape[1]), None, random)
        found = self.boxes[path]
        label, box = one_of(found, random)
        cells = show_box(box, view, GRID)
        return Example(
            "box",
            self.name,
            show(pixels, view, random),
            view,
            self.names,
            self.aliases,
            label=self.names.index(label),
            cells=cells,
        )

    def things(self) -> Iterator[Thing]:
        """Yields boxes, at most four of a picture."""
        for path, found in self.boxes.items():
            height, width = Image.open(path).size
            for label, (x0, y0, x1, y1) in found[:MOST_BOXES]:
                mask = np.zeros((height, width), np.bool_)
                mask[max(0, round(y0)) : round(y1), max(0, round(x0)) : round(x1)] = True
                if mask.any():
                    yield Thing(path, label, RLE.encode(mask))


def read_labels(root: Path, name: str, aliases: Aliases) -> Labelled:
    """Reads `labels.json`.

    Raises:
        FormatError: it is malformed.
    """
    content = _mapping(root / name / "labels.json")
    labels = {root / name / "images" / str(file): str(label) for file, label in sorted(content.items())}
    return Labelled(name, sorted(set(labels.values())), labels, aliases)


def read_boxes(root: Path, names: Sequence[str], aliases: Aliases) -> list[Boxed]:
    """Reads the `boxes.json` of several folders, which share one list of classes.

    Raises:
        FormatError: one is malformed.
    """
    found: dict[str, dict[Path, list[tuple[str, Box]]]] = {}
    for name in names:
        place = root / name / "boxes.json"
        try:
            found[name] = {
                root / name / "images" / str(file): [
                    (str(item["label"]), _box(item["box"])) for item in items
                ]
                for file, items in sorted(_mapping(place).items())
                if items
            }
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"{place} holds no boxes: expected [{{label, box}}] by picture ({error})."
            ) from error
    classes = sorted({label for boxes in found.values() for items in boxes.values() for label, _ in items})
    return [Boxed(name, classes, boxes, aliases) for name, boxes in found.items()]


def read_index_masks(root: Path, name: str, aliases: Aliases) -> ClassMaps:
    """Reads `labels/*.png` and `classes.json`.

    Raises:
        FormatError: the classes are malformed.
    """
    folder = root / name
    classes = _json(folder / "classes.json")
    if not isinstance(classes, list) or len(classes) < 2:
        raise FormatError(f"{folder / 'classes.json'} is no list of a background and classes.")

    def read(path: Path) -> Pixels:
        drawn = read_pixels(folder / "labels" / f"{path.stem}.png")
        return (drawn if drawn.ndim == 2 else drawn[..., 0]).astype(np.uint8)

    pictures = sorted(path for path in (folder / "images").iterdir() if path.suffix in (".jpg", ".png"))
    spoken = [str(item) for item in classes[1:]]
    if name == "ccp":
        return ClassMaps(name, spoken, aliases, pictures, read, most=5, every=3)
    return ClassMaps(name, spoken, aliases, pictures, read)


def people_of(clothes: ClassMaps, aliases: Aliases) -> ClassMaps:
    """Returns the same pictures with one class: whoever wears the clothes."""

    def read(path: Path) -> Pixels:
        classes = clothes.read(path)
        return np.where(classes == UNKNOWN, UNKNOWN, classes > 0).astype(np.uint8)

    return ClassMaps("people", ["person"], aliases, clothes.pictures, read)


def read_coco(root: Path, aliases: Aliases) -> LabelledInstances:
    """Reads `instances.json`; smaller things lie above larger ones, crowds are unknown.

    Raises:
        FormatError: it is malformed.
    """
    content = read_instances(root / "coco" / "instances.json", root / "coco" / "images")
    names = [category.name for category in content.categories]
    numbers = {name: index for index, name in enumerate(names, 1)}
    samples = {sample.picture: sample for sample in content.samples}

    def read(path: Path) -> Pixels:
        sample = samples[path]
        classes = np.zeros(Image.open(path).size, np.uint8)
        for target in sorted(sample.targets, key=lambda item: -item.rle().area):
            classes[target.mask()] = numbers[target.label or ""]
        for target in sample.crowds:
            classes[target.mask() & (classes == 0)] = UNKNOWN
        return classes

    def boxes(path: Path) -> Sequence[Box]:
        return [target.rle().bbox for target in samples[path].targets]

    return LabelledInstances(
        "coco", names, aliases, tuple(samples), read, boxes, most=9, samples=content.samples
    )


def read_stuff(root: Path) -> ClassMaps:
    """Reads `panoptic.json`, things and stuff alike; crowds are unknown.

    Raises:
        FormatError: it is malformed.
    """
    content = read_panoptic_truth(root / "coco" / "panoptic.json", root / "coco" / "images")
    samples = {sample.picture: sample for sample in content.samples if sample.picture.exists()}

    def read(path: Path) -> Pixels:
        make = samples[path].panoptic
        if make is None:
            raise FormatError(f"{path} has no segments.")
        truth = make()
        classes = np.array(
            [UNKNOWN]
            + [
                UNKNOWN if crowd else number
                for number, crowd in zip(truth.classes, truth.crowds, strict=True)
            ],
            np.uint8,
        )
        return classes[truth.numbers]

    names = [_plain(category.name) for category in content.categories]
    return ClassMaps("stuff", names, {}, tuple(samples), read, everywhere=True)


def _plain(name: str) -> str:
    for ending in ("-merged", "-other", "-stuff"):
        name = name.replace(ending, "")
    return name.replace("-", " ")


def _box(value: Any) -> Box:
    x0, y0, x1, y1 = (float(number) for number in value)
    return x0, y0, x1, y1


def _mapping(path: Path) -> Mapping[str, Any]:
    content = _json(path)
    if not isinstance(content, dict):
        raise FormatError(f"{path} is no object by picture.")
    return content  # pyright: ignore[reportUnknownVariableType]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} cannot be read as JSON: {error}.") from error

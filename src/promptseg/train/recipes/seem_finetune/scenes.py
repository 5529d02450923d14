"""Labelled pictures as SEEM is taught them: the network's input, and the objects in it.

Shapes: T objects, H W pixels of the padded input.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from promptseg.arrays import BoolArray
from promptseg.datasets.samples import Dataset, Sample
from promptseg.errors import FormatError
from promptseg.images import Image
from promptseg.segment.seem.picture import SeemFrame, network_input
from promptseg.vocabulary import plain_name

UNNAMED = "object"
"""The class of objects that have none."""
MOST = 40
"""Objects of one picture that are learned from."""
SAID = ("{}", "a {}", "the {}", "this {}", "one {}")
"""How the name of a class is said when nobody wrote a phrase."""


@dataclass(frozen=True, slots=True, eq=False)
class SeemScene:
    """One picture.

    Attributes:
        image: (1, 3, H, W) normalised and padded.
        masks: (T, H, W) the objects, in the padded input.
        classes: (T,) places in the vocabulary.
        phrases: what people call each object; empty where nobody said.
    """

    image: npt.NDArray[np.float32]
    masks: BoolArray
    classes: npt.NDArray[np.int64]
    phrases: tuple[tuple[str, ...], ...]

    def saying(self, number: int, names: Sequence[str], random: np.random.Generator) -> tuple[str, BoolArray]:
        """Returns a phrase for an object, and all that it names (H, W): a class's name means every object of it."""
        if said := self.phrases[number]:
            phrase = said[int(random.integers(len(said)))]
            named = [phrase in other for other in self.phrases]
        else:
            name = plain_name(names[int(self.classes[number])])
            phrase = SAID[int(random.integers(len(SAID)))].format(name)
            named = (self.classes == self.classes[number]).tolist()
        return phrase, np.asarray(self.masks[named].any(0), np.bool_)

    def mirrored(self, width: int) -> "SeemScene":
        """Returns the scene seen in a mirror; its picture takes the first `width` columns."""
        image, masks = self.image.copy(), self.masks.copy()
        image[..., :width] = self.image[..., :width][..., ::-1]
        masks[..., :width] = self.masks[..., :width][..., ::-1]
        return SeemScene(image, masks, self.classes, self.phrases)


class Scenes:
    """The pictures of a dataset.

    Args:
        dataset: with objects, phrases or panoptic segments.
        model: such as "seem-focal-t".
        short_side: of the resized picture.

    Raises:
        InputError: the short side is out of range.
    """

    def __init__(self, dataset: Dataset, model: str, short_side: int | None) -> None:
        self._samples, self._model, self._short = dataset.samples, model, short_side
        known = [_label(target.label) for sample in dataset.samples for target in sample.targets]
        self.names: tuple[str, ...] = dataset.class_names or tuple(sorted(set(known)))
        if UNNAMED in known and UNNAMED not in self.names:
            self.names = (*self.names, UNNAMED)
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self._samples)

    def read(self, index: int, random: np.random.Generator | None = None) -> SeemScene | None:
        """Reads a picture, in a mirror half of the time if `random` is given; None if no object is left of it.

        Raises:
            FormatError: a label does not fit its picture.
            ImageError: the picture cannot be read.
        """
        sample = self._samples[index]
        image = Image.open(sample.picture)
        frame = SeemFrame.fit(image.size, self._model, short_side=self._short)
        found = self._objects(sample)
        if len(found) > MOST:
            chance = random or np.random.default_rng(index)
            found = [found[i] for i in sorted(chance.choice(len(found), MOST, replace=False).tolist())]
        masks, classes, phrases = [], [], []
        for mask, number, said in found:
            if mask.shape != tuple(image.size):
                raise FormatError(
                    f"{sample.picture} is {image.size.width} x {image.size.height} pixels, but a mask of it is "
                    f"{mask.shape[1]} x {mask.shape[0]}."
                )
            placed = _placed(mask, frame)
            if placed.any():
                masks.append(placed)
                classes.append(number)
                phrases.append(said)
        if not masks:
            return None
        scene = SeemScene(network_input(image, frame), np.stack(masks), np.array(classes), tuple(phrases))
        mirrored = random is not None and random.random() < 0.5
        return scene.mirrored(frame.resized.width) if mirrored else scene

    def class_of(self, name: str | None) -> int:
        """Returns the place of a label in the vocabulary.

        Raises:
            FormatError: it is not in it.
        """
        try:
            return self._numbers[_label(name)]
        except KeyError as error:
            raise FormatError(f"The label {name!r} is not among the classes of the dataset.") from error

    def with_class(self, number: int, but: int) -> list[int]:
        """Returns the pictures that have an object of a class, without the picture `but`."""
        return [index for index in self._holders.get(number, ()) if index != but]

    @cached_property
    def _holders(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for index, sample in enumerate(self._samples):
            if sample.panoptic is not None:
                classes = set(sample.panoptic().classes)
            else:
                classes = {self.class_of(target.label) for target in sample.targets}
            for each in sorted(classes):
                found.setdefault(each, []).append(index)
        return found

    def _objects(self, sample: Sample) -> list[tuple[BoolArray, int, tuple[str, ...]]]:
        if sample.panoptic is None:
            return [(target.mask(), self.class_of(target.label), target.phrases) for target in sample.targets]
        truth = sample.panoptic()
        return [
            (truth.numbers == segment, number, ())
            for segment, (number, crowd) in enumerate(zip(truth.classes, truth.crowds, strict=True), 1)
            if not crowd
        ]


def _label(label: str | None) -> str:
    return UNNAMED if label is None else label


def _placed(mask: BoolArray, frame: SeemFrame) -> BoolArray:
    """Resizes a mask as its picture, and pads it: (H, W)."""
    height, width = frame.resized
    small = Pillow.fromarray(mask.astype(np.uint8) * 255).resize((width, height), Pillow.Resampling.BILINEAR)
    result = np.zeros(frame.padded, np.bool_)
    result[:height, :width] = np.asarray(small) > 127
    return result

"""What the tasks of meaning share: seem-tiny in an engine, and the pictures looked at lately."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32
from promptseg.errors import PromptError
from promptseg.geometry import ResizeFrame
from promptseg.images import Image
from promptseg.masks.rle import RLE
from promptseg.masks.upsample import downsample_mask
from promptseg.models.detector.decode import Boxes
from promptseg.models.seem_tiny.ground import GroundHead
from promptseg.prompts.touched import touched_pixels
from promptseg.prompts.words import Reference
from promptseg.runtimes.detector import DetectorRuntime
from promptseg.runtimes.seem_tiny import Classes, TinyRuntime
from promptseg.segment.words.boxes import boxes_of
from promptseg.segment.words.name import cut_out
from promptseg.segment.words.phrases.read import english
from promptseg.segment.words.picture import CELLS, SeenImage, see
from promptseg.vocabulary import COCO_STUFF as STUFF
from promptseg.vocabulary import Vocabulary

_KEPT = 8
"""Pictures remembered, 4 MB each."""

LEAST_CHANCE, LIMIT = 1e-4, 10.0
"""Chances are held away from 0 and 1 by the first; the second below zero is the logit beside the picture."""
ALIKE = 0.55
"""A cell is like a reference if its cosine with it is above this (chosen, not measured)."""


T = TypeVar("T")


class Lately(Generic[T]):
    """What was made of the pictures that were looked at lately.

    Safe to call from several threads: whoever asks while it is being made waits for it.
    """

    def __init__(self, make: Callable[[Image], T]) -> None:
        self._make = make
        self._kept: OrderedDict[str, Future[T]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, image: Image) -> T:
        """Returns what was made of a picture, or makes it."""
        key = image.digest
        with self._lock:
            known = self._kept.get(key)
            made = Future[T]() if known is None else known
            self._kept[key] = made
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        if known is None:
            try:
                made.set_result(self._make(image))
            except BaseException as error:
                with self._lock:
                    self._kept.pop(key, None)
                made.set_exception(error)
                raise
        return made.result()


class Meaning:
    """Looks at pictures and reads phrases. Safe to call from several threads.

    Args:
        runtime: seem-tiny.
        detector: what draws boxes around things.
    """

    def __init__(self, runtime: TinyRuntime, detector: DetectorRuntime) -> None:
        self.runtime = runtime
        self._seen = Lately(lambda image: see(runtime, image))
        self._boxes = Lately(lambda image: boxes_of(detector, image))

    def look(self, image: Image) -> None:
        """Does all that can be done for a picture before anything is asked."""
        self.see(image)
        self.boxes(image)

    def see(self, image: Image) -> SeenImage:
        """Returns a picture's vectors, from memory if it was looked at lately."""
        return self._seen.of(image)

    def boxes(self, image: Image) -> Boxes:
        """Returns the boxes of things in a picture, best first, from memory if it was looked at lately."""
        return self._boxes.of(image)

    def read(self, phrases: Sequence[str]) -> Classes:
        """Returns what phrases mean, English or Japanese.

        Raises:
            PromptError: a Japanese word is unknown.
        """
        return self.runtime.read([english(phrase).strip() for phrase in phrases])

    def vocabulary(self, words: Vocabulary) -> Classes:
        """Returns what the classes of a vocabulary mean."""
        return self.read(words.labels)

    def heat(self, image: Image, classes: Classes) -> Float32:
        """Returns logits (P, 96, 96) of classes in a picture."""
        return self.see(image).heat(classes, self.runtime.head)

    def ground(self, image: Image, kinds: Sequence[str]) -> Float32:
        """Returns logits (S, 96, 96) of kinds of stuff: COCO's 53 by the trained layer, others as any phrase."""
        seen = self.see(image)
        rows, columns = seen.cells
        chances = GroundHead.load().chances(seen.vectors[:, :rows, :columns]).clip(LEAST_CHANCE, 1 - LEAST_CHANCE)
        logits = np.full((len(kinds), CELLS, CELLS), -LIMIT, np.float32)
        for place, kind in enumerate(map(english, kinds)):
            if kind in STUFF:
                chance = chances[STUFF.index(kind)]
                logits[place, :rows, :columns] = np.log(chance / (1 - chance))
            else:
                logits[place] = seen.heat(self.read([kind]), self.runtime.head)[0]
        return logits

    def names(self, image: Image, masks: Sequence[RLE], words: Vocabulary) -> Float32:
        """Returns how probable each name is for each mask, (masks, names); the same for all where a mask is empty."""
        names = self.vocabulary(words).names
        chances = np.full((len(masks), len(words)), 1 / len(words), np.float32)
        for row, mask in enumerate(masks):
            if mask.area:
                logits = names @ self.runtime.name(cut_out(image, mask)) * np.float32(self.runtime.head.name_scale)
                powers = np.exp(logits - logits.max())
                chances[row] = powers / powers.sum()
        return chances

    def region(self, seen: SeenImage, weights: Float32) -> Float32:
        """Returns the mean vector (D,), of length 1, of a region given by weights (96, 96)."""
        mean = np.einsum("dhw,hw->d", seen.vectors, weights)
        return mean / max(float(np.linalg.norm(mean)), 1e-6)

    def read_reference(self, reference: Reference) -> Float32:
        """Returns what a region of another picture looks like: a vector (D,) of length 1.

        Raises:
            PromptError: the region lies outside its picture.
        """
        picture = reference.open()
        seen = self.see(picture)
        weights = cell_weights(touched_pixels([reference.mask], picture.size, picture.size).positive, seen.frame)
        if not weights.any():
            raise PromptError("The region of the reference is empty.")
        return self.region(seen, weights)

    def likeness(self, image: Image, vector: Float32) -> Float32:
        """Returns logits (96, 96): above 0 where a picture looks like a reference."""
        seen = self.see(image)
        cosines = np.einsum("dhw,d->hw", seen.vectors, vector)
        return ((cosines - ALIKE) * np.float32(self.runtime.head.scale)).astype(np.float32)


def cell_weights(mask: npt.NDArray[np.bool_], frame: ResizeFrame) -> Float32:
    """Returns the share of each cell (96, 96) that a mask of the picture covers."""
    return downsample_mask(mask.astype(np.float32), frame, side=CELLS)

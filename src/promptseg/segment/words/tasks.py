"""What needs meaning, for SAM's models: seem-tiny knows words, SAM draws the outlines."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from promptseg.arrays import Float32
from promptseg.errors import InputError
from promptseg.images import Image
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.segments import Segments
from promptseg.prompts.request import Request, says_what
from promptseg.prompts.speech import Transcriber
from promptseg.prompts.words import Reference, Text
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.places import predictor
from promptseg.segment.places.predictor import Granularity
from promptseg.segment.words import maps
from promptseg.segment.words.answer import answer
from promptseg.segment.words.engine import Meaning
from promptseg.vocabulary import Vocabulary, Words, vocabulary_of


class Semantics(ABC):
    """The tasks of words, references, names and maps of classes.

    `Segmenter` inherits them; `SeemSegmenter` does them in SEEM's own way.
    """

    @property
    @abstractmethod
    def _meaning(self) -> Meaning:
        """seem-tiny, made when first needed."""

    @property
    @abstractmethod
    def model(self) -> str:
        """The model's name in the registry."""

    @property
    @abstractmethod
    def runtime(self) -> Runtime:
        """The engine in use."""

    @abstractmethod
    def _embedded(self, image: Any, *, exact: bool = False) -> EmbeddedImage:
        """Embeds a picture, unless it is embedded already."""

    def _answer(
        self,
        embedded: EmbeddedImage,
        request: Request,
        granularity: Granularity,
        transcriber: Transcriber | None,
    ) -> Segments:
        """Answers objects of which some are spoken of by words or references."""
        predictor.check_granularity(granularity)
        parts = []
        for number, item in enumerate(request.objects):
            if says_what(item):
                parts.append(
                    answer(
                        self._meaning,
                        self.runtime,
                        embedded,
                        item,
                        granularity=granularity,
                        object_id=number,
                        transcriber=transcriber,
                    )
                )
            else:
                found = predictor.segment(self.runtime, embedded, [item], granularity=granularity)
                parts.append(found.replace(object_ids=np.full(len(found), number)))
        return Segments.concatenate(parts)

    def match(self, image: Any, text: Text | str, *, threshold: float | None = None) -> Segments:
        """Finds everything that fits a phrase, best first.

        Args:
            image: what `embed` returned, or anything that it takes.
            text: the phrase.
            threshold: the least probability with which it must be seen somewhere in the picture, from 0 to 1; with 0
                something is always answered.

        Returns:
            The masks; `scores` are mean probabilities of the phrase inside. Empty when it is not in the picture.

        Raises:
            InputError: the threshold is no probability.
        """
        if threshold is not None and not 0 <= threshold < 1:
            raise InputError(f"A threshold is a probability from 0 to 1, got {threshold!r}.")
        present = None
        if threshold is not None:
            present = -1e9 if threshold == 0 else float(np.log(threshold / (1 - threshold)))
        phrase = Text(text) if isinstance(text, str) else text
        return answer(self._meaning, self.runtime, self._embedded(image), (phrase,), present=present)

    def label(self, image: Any, segments: Segments, vocabulary: Words = None) -> Segments:
        """Names masks of any origin; empty masks get no label.

        Args:
            image: what `embed` returned, or anything that it takes.
            segments: masks of that picture.
            vocabulary: the names; by default the 133 of COCO.

        Returns:
            The masks with labels; scores are as they were.

        Raises:
            InputError: the masks are of another picture.
        """
        words = vocabulary_of(vocabulary)
        chances = self.name_chances(image, segments, words)
        labels = [
            words.labels[int(row.argmax())] if mask.area else None
            for row, mask in zip(chances, segments.masks, strict=True)
        ]
        return segments.with_labels(labels)

    def name_chances(self, image: Any, segments: Segments, vocabulary: Words = None) -> Float32:
        """Returns how probable each name is for each mask, (masks, names); rows add up to 1.

        Args:
            image: what `embed` returned, or anything that it takes.
            segments: masks of that picture.
            vocabulary: the names; by default the 133 of COCO.

        Raises:
            InputError: the masks are of another picture.
        """
        picture = _picture(image)
        if segments.size != picture.size:
            raise InputError(
                f"The masks are of a picture of {tuple(segments.size)}, this one has {tuple(picture.size)}."
            )
        return self._meaning.names(picture, segments.masks, vocabulary_of(vocabulary))

    def rank_labels(
        self, image: Any, segments: Segments, vocabulary: Words = None, *, top: int = 5
    ) -> list[tuple[str, ...]]:
        """Returns the likeliest names of each mask, best first; none for an empty mask.

        Args:
            image: what `embed` returned, or anything that it takes.
            segments: masks of that picture.
            vocabulary: the names; by default the 133 of COCO.
            top: how many names.
        """
        words = vocabulary_of(vocabulary)
        chances = self.name_chances(image, segments, words)
        order = np.argsort(-chances, axis=1, kind="stable")[:, :top]
        return [
            tuple(words.labels[number] for number in row) if mask.area else ()
            for row, mask in zip(order.tolist(), segments.masks, strict=True)
        ]

    def look(self, image: Any) -> None:
        """Looks at a picture for words ahead of the first of them, as `embed` does for places.

        Args:
            image: what `embed` returned, or anything that it takes.
        """
        self._meaning.see(_picture(image))

    def semantic(self, image: Any, vocabulary: Words = None) -> PanopticSegments:
        """Gives pixels a class: one segment for each class that is seen, the largest first.

        With names of one's own, pixels that show none of them stay without one; with COCO's 133, every pixel gets one.

        Args:
            image: what `embed` returned, or anything that it takes.
            vocabulary: the classes; by default COCO's 133.
        """
        embedded, words, found = self._patches(image, vocabulary)
        return maps.semantic(embedded, found, words)

    def panoptic(self, image: Any, vocabulary: Words = None) -> PanopticSegments:
        """Cuts a picture into things and stuff that do not overlap; see `semantic`.

        Args:
            image: what `embed` returned, or anything that it takes.
            vocabulary: the classes; by default COCO's 133.
        """
        embedded, words, found = self._patches(image, vocabulary)
        return maps.panoptic(embedded, found, words)

    def instances(self, image: Any, vocabulary: Words = None) -> Segments:
        """Finds all things of a vocabulary, best first.

        Args:
            image: what `embed` returned, or anything that it takes.
            vocabulary: the classes; by default COCO's 133, of which 80 are things.
        """
        return self.panoptic(image, vocabulary).things.sorted_by("score")

    def track(
        self,
        frames: Iterable[Any],
        reference: Reference,
        vocabulary: Vocabulary | Sequence[str] | None = None,
    ) -> Iterator[Segments]:
        """Finds the like of a reference in every frame, each on its own, and yields one result per frame.

        Args:
            frames: pictures, or what `embed` returned.
            reference: a region of one picture, as a rule the first frame.
            vocabulary: names for what is found; by default it gets none.
        """
        for frame in frames:
            embedded = self._embedded(frame)
            found = answer(self._meaning, self.runtime, embedded, (reference,))
            yield found if vocabulary is None else self.label(embedded, found, vocabulary)

    def _patches(self, image: Any, vocabulary: Words) -> tuple[EmbeddedImage, Vocabulary, list[maps.Patch]]:
        embedded, words = self._embedded(image), vocabulary_of(vocabulary)
        heat = self._meaning.heat(embedded.image, self._meaning.vocabulary(words))
        found = maps.patches(self.runtime, embedded, heat, words, everywhere=vocabulary is None)
        return embedded, words, found


def _picture(image: Any) -> Image:
    return image.image if isinstance(image, EmbeddedImage) else Image.open(image)

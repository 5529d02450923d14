"""What only models with semantics can do: the refusals of all others, which say what is needed."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from promptseg.errors import InputError
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.segments import Segments
from promptseg.models.seem.vocabulary import Vocabulary
from promptseg.prompts.semantics import Reference, Text

NEEDED = (
    'a model with semantics, such as Segmenter("seem-focal-t", weights="FILE.safetensors"); see docs/seem.md'
)


class Semantics:
    """The tasks of models with semantics; `SeemSegmenter` does them, SAM models raise `InputError`."""

    @property
    def model(self) -> str:
        """The model's name in the registry."""
        raise NotImplementedError

    def panoptic(self, image: Any, vocabulary: Vocabulary | Sequence[str] | None = None) -> PanopticSegments:
        """Cuts a picture into things and stuff; see `SeemSegmenter.panoptic`."""
        self._refuse("panoptic segmentation")

    def instances(self, image: Any, vocabulary: Vocabulary | Sequence[str] | None = None) -> Segments:
        """Finds all things; see `SeemSegmenter.instances`."""
        self._refuse("finding instances of classes")

    def semantic(self, image: Any, vocabulary: Vocabulary | Sequence[str] | None = None) -> PanopticSegments:
        """Gives every pixel a class; see `SeemSegmenter.semantic`."""
        self._refuse("semantic segmentation")

    def label(
        self, image: Any, segments: Segments, vocabulary: Vocabulary | Sequence[str] | None = None
    ) -> Segments:
        """Names masks; see `SeemSegmenter.label`."""
        self._refuse("naming masks")

    def match(self, image: Any, text: Text | str, *, threshold: float | None = None) -> Segments:
        """Finds all that fits a phrase; see `SeemSegmenter.match`."""
        self._refuse("finding what fits a phrase")

    def track(self, frames: Iterable[Any], reference: Reference) -> Iterator[Segments]:
        """Finds a reference's like in every frame; see `SeemSegmenter.track`."""
        self._refuse("following a reference")

    def _refuse(self, task: str) -> NoReturn:
        raise InputError(f"{self.model} knows no words and no classes: {task} needs {NEEDED}.")

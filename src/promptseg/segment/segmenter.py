"""`Segmenter`: what can be asked of a model, whatever its family. The families stand beside each other (`_HOMES`)."""

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from promptseg.arrays import Float32
from promptseg.errors import InputError
from promptseg.images import Image
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.segments import Segments
from promptseg.models.network import Network
from promptseg.models.registry import DEFAULT_MODEL, Family, get_card
from promptseg.progress import Progress
from promptseg.prompts.request import Prompts
from promptseg.prompts.speech import Transcriber
from promptseg.prompts.words import Text
from promptseg.runtimes.options import EngineOptions
from promptseg.runtimes.protocol import Runtime
from promptseg.runtimes.seem import SeemRuntime
from promptseg.segment.cache import EmbeddingCache
from promptseg.segment.embedded import Embedded, picture_of
from promptseg.segment.everything.generate import joined
from promptseg.segment.everything.options import EverythingOptions
from promptseg.segment.places.predictor import Granularity
from promptseg.segment.session import Session
from promptseg.segment.tiling import TiledImage
from promptseg.vocabulary import Words

if TYPE_CHECKING:
    from promptseg.video.track import VideoTrack

_HOMES: dict[Family, str] = {
    "sam": "promptseg.segment.sam:SamSegmenter",
    "seem": "promptseg.segment.seem.segmenter:SeemSegmenter",
}
"""Where the segmenter of each family is: "module:class"."""


class Segmenter:
    """Segments pictures by prompts, with the embedded default model unless told otherwise.

    `Segmenter(...)` makes the segmenter that the model needs: a `SamSegmenter` or a `SeemSegmenter`. Places, words,
    references, names and maps of classes are for all; what else a model can do is in `abilities`, and the rest is
    refused.

    Args:
        model: a name of the registry (`promptseg models`): "mobile-sam" is embedded; "sam-vit-b", "sam-vit-l" and
            "sam-vit-h" load downloaded or given weights. "seem-focal-t" and its like answer in SEEM's way
            (docs/seem.md).
        weights: a safetensors checkpoint with the official tensor names; one of the decoder alone (docs/training.md)
            answers prompts, while automatic masks keep to the model's own decoder.
        runtime: "auto", "onnx", "openvino" or "torch".
        precision: "auto", "float32", "bfloat16" or, in OpenVINO, "float16".
        device: "cpu", or for torch "cuda" or "mps".
        threads: computing threads; by default one per processor.
        cache: where embeddings are kept for pictures that come again: a folder, an `EmbeddingCache`, or None to keep
            none. With a folder, embeddings are rounded to float16, which changes masks by a few pixels; the exact
            mode of `everything` goes past it.
        words: a file with seem-tiny of another training run, which answers words and references of SAM's models; by
            default the embedded one.

    Raises:
        WeightsError: the weights are not at hand or do not fit the model.
        InputError: an unknown runtime, precision or device.
        UnavailableError: the runtime is not installed.
    """

    _cache: EmbeddingCache | None = None

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Makes the segmenter that the model needs."""
        if cls is not Segmenter:
            return object.__new__(cls)
        model = given[0] if given else named.get("model", DEFAULT_MODEL)
        module, _, name = _HOMES[get_card(model).family].partition(":")
        return object.__new__(getattr(import_module(module), name))

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        weights: str | Path | None = None,
        runtime: str = "auto",
        precision: str = "auto",
        device: str = "cpu",
        threads: int | None = None,
        cache: str | Path | EmbeddingCache | None = None,
        words: str | Path | None = None,
    ) -> None:
        self._card = get_card(model)
        options = EngineOptions(
            model=model, weights=weights, runtime=runtime, precision=precision, device=device, threads=threads
        )
        self._make(options, EmbeddingCache.of(cache), words)

    def _make(self, options: EngineOptions, cache: EmbeddingCache | None, words: str | Path | None) -> None:
        """Makes what computes, as the arguments of the segmenter say."""
        self._family_answers()

    @classmethod
    def of(cls, options: EngineOptions, *, cache: EmbeddingCache | None = None) -> "Segmenter":
        """Makes a segmenter as `options` say, perhaps with a cache that is open already."""
        return cls(
            options.model,
            weights=options.weights,
            runtime=options.runtime,
            precision=options.precision,
            device=options.device,
            threads=options.threads,
            cache=options.cache if cache is None else cache,
        )

    @property
    def model(self) -> str:
        """The model's name in the registry."""
        return self._card.name

    @property
    def abilities(self) -> frozenset[str]:
        """What the model can do and others cannot, in the words of `MODEL_ABILITIES`."""
        return self._card.abilities

    @property
    def runtime(self) -> Runtime | SeemRuntime:
        """The engine in use."""
        self._family_answers()

    @property
    def network(self) -> Network:
        """The loaded model: its card, tensors and graphs."""
        self._refuse("Graphs are", "runtime")

    @property
    def cache(self) -> EmbeddingCache | None:
        """Where embeddings are kept, if they are."""
        return self._cache

    def embed(self, image: Any, *, exact: bool = False) -> Embedded:
        """Embeds a picture once, for any number of prompts.

        Args:
            image: a path, the bytes of a file, a PIL image, a NumPy RGB array (H, W, 3), or an `Image`.
            exact: whether to go past a cache that rounds (see `cache`).

        Raises:
            ImageError: the picture cannot be read or is too large.
            OutputError: the folder of the cache cannot be written, and must be (`EmbeddingCache`).
        """
        self._family_answers()

    def is_cached(self, image: Any) -> bool:
        """Returns whether the cache holds the embedding of a picture (anything that `embed` takes)."""
        return False

    def embed_tiles(self, image: Any, *, tile: int = 1024) -> TiledImage:
        """Prepares a large picture for prompts that are answered at native resolution, on the tile around them.

        Tiles are embedded when a prompt needs them, past the segmenter's cache. Objects that are too large for a tile
        are answered on coarser ones, and at last on the picture as a whole.

        Args:
            image: anything that `embed` takes, except what it returned.
            tile: side of the finest tiles, in pixels.

        Raises:
            ImageError: the picture cannot be read or is too large.
            InputError: the tile is out of range.
        """
        self._refuse("Tiles are", "segment(image, ...)")

    def look(self, image: Any) -> None:
        """Looks at a picture for words ahead of the first of them, as `embed` does for places.

        Args:
            image: what `embed` returned, or anything that it takes.
        """
        self._refuse("Looks for words are", "embed(image)")

    def segment(
        self, image: Any, prompts: Prompts, *, granularity: Granularity = "auto", transcriber: Transcriber | None = None
    ) -> Segments:
        """Segments the objects that the prompts speak of.

        Places (points, boxes, strokes, shapes, masks) say where an object is, phrases and references what it is. An
        object of words or references alone is answered with everything that fits, and with nothing when nothing fits.

        Args:
            image: what `embed` or `embed_tiles` returned, or anything that `embed` takes.
            prompts: one prompt; a list of prompts of one object; or a list of such lists, one per object. A flat list
                of phrases alone speaks of one object per phrase.
            granularity: "auto", "part", "object", "whole", or "all" three.
            transcriber: writes down what `Audio` prompts say; by default `promptseg.speech.whisper.Whisper`, with the
                extra `speech` and a model that was downloaded (docs/speech.md).

        Returns:
            One mask per object with a place, in order (three with "all"); any number for words and references alone.

        Raises:
            PromptError: a prompt is malformed or does not fit the picture or the model.
            UnavailableError: there is a recording, and nothing that writes it down.
        """
        self._family_answers()

    def session(self, image: Any) -> Session:
        """Starts a dialogue on one picture, in which every further prompt corrects the mask so far."""
        self._family_answers()

    def restore(self, image: Any, record: dict[str, Any]) -> Session:
        """Continues the dialogue that `Session.to_json` wrote, on the same picture."""
        session = self.session(image)
        session.replay(record)
        return session

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
        self._family_answers()

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
        self._family_answers()

    def name_chances(self, image: Any, segments: Segments, vocabulary: Words = None) -> Float32:
        """Returns how probable each name is for each mask, (masks, names); rows add up to 1. See `label`."""
        self._refuse("Chances of names are", "label(image, segments)")

    def rank_labels(
        self, image: Any, segments: Segments, vocabulary: Words = None, *, top: int = 5
    ) -> list[tuple[str, ...]]:
        """Returns the `top` likeliest names of each mask, best first; none for an empty mask. See `label`."""
        self._refuse("Ranks of names are", "label(image, segments)")

    def semantic(self, image: Any, vocabulary: Words = None) -> PanopticSegments:
        """Gives pixels a class: one segment for each class that is seen, the largest first.

        Args:
            image: what `embed` returned, or anything that it takes.
            vocabulary: the classes; by default COCO's 133.
        """
        self._family_answers()

    def panoptic(self, image: Any, vocabulary: Words = None) -> PanopticSegments:
        """Cuts a picture into things and stuff that do not overlap; see `semantic`."""
        self._family_answers()

    def instances(self, image: Any, vocabulary: Words = None) -> Segments:
        """Finds all things of a vocabulary, best first; of COCO's 133 classes, 80 are things. See `semantic`."""
        self._family_answers()

    def video(
        self,
        clip: Any,
        *,
        start: int = 0,
        end: int | None = None,
        stride: int = 1,
        session: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    ) -> "VideoTrack":
        """Begins to follow objects through a clip: prompts on any frames become masks on all.

        Args:
            clip: a path (a film with the extra `video`; a folder of pictures; an animated GIF, PNG or WebP), the bytes
                of a file, a sequence of pictures, or a `Clip`.
            start: number of the first frame that is looked at, from 0.
            end: number behind the last; by default the clip is looked at to its end.
            stride: every how many frames.
            session: what `VideoTrack.to_json` wrote, or a file of it, to go on from.

        Raises:
            InputError: the clip cannot be read, or the record is of another clip.
            UnavailableError: the extra `video` is not installed.
        """
        self._refuse("Clips are", "segment(frame, Reference(first, mask))")

    def everything(
        self,
        image: Any,
        options: EverythingOptions | None = None,
        *,
        on_progress: Progress | None = None,
        **overrides: Any,
    ) -> Segments:
        """Finds all masks of a picture, without prompts.

        The exact mode computes in float32. A segmenter of another precision makes an engine for it when it is first
        asked, and embeds the picture again; with `precision="float32"` that is spared.

        `tile=1024` searches a very large picture at native resolution, tile by tile, in bounded memory.

        Args:
            image: what `embed` returned, or anything that `embed` takes.
            options: thresholds, grids and the mode; by default `EverythingOptions()`.
            on_progress: called with (points done, points in all).
            **overrides: single options by name, such as `mode="exact"` or `points_per_side=16`.

        Returns:
            The masks, with predicted IoU as `scores`, `stability_scores`, `crop_boxes`, and the point that each was
            found with in `prompts`. Empty when nothing survives the filters.

        Raises:
            InputError: an unknown option or an impossible value.
        """
        seen = image if isinstance(image, Embedded) else Image.open(image)
        parts = self.iter_everything(seen, options, on_progress=on_progress, **overrides)
        return joined(picture_of(seen), parts)

    def iter_everything(
        self,
        image: Any,
        options: EverythingOptions | None = None,
        *,
        on_progress: Progress | None = None,
        **overrides: Any,
    ) -> Iterator[Segments]:
        """Finds all masks of a picture and yields them in parts, as they become certain; see `everything`.

        Joined, the parts are what `everything` returns.
        """
        self._refuse("The search for everything is", "panoptic(image) or instances(image)")

    def edges(
        self,
        image: Any,
        *,
        points_per_side: int = 16,
        thin: bool = True,
        border: bool = False,
        on_progress: Progress | None = None,
    ) -> Float32:
        """Returns SAM's zero-shot edge map: how strongly each pixel lies on the outline of some mask.

        Args:
            image: what `embed` returned, or anything that `embed` takes.
            points_per_side: SAM is asked at this many points squared.
            thin: whether to thin the edges to lines.
            border: whether to keep edges at the very border of the picture, where masks stop short of it.
            on_progress: called with (points done, points in all).

        Returns:
            (H, W) in [0, 1].

        Raises:
            InputError: the number of points is out of range.
        """
        self._refuse("Edge maps are", "panoptic(image)")

    def proposals(
        self, image: Any, top: int = 1000, *, points_per_side: int = 64, on_progress: Progress | None = None
    ) -> Segments:
        """Proposes masks of everything that may be an object, the likeliest first, as in SAM's paper.

        Args:
            image: what `embed` returned, or anything that `embed` takes.
            top: at most so many masks.
            points_per_side: SAM is asked at this many points squared; 64 take a minute or more.
            on_progress: called with (points done, points in all).

        Returns:
            The masks, by the falling mean of predicted IoU (`scores`) and `stability_scores`, with the point that each
            answers in `prompts`.

        Raises:
            InputError: a number is out of range.
        """
        self._refuse("Proposals are", "instances(image)")

    def _family_answers(self) -> NoReturn:
        """Stands in the place of what each family does in its own way."""
        raise TypeError(f"{type(self).__name__} belongs to no family: make a segmenter with Segmenter(model).")

    def _refuse(self, what: str, instead: str) -> NoReturn:
        """Says what the model cannot do; a family overrides the methods of what it can do."""
        raise InputError(f"{what} for SAM models. With {self.model} use {instead}.")

    def _check_embedder(self, model: str) -> None:
        """Refuses a picture that another network embedded."""
        if model != self._card.network:
            raise InputError(
                f"This picture was embedded by {model!r}, the segmenter is {self.model!r}: embed it again."
            )
